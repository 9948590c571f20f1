import keras

from kerasfusion.fusion.query import query_of
from kerasfusion.fusion.tokens import TokenFusion, concatenated
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class CrossAttention(TokenFusion):
    """`T ← T + MHA(LN(T), LN(V), LN(V))`, `T ← T + FFN(LN(T))`, `num_layers` times; then `P LN(mean T)`.

    One half of ViLBERT's co-attention (arXiv 1908.02265): the words look for what they need among the image's
    cells, and their mean is the answer. `V` is all other modalities' tokens, one after the other. (The paper
    normalises behind each sum; the order here learns without a warm-up.) Every token is first
    `W_m x_l + e_m + p_{m,l}` with learned modality and position vectors. A modality with a single token is always
    attended to fully: where all others are such, choose a pooled fusion.

    Args:
        units: Width of the fused representation.
        query: Name of the modality that asks; `None` means `"text"`, or the only one without an image grid.
        hidden_dim: Width of the tokens; `None` means `units`.
        num_heads: Number of attention heads; must divide `hidden_dim`.
        num_layers: Number of layers.
        dropout: Dropout rate on the fused representation.

    Raises:
        ValueError: at build time, when it is not clear which modality asks, or there is no other; when `hidden_dim`
            is not divisible by `num_heads`, or a sequence has no fixed length.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = CrossAttention(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, query=None, **kwargs):
        super().__init__(units, **kwargs)
        self.query = query

    def parts(self, inputs):
        self.asking = query_of(self.name, inputs, self.query)
        return super().parts(inputs)

    def build_join(self, names):
        self.blocks = [self.block(f"block_{i}", cross=True) for i in range(self.num_layers)]
        return self.token_width

    def join(self, tokens):
        asking, own_mask = tokens[self.asking]
        seen, mask = concatenated({name: pair for name, pair in tokens.items() if name != self.asking})
        for block in self.blocks:
            asking = block(asking, seen, attended=mask)
        return masked_mean(asking, own_mask, axis=1)

    def get_config(self):
        return {**super().get_config(), "query": self.query}
