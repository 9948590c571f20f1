import keras

from kerasfusion.fusion.query import query_of
from kerasfusion.fusion.tokens import TokenFusion, concatenated
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class CrossAttention(TokenFusion):
    """Cross-attention: the tokens of one modality attend to those of all others (one half of arXiv 1908.02265).

        T ← T + MHA(LN(T), LN(V), LN(V)),  T ← T + FFN(LN(T))  (`num_layers` times),  output = P LN(mean T)

    `T` are the tokens of the query modality, `V` the concatenated tokens of all others. Unlike the paper, the
    normalization precedes each sublayer, so no learning rate warmup is needed. Input tokens are `W_m x_l + e_m +
    p_{m,l}` with learned modality and position embeddings. A modality with a single token always gets an attention
    weight of 1: if all others are of this kind, use a fusion of pooled vectors.

    Args:
        units: int, width of the fused representation.
        query: Optional str, name of the query modality. Defaults to `"text"`, or to the only one without an image
            grid.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the query modality is ambiguous or the only one, `hidden_dim` is not divisible
            by `num_heads`, or a sequence has no fixed length.

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
