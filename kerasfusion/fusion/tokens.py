import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.layers import TransformerBlock


class TokenFusion(Fusion):
    """Base class of attention fusions of token sequences.

    The tokens of every modality are projected to one width, and modality and position embeddings are added:
    `W_m x_l + e_m + p_{m,l}`. A subclass reduces them to one vector in `join`, and `P LN(·)` projects it to `units`.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the tokens. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of layers. Defaults to 2.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads` or a sequence has no fixed length.
    """

    def __init__(self, units, hidden_dim=None, num_heads=4, num_layers=2, **kwargs):
        super().__init__(units, **kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.num_layers = num_layers

    def parts(self, inputs):
        return dict.fromkeys(inputs, "sequence")

    def build_fusion(self, shapes):
        self.token_width = self.hidden_dim or self.units
        for name, shape in shapes.items():
            if shape[1] is None:
                raise ValueError(f"{self.name}: the sequence of {name!r} must have a fixed length.")
        # The bias is e_m: what all tokens of a modality have in common.
        self.inputs = self.dense_each("in", shapes, self.token_width)
        self.positions = {name: self.learned_tokens(f"positions_{name}", shape[1]) for name, shape in shapes.items()}
        joined = self.build_join(list(shapes))
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=self.dtype_policy)
        self.norm.build((None, joined))
        self.projection = self.dense("projection", joined, self.units)

    def build_join(self, names):
        """Create the layers of `join` for modalities with these names and return the width of its output."""
        raise NotImplementedError

    def join(self, tokens):
        """Reduce dict name -> (tokens `(B, L, hidden_dim)`, mask `(B, L)`) to one vector `(B, d)`."""
        raise NotImplementedError

    def learned_tokens(self, name, count):
        """Add a weight that holds `count` tokens."""
        return self.add_weight(shape=(count, self.token_width), initializer="random_normal", name=name)

    def block(self, name, cross=False):
        """Build a transformer block for tokens of this width; with `cross=True`, one that attends to a context."""
        block = TransformerBlock(self.num_heads, name=name, dtype=self.dtype_policy)
        shape = (None, None, self.token_width)
        block.build(shape, shape if cross else None)
        return block

    def tokens_of(self, values):
        """Project the tokens and add the embeddings: dict name -> (tokens `(B, L, hidden_dim)`, mask `(B, L)`)."""
        return {
            name: (self.inputs[name](value) + self.positions[name][: value.shape[1]], mask)
            for name, (value, mask) in values.items()
        }

    def fuse(self, values, training):
        return self.projection(self.norm(self.join(self.tokens_of(values))))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
        }


def concatenated(tokens):
    """Concatenate the tokens and the masks of all modalities: dict name -> pair to one pair."""
    values, masks = zip(*tokens.values(), strict=True)
    return ops.concatenate(values, axis=1), ops.concatenate(masks, axis=1)


def project_weighted_sum(layers, tokens, weights):
    """Compute `Σ_m V_m Σ_i p_i x_i`, projecting the sum of each modality instead of every token.

    Args:
        layers: dict name -> dense layer `V_m`, without a bias.
        tokens: dict name -> pair of tokens `(B, L, d)` and mask; concatenated in the order of `layers`.
        weights: float `(B, ΣL)`, weights of the concatenated tokens.

    Returns:
        float `(B, units)`.
    """
    total, start = 0.0, 0
    for name, layer in layers.items():
        values, _ = tokens[name]
        here = weights[:, start : start + values.shape[1]]
        start += values.shape[1]
        total = total + layer(ops.einsum("bl,bld->bd", here, values))
    return total


def for_every_row(learned, tokens):
    """Repeat learned tokens `(n, d)` for each row of `tokens` `(B, L, d)`: `(B, n, d)`."""
    return ops.broadcast_to(learned[None], (ops.shape(tokens)[0], *learned.shape))


def prepend(first, tokens, mask):
    """Prepend unmasked tokens `(B, n, d)` to tokens `(B, L, d)` with a mask `(B, L)`; returns the new pair."""
    ones = ops.ones_like(first[:, :, 0], dtype="bool")
    return ops.concatenate([first, tokens], axis=1), ops.concatenate([ones, mask], axis=1)
