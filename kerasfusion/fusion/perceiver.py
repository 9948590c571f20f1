import keras
from keras import ops

from kerasfusion.fusion.tokens import TokenFusion, concatenated, for_every_row


@keras.saving.register_keras_serializable("kerasfusion")
class PerceiverFusion(TokenFusion):
    """Perceiver: a few learned latent tokens attend to the tokens of all modalities (arXiv 2103.03206).

        L ← Cross(L, [T; V]),  L ← Self(L)  (`num_layers` times),   output = P LN(mean L)

    `Cross` and `Self` are `x' = x + MHA(LN(x), c, c)`, `x'' = x' + FFN(LN(x'))` with `c = LN([T; V])` and `c =
    LN(x)`. The cost is linear in the number of tokens. Input tokens are `W_m x_l + e_m + p_{m,l}` with learned
    modality and position embeddings. Layers do not share weights.

    Args:
        units: int, width of the fused representation.
        num_latents: int, number of latent tokens. Defaults to 8.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of pairs of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads` or a sequence has no fixed length.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8)), "mask": keras.ops.ones((2, 5), "bool")}
    image = {"sequence": keras.random.normal((2, 9, 16))}
    fused = PerceiverFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_latents=8, **kwargs):
        super().__init__(units, **kwargs)
        self.num_latents = num_latents

    def build_join(self, names):
        self.latent_tokens = self.learned_tokens("latent_tokens", self.num_latents)
        self.cross = [self.block(f"cross_{i}", cross=True) for i in range(self.num_layers)]
        self.own = [self.block(f"own_{i}") for i in range(self.num_layers)]
        return self.token_width

    def join(self, tokens):
        seen, mask = concatenated(tokens)
        latents = for_every_row(self.latent_tokens, seen)
        for cross, own in zip(self.cross, self.own, strict=True):
            latents = own(cross(latents, seen, attended=mask))
        return ops.mean(latents, axis=1)

    def get_config(self):
        return {**super().get_config(), "num_latents": self.num_latents}
