import keras
from keras import ops

from kerasfusion.fusion.tokens import TokenFusion, concatenated
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class CoAttention(TokenFusion):
    """`CrossAttention` in every direction at once; then `P LN([mean T; mean V])` (ViLBERT, arXiv 1908.02265).

    In each of `num_layers` layers `T' = T + MHA(LN(T), LN(V), LN(V))`, `T'' = T' + FFN(LN(T'))` and the same with `T`
    and `V` exchanged; with more than two modalities, each attends to the tokens of all others. (The paper
    normalises behind each sum, and has a layer of self-attention after each of these.) Every token is first
    `W_m x_l + e_m + p_{m,l}` with learned modality and position vectors.

    Args:
        units: Width of the fused representation.
        hidden_dim: Width of the tokens; `None` means `units`.
        num_heads: Number of attention heads; must divide `hidden_dim`.
        num_layers: Number of layers.
        dropout: Dropout rate on the fused representation.

    Raises:
        ValueError: at build time, when there is one modality alone; when `hidden_dim` is not divisible by
            `num_heads`, or a sequence has no fixed length.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = CoAttention(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def parts(self, inputs):
        if len(inputs) < 2:
            raise ValueError(f"{self.name} needs two modalities that attend to each other; it has {sorted(inputs)}.")
        return super().parts(inputs)

    def build_join(self, names):
        self.blocks = {
            f"{name}_{i}": self.block(f"{name}_{i}", cross=True) for name in names for i in range(self.num_layers)
        }
        return self.token_width * len(names)

    def join(self, tokens):
        for i in range(self.num_layers):
            tokens = {name: (self.look(name, i, tokens), mask) for name, (_, mask) in tokens.items()}
        return ops.concatenate([masked_mean(*pair, axis=1) for pair in tokens.values()], axis=-1)

    def look(self, name, i, tokens):
        """The tokens of one modality after they have looked at all others' in layer `i`."""
        seen, mask = concatenated({other: pair for other, pair in tokens.items() if other != name})
        return self.blocks[f"{name}_{i}"](tokens[name][0], seen, attended=mask)
