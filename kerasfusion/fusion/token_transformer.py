import keras

from kerasfusion.fusion.tokens import TokenFusion, concatenated, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class TokenTransformer(TokenFusion):
    """Single-stream transformer over the tokens of all modalities: `P LN(Enc([CLS; T; V])_CLS)` (arXiv 1908.03557).

    Input tokens are `W_m x_l + e_m + p_{m,l}` with learned modality and position embeddings; a missing modality is
    one learned token. `Enc` is `num_layers` layers of self-attention, and the output is read at the learned token
    `CLS` (VisualBERT). The cost grows with the square of the total number of tokens.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads` or a sequence has no fixed length.

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
