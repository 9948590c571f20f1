import keras
import numpy as np
from keras import ops

from kerasfusion.fusion.mac import MACFusion, half_planes


@keras.saving.register_keras_serializable("kerasfusion")
class GroundingFusion(MACFusion):
    """Condition every cell of an image on a text that refers to one of its parts.

        y_i = relu(X x_i ⊙ (1 + G [m; q]) + B [m; q] + O (f(x_i - z) ⊙ R [m; q]) + s_i S)

    The steps are those of `MACFusion`, and the output is a grid instead of a vector: `m`, `q`, `z` and `s_i` are the
    memory, the query, the last attended position and the last scores of the steps; `x_i` in `f` stands for the cell's
    position. The text scales and shifts the features of every cell (FiLM, arXiv 1709.07871), so that a head on the
    cells, such as `kf.heads.BoxHead`, finds the object that a referring expression means.

    Args:
        units: int, width of the cells, of the control and of the memory.
        num_steps, query, count, dropout: See `MACFusion`. `num_steps` defaults to 3.

    Returns:
        float `(B, h, w, units)`.

    Raises:
        ValueError: at build time, if not exactly one modality beside the query has a grid, or others are there.

    Example:

    ```python
    text = {"sequence": keras.random.normal((2, 5, 8))}
    grid = keras.random.normal((2, 4, 4, 16))
    image = {"grid": grid, "sequence": keras.ops.reshape(grid, (2, 16, 16))}
    cells = GroundingFusion(32)({"text": text, "image": image})  # (2, 4, 4, 32)
    ```
    """

    def __init__(self, units, num_steps=3, **kwargs):
        super().__init__(units, num_steps=num_steps, **kwargs)

    def build_fusion(self, shapes):
        self.build_steps(shapes)
        seen = [name for name in shapes if name != self.asking]
        if len(seen) != 1 or seen[0] not in self.grids:
            raise ValueError(f"{self.name} finds places in one image grid, and has {seen} beside {self.asking!r}.")
        (self.image,) = seen
        units, told = self.units, 2 * self.units
        self.cells = self.dense("cells", shapes[self.image][-1], units)
        self.scale = self.dense("scale", told, units)
        self.shift = self.dense("shift", told, units)
        self.wanted_sides = self.dense("wanted_sides", told, 4)
        self.offsets = self.dense("offsets", 4, units, use_bias=False)
        self.scores = self.dense("scores", 1, units, use_bias=False)

    def fuse(self, values, training):
        memory, question, last, scores = self.reason(values)
        told = ops.concatenate([memory, question], axis=-1)
        places = ops.convert_to_tensor(np.asarray(self.positions[self.image]), dtype=told.dtype)
        sides = half_planes(places[None] - last[:, None, :]) * self.wanted_sides(told)[:, None, :]
        cells = self.cells(values[self.image][0]) * (1.0 + self.scale(told)[:, None, :])
        cells = cells + self.shift(told)[:, None, :] + self.offsets(sides) + self.scores(scores[..., None])
        return ops.reshape(ops.relu(cells), (-1, *self.grids[self.image], self.units))
