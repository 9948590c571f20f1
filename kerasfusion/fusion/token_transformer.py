import keras

from kerasfusion.fusion.tokens import TokenFusion, concatenated, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class TokenTransformer(TokenFusion):
    """`P LN(Enc([CLS; T; V])_CLS)`: one transformer reads all tokens as one sequence (VisualBERT, arXiv 1908.03557).

    Every token is first `W_m x_l + e_m + p_{m,l}` with learned modality and position vectors; a missing modality
    is one learned token. `Enc` is `num_layers` layers of self-attention, `CLS` a learned token that gathers the
    result. The cost grows with the square of all tokens together.

    Args:
        units: Width of the fused representation.
        hidden_dim: Width of the tokens; `None` means `units`.
        num_heads: Number of attention heads; must divide `hidden_dim`.
        num_layers: Number of layers.
        dropout: Dropout rate on the fused representation.

    Raises:
        ValueError: at build time, when `hidden_dim` is not divisible by `num_heads`, or a sequence has no fixed
            length.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = TokenTransformer(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def build_join(self, names):
        self.first = self.learned_tokens("first", 1)
        self.blocks = [self.block(f"block_{i}") for i in range(self.num_layers)]
        return self.token_width

    def join(self, tokens):
        tokens, mask = concatenated(tokens)
        tokens, mask = prepend(for_every_row(self.first, tokens), tokens, mask)
        for block in self.blocks:
            tokens = block(tokens, attended=mask)
        return tokens[:, 0]
