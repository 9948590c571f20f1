import keras

from kerasfusion.fusion.tokens import TokenFusion, concatenated, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class TokenTransformer(TokenFusion):
    """Single-stream transformer over the tokens of all modalities: `P LN(Enc([CLS; T; V])_CLS)` (arXiv 1908.03557).

    Input tokens are `W_m x_l + e_m + p_{m,l}` with learned modality and position embeddings; a missing modality is
    one learned token. `Enc` is `num_layers` layers of self-attention, and the output is read at the learned token
    `CLS` (VisualBERT), or at every token of one modality: `P LN(Enc([T; V])_V)`, one vector for each frame of a video
    (as in arXiv 2107.09609). The cost grows with the square of the total number of tokens.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.
        read_at: Optional str, name of the modality at whose tokens the output is read, float `(B, L, units)`.
            Defaults to `None`: at `CLS`, `(B, units)`.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads`, a sequence has no fixed length, or
            there is no modality `read_at`.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = TokenTransformer(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, hidden_dim=None, num_heads=4, num_layers=2, read_at=None, **kwargs):
        super().__init__(units, hidden_dim, num_heads, num_layers, **kwargs)
        self.read_at = read_at

    def build_join(self, names):
        if self.read_at not in (None, *names):
            raise ValueError(f"{self.name}: read_at must be one of {sorted(names)}, not {self.read_at!r}.")
        self.first = self.learned_tokens("first", 1) if self.read_at is None else None
        self.blocks = [self.block(f"block_{i}") for i in range(self.num_layers)]
        return self.token_width

    def join(self, tokens):
        start, length = 0, 0
        if self.read_at is not None:
            start = sum(values.shape[1] for name, (values, _) in tokens.items() if name < self.read_at)
            length = tokens[self.read_at][0].shape[1]
        tokens, mask = concatenated(tokens)
        if self.read_at is None:
            tokens, mask = prepend(for_every_row(self.first, tokens), tokens, mask)
        for block in self.blocks:
            tokens = block(tokens, attended=mask)
        return tokens[:, 0] if self.read_at is None else tokens[:, start : start + length]

    def get_config(self):
        return {**super().get_config(), "read_at": self.read_at}
