import keras
import numpy as np
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.query import query_of
from kerasfusion.fusion.tokens import project_weighted_sum
from kerasfusion.masking import masked_mean, masked_softmax

# Steepness of a half-plane: 0 to 1 over about half of the image.
STEEPNESS = 8.0
# Factor of the position scores. They start as small as any dense layer's output, and must outvote the content.
POSITION_SCALE = 4.0
# Score from which a token counts as found, and a sum that is about one for images of few things.
FOUND, MANY = 2.0, 4.0


@keras.saving.register_keras_serializable("kerasfusion")
class MACFusion(Fusion):
    """Reasoning in steps: attend to words, attend to cells, update a memory (MAC, arXiv 1803.03067).

        q = Q mean(t),  c = q,  m = 0,  then `num_steps` times:
        c ← Σ_l α_l V t_l,   α = softmax_l(w · tanh(K t_l + U_h [q; c]))                     (control)
        s_i = x_i K' · A_h [c; m] / √d + 4 f(x_i - z) · R_h c,   p = softmax(s)               (read)
        m ← LN(m + relu(W_h [r ⊙ (1 + G_h c); r; m; g; g ⊙ R_h c; z'; z' - z])),   z ← z'     (write)
        r = V' Σ_i p_i x_i,   z' = Σ_i p_i z_i,   g = f(z' - z)

    With `count`, what is written holds how many tokens match as well: `[Σ_i σ(s_i - 2) / 4; max_i σ(s_i - 2);
    log Σ_i exp(s_i) / 4]`. The weights `p` do not tell it, as they sum to 1 whether anything matches or not.

    `t_l` are the tokens of the query modality, `x_i` those of all others, `z_i` the position of a grid's cell and
    `f(d) = [σ(8 d); σ(-8 d)]`, which tells on which side of the last attended position another one lies. The output
    is `P [m; q]`. The control chooses in each step which words to act on, so that a question about two objects can
    look for one after the other. Positions relative to the last step are our addition: without them no step can look
    left of what the last one found. Boxes have the positions of their centers, other tokens without a grid none
    (zeros).

    Args:
        units: int, width of the fused representation, of the control and of the memory.
        num_steps: int, number of steps. Defaults to 4.
        query: Optional str, name of the query modality. Defaults to `"text"`, or to the only one without an image
            grid.
        count: bool, whether to tell how many tokens match. Defaults to False.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the query modality is ambiguous or the only one, or a grid does not fit its
            sequence.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8))}
    grid = keras.random.normal((2, 3, 3, 16))
    image = {"grid": grid, "sequence": keras.ops.reshape(grid, (2, 9, 16))}
    fused = MACFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_steps=4, query=None, count=False, **kwargs):
        super().__init__(units, **kwargs)
        self.num_steps = num_steps
        self.query = query
        self.count = count

    def parts(self, inputs):
        self.asking = query_of(self.name, inputs, self.query)
        self.grids = {
            name: tuple(value["grid"][1:3])
            for name, value in inputs.items()
            if isinstance(value, dict) and "grid" in value
        }
        self.placed = [name for name, value in inputs.items() if isinstance(value, dict) and "positions" in value]
        return dict.fromkeys(inputs, "sequence")

    def values_of(self, inputs, present=None):
        values = super().values_of(inputs, present)
        for name in self.placed:
            positions = ops.cast(inputs[name]["positions"], values[name][0].dtype)
            if present is not None and name in present:
                positions = ops.where(present[name][:, None, None], positions, 0.0)
            values[name] = (*values[name], positions)
        return values

    def build_fusion(self, shapes):
        self.build_steps(shapes)
        self.projection = self.dense("projection", 2 * self.units, self.units)

    def build_steps(self, shapes):
        """Create the layers of `reason`."""
        units, words = self.units, shapes[self.asking][-1]
        seen = {name: shape for name, shape in shapes.items() if name != self.asking}
        self.positions = {name: self._positions(name, shape[1]) for name, shape in seen.items()}
        self.question = self.dense("question", words, units)
        self.word_keys = self.dense("word_keys", words, units)
        self.word_values = self.dense("word_values", words, units)
        self.word_score = self.dense("word_score", units, 1, use_bias=False)
        self.keys = self.dense_each("keys", seen, units)
        self.values = {
            name: self.dense(f"values_{name}", shape[-1], units, use_bias=False) for name, shape in seen.items()
        }
        self.controls = self._each_step("controls", 2 * units, units)
        self.reads = self._each_step("reads", 2 * units, units)
        self.gates = self._each_step("gates", units, units)
        self.sides = self._each_step("sides", units, 4)
        self.updates = self._each_step("updates", 3 * units + 12 + 3 * self.count, units, "relu")
        self.norms = []
        for step in range(self.num_steps):
            norm = keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{step}", dtype=self.dtype_policy)
            norm.build((None, units))
            self.norms.append(norm)

    def fuse(self, values, training):
        memory, question, _, _ = self.reason(values)
        return self.projection(ops.concatenate([memory, question], axis=-1))

    def reason(self, values):
        """Take all steps: memory and question, each `(B, units)`, last position `(B, 2)` and last scores `(B, L)`."""
        words, word_mask = values[self.asking][:2]
        own = {name: values[name][2] for name in self.placed if name in self.keys}
        values = {name: value[:2] for name, value in values.items()}
        question = self.question(masked_mean(words, word_mask, axis=1))
        word_keys, word_values = self.word_keys(words), self.word_values(words)
        mask = ops.concatenate([values[name][1] for name in self.keys], axis=1)
        places = self._places(own, words)
        control, memory, last = question, ops.zeros_like(question), None
        for step in range(self.num_steps):
            wanted = self.controls[step](ops.concatenate([question, control], axis=-1))
            scores = self.word_score(ops.tanh(word_keys + wanted[:, None, :]))[:, :, 0]
            control = ops.einsum("bl,bld->bd", masked_softmax(scores, word_mask), word_values)
            sides = self.sides[step](control)
            asked = self.reads[step](ops.concatenate([control, memory], axis=-1))
            scores = self._match(values, asked) / self.units**0.5
            if last is not None:
                offsets = half_planes((places if own else places[None]) - last[:, None, :])
                scores = scores + POSITION_SCALE * ops.einsum("blk,bk->bl", offsets, sides)
            weights = masked_softmax(scores, mask)
            place = ops.einsum("bl,blk->bk" if own else "bl,lk->bk", weights, places)
            moved = ops.zeros_like(place) if last is None else place - last
            side = half_planes(moved)
            read = project_weighted_sum(self.values, values, weights)
            found = [read * (1.0 + self.gates[step](control)), read, memory, side, side * sides, place, moved]
            if self.count:
                found += matches(scores, mask)
            memory = self.norms[step](memory + self.updates[step](ops.concatenate(found, axis=-1)))
            last = place
        return memory, question, last, scores

    def _match(self, values, asked):
        """`x K' · asked` of every token: `(B, L)`. `asked` is brought to the tokens, of which there are more."""
        scores = []
        for name, layer in self.keys.items():
            kernel, bias = ops.convert_to_tensor(layer.kernel), ops.convert_to_tensor(layer.bias)
            wanted = ops.matmul(asked, ops.transpose(kernel))
            shift = ops.matmul(asked, bias[:, None])
            scores.append(ops.einsum("bld,bd->bl", values[name][0], wanted) + shift)
        return ops.concatenate(scores, axis=1)

    def _each_step(self, name, width, units, activation=None):
        return [self.dense(f"{name}_{step}", width, units, activation) for step in range(self.num_steps)]

    def _places(self, own, words):
        """Positions of all tokens: `(L, 2)`, or `(B, L, 2)` where those in `own` differ from row to row."""
        if not own:
            return ops.convert_to_tensor(np.concatenate(list(self.positions.values())), dtype=words.dtype)
        rows = ops.shape(words)[0]
        fixed = {name: ops.convert_to_tensor(places, dtype=words.dtype) for name, places in self.positions.items()}
        parts = [own[name] if name in own else ops.repeat(fixed[name][None], rows, axis=0) for name in self.positions]
        return ops.concatenate(parts, axis=1)

    def _positions(self, name, length):
        """Row and column of every token, from -1 to 1: float32 `(L, 2)`."""
        if length is None:
            raise ValueError(f"{self.name}: the sequence of {name!r} must have a fixed length.")
        if name not in self.grids:
            return np.zeros((length, 2), "float32")
        height, width = self.grids[name]
        if height * width != length:
            raise ValueError(f"{self.name}: {name!r} has a grid of {height} x {width} and {length} tokens.")
        rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        return np.stack([rows.ravel(), columns.ravel()], axis=-1).astype("float32")

    def get_config(self):
        return {**super().get_config(), "num_steps": self.num_steps, "query": self.query, "count": self.count}


def half_planes(offsets):
    """How far offsets `(..., 2)` lie below, right, above and left, from 0 to 1: `(..., 4)`."""
    return ops.concatenate([ops.sigmoid(STEEPNESS * offsets), ops.sigmoid(-STEEPNESS * offsets)], axis=-1)


def matches(scores, mask):
    """How many tokens match, whether any does, and the free energy of the scores: three `(B, 1)`."""
    there = ops.cast(mask, scores.dtype)
    found = there * ops.sigmoid(scores - FOUND)
    total = ops.logsumexp(ops.where(mask, scores, -1e4), axis=-1, keepdims=True)
    return [
        ops.sum(found, axis=-1, keepdims=True) / MANY,
        ops.max(found, axis=-1, keepdims=True),
        total / MANY,
    ]
