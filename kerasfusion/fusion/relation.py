import itertools

import keras
from keras import ops

from kerasfusion.fusion.grid import GridFusion
from kerasfusion.layers import append_coordinates


@keras.saving.register_keras_serializable("kerasfusion")
class RelationFusion(GridFusion):
    """Relation network: a small network applied to every pair of image cells and the question (RN, arXiv 1706.01427).

        output = f(Σ_ij g([o_i; o_j; t]) / n)

    `o_i` are the `n` cells of the image grid with their row and column, `t` the other modalities' pooled vectors, and
    `g` and `f` dense layers with ReLU. The first layer of `g` is computed as `A o_i + B o_j + C t + b`, so the pairs
    are never materialized before it. Time and memory grow with `n²`: 5 x 5 cells make 625 pairs per row, 14 x 14 make
    38,416. The paper's sum is divided by `n` to stay within the range of float16.

    Args:
        units: int, width of the fused representation, the last layer of `f`.
        pair_hidden: tuple of int, widths of the layers of `g`. Defaults to `(64, 64)`.
        output_hidden: tuple of int, widths of the layers of `f` before the last. Defaults to `()`.
        image: Optional str, name of the modality whose grid is used. Defaults to the only one that has a grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the image modality is ambiguous or the only one.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), {"grid": keras.random.normal((2, 5, 5, 16))}
    fused = RelationFusion(64)({"text": text, "image": image})  # (2, 64)
    ```
    """

    def __init__(self, units, pair_hidden=(64, 64), output_hidden=(), **kwargs):
        super().__init__(units, **kwargs)
        self.pair_hidden = tuple(pair_hidden)
        self.output_hidden = tuple(output_hidden)

    def build_fusion(self, shapes):
        (_, _, _, channels), condition = self.grid_and_condition_shapes(shapes)
        first, last = self.pair_hidden[0], self.pair_hidden[-1]
        self.left = self.dense("left", channels + 2, first, use_bias=False)
        self.right = self.dense("right", channels + 2, first, use_bias=False)
        self.question = self.dense("question", condition, first)
        self.pair_layers = self.chain("pair", self.pair_hidden)
        self.output_layers = self.chain("output", (last, *self.output_hidden, self.units))

    def chain(self, name, widths):
        """Build dense layers with ReLU from each width to the next."""
        return [
            self.dense(f"{name}_{i}", width, units, "relu")
            for i, (width, units) in enumerate(itertools.pairwise(widths))
        ]

    def fuse(self, values, training):
        grid, condition = self.grid_and_condition(values)
        cells = grid.shape[1] * grid.shape[2]
        objects = append_coordinates(grid)
        objects = ops.reshape(objects, (-1, cells, objects.shape[-1]))
        # The question joins one side before there are pairs: one pass less over the largest tensor.
        right = self.right(objects) + self.question(condition)[:, None]
        pairs = ops.relu(self.left(objects)[:, :, None] + right[:, None])
        for layer in self.pair_layers:
            pairs = layer(pairs)
        found = ops.mean(pairs, axis=(1, 2)) * cells
        for layer in self.output_layers:
            found = layer(found)
        return found

    def get_config(self):
        return {**super().get_config(), "pair_hidden": self.pair_hidden, "output_hidden": self.output_hidden}
