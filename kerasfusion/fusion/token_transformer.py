import keras
import numpy as np
from keras import ops

from kerasfusion.fusion.tokens import TokenFusion, concatenated, for_every_row, prepend


@keras.saving.register_keras_serializable("kerasfusion")
class TokenTransformer(TokenFusion):
    """Single-stream transformer over the tokens of all modalities: `P LN(Enc([CLS; T; V])_CLS)` (arXiv 1908.03557).

    Input tokens are `W_m x_l + e_m + p_{m,l}` with learned modality and position embeddings; a missing modality is
    one learned token. `Enc` is `num_layers` layers of self-attention, and the output is read at the learned token
    `CLS` (VisualBERT), or at every token of one modality: `P LN(Enc([T; V])_V)`, one vector for each frame of a video
    (as in arXiv 2107.09609). The cost grows with the square of the total number of tokens.

    Modalities of the same time, such as a video and its sound, can be summed to one token for each time (`aligned`):
    `x_t = W_V v_t + e_V + p_{V,t} + W_S s_{τ(t)} + e_S + p_{S,τ(t)}`, where `τ(t)` is the token of the sound at the
    time of frame `t`. Otherwise attention would have to learn which frame belongs to which part of the sound.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.
        read_at: Optional str, name of the modality at whose tokens the output is read, float `(B, L, units)`.
            Defaults to `None`: at `CLS`, `(B, units)`.
        aligned: Names of modalities that last equally long, of which one token each is summed. The first one's
            tokens set the times. Defaults to none.
        pooled: Names of modalities whose pooled vector is their only token, which is cheaper. Defaults to none.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads`, a sequence has no fixed length,
            there is no modality `read_at` or one in `aligned` or `pooled`, or `read_at` is summed into another one.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = TokenTransformer(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(
        self, units, hidden_dim=None, num_heads=4, num_layers=2, read_at=None, aligned=(), pooled=(), **kwargs
    ):
        super().__init__(units, hidden_dim, num_heads, num_layers, **kwargs)
        self.read_at = read_at
        self.aligned = tuple(aligned)
        self.pooled = tuple(pooled)

    def parts(self, inputs):
        return {name: "pooled" if name in self.pooled else part for name, part in super().parts(inputs).items()}

    def build_fusion(self, shapes):
        super().build_fusion({n: (s[0], 1, s[-1]) if n in self.pooled else s for n, s in shapes.items()})

    def build_join(self, names):
        for argument in ("aligned", "pooled"):
            if unknown := sorted({*getattr(self, argument)} - {*names}):
                raise ValueError(f"{self.name}: {argument} must name some of {sorted(names)}, not {unknown}.")
        names = [name for name in names if name not in self.aligned[1:]]
        if self.read_at not in (None, *names):
            raise ValueError(f"{self.name}: read_at must be one of {sorted(names)}, not {self.read_at!r}.")
        self.first = self.learned_tokens("first", 1) if self.read_at is None else None
        self.blocks = [self.block(f"block_{i}") for i in range(self.num_layers)]
        return self.token_width

    def tokens_of(self, values):
        single = {name: values[name][:, None, :] for name in self.pooled}
        single = {name: (value, ops.ones_like(value[:, :, 0], dtype="bool")) for name, value in single.items()}
        tokens = super().tokens_of({name: single.get(name, value) for name, value in values.items()})
        if not self.aligned:
            return tokens
        first, *others = self.aligned
        length = tokens[first][0].shape[1]
        parts = [_at_times(*tokens.pop(name), length) for name in others]
        values, mask = tokens[first]
        values = values * ops.cast(mask, values.dtype)[..., None]
        for own, own_mask in parts:
            values, mask = values + own, ops.logical_or(mask, own_mask)
        return {**tokens, first: (values, mask)}

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
        return {**super().get_config(), "read_at": self.read_at, "aligned": self.aligned, "pooled": self.pooled}


def _at_times(values, mask, count):
    """The tokens `(B, L, d)` in the middle of `count` equal parts of the time, zero where masked; and their mask."""
    places = ((np.arange(count) + 0.5) * values.shape[1] / count).astype("int32")
    values, mask = ops.take(values, places, axis=1), ops.take(mask, places, axis=1)
    return values * ops.cast(mask, values.dtype)[..., None], mask
