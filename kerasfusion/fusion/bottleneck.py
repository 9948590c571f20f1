import keras

from kerasfusion.fusion.tokens import TokenFusion, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class BottleneckFusion(TokenFusion):
    """Attention bottlenecks: one transformer per modality, connected by a few shared tokens (MBT, arXiv 2107.00135).

        [B_m; X_m] ← Block_m([B; X_m]),  B ← mean_m B_m  (`num_layers` times),  output = P LN(mean_m CLS_m)

    In the transformer of modality `m`, its tokens `X_m` (with a learned token `CLS_m`) attend to one another and to
    the `num_bottlenecks` shared tokens `B`. Only these carry information between modalities, from the second layer
    on, so the cost grows with the square of the longest sequence instead of the square of all tokens. The first layer
    writes to them, the second reads, and from the third on what `CLS_m` attends to in its own modality depends on the
    others: a question needs three layers to choose where to look. Input tokens are `W_m x_l + e_m + p_{m,l}` with
    learned modality and position embeddings.

    Args:
        units: int, width of the fused representation.
        num_bottlenecks: int, number of shared tokens. Defaults to 4.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 3.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads` or a sequence has no fixed length.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = BottleneckFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_bottlenecks=4, hidden_dim=None, num_heads=4, num_layers=3, **kwargs):
        super().__init__(units, hidden_dim, num_heads, num_layers, **kwargs)
        self.num_bottlenecks = num_bottlenecks

    def build_join(self, names):
        self.shared = self.learned_tokens("shared", self.num_bottlenecks)
        self.first = {name: self.learned_tokens(f"first_{name}", 1) for name in names}
        self.blocks = {f"{name}_{i}": self.block(f"{name}_{i}") for name in names for i in range(self.num_layers)}
        return self.token_width

    def join(self, tokens):
        tokens = {name: prepend(for_every_row(self.first[name], x), x, mask) for name, (x, mask) in tokens.items()}
        shared = for_every_row(self.shared, next(iter(tokens.values()))[0])
        for i in range(self.num_layers):
            after = {}
            for name, pair in tokens.items():
                x, mask = prepend(shared, *pair)
                after[name] = self.blocks[f"{name}_{i}"](x, attended=mask)
            shared = sum(x[:, : self.num_bottlenecks] for x in after.values()) / len(after)
            tokens = {name: (x[:, self.num_bottlenecks :], tokens[name][1]) for name, x in after.items()}
        return sum(x[:, 0] for x, _ in tokens.values()) / len(tokens)

    def get_config(self):
        return {**super().get_config(), "num_bottlenecks": self.num_bottlenecks}
