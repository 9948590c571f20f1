import keras
from keras import ops

from kerasfusion.fusion.tokens import TokenFusion, concatenated
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class CoAttention(TokenFusion):
    """Co-attention: every modality attends to all others (ViLBERT, arXiv 1908.02265).

        T' = T + MHA(LN(T), LN(V), LN(V)),  T'' = T' + FFN(LN(T'))  (`num_layers` times, also with T and V swapped)
        output = P LN([mean T; mean V])

    With more than two modalities, each attends to the tokens of all others. Unlike the paper, the normalization
    precedes each sublayer, and no self-attention layers are interleaved. Input tokens are `W_m x_l + e_m + p_{m,l}`
    with learned modality and position embeddings.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if there is only one modality, `hidden_dim` is not divisible by `num_heads`, or a
            sequence has no fixed length.

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
        """Update the tokens of one modality by attention to all others in layer `i`."""
        seen, mask = concatenated({other: pair for other, pair in tokens.items() if other != name})
        return self.blocks[f"{name}_{i}"](tokens[name][0], seen, attended=mask)
