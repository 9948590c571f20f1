import keras

from kerasfusion.fusion.tokens import TokenFusion, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class BottleneckFusion(TokenFusion):
    """`[B_m; X_m] ← Block_m([B; X_m])`, `B ← mean_m B_m`, `num_layers` times; then `P LN(mean_m CLS_m)`.

    Attention bottlenecks (MBT, arXiv 2107.00135): each modality has a transformer of its own, in which its tokens
    `X_m`, a learned `CLS_m` among them, see one another and the `num_bottlenecks` tokens `B`. Those alone carry
    anything from one modality to another, from the second layer on; so the modalities must sum up what matters, and
    the cost grows with the square of the longest sequence only. Every token is first `W_m x_l + e_m + p_{m,l}` with
    learned modality and position vectors.

    Args:
        units: Width of the fused representation.
        num_bottlenecks: Number of shared tokens.
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
    fused = BottleneckFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_bottlenecks=4, **kwargs):
        super().__init__(units, **kwargs)
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
