import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class RegionPooling(keras.layers.Layer):
    """Average a feature grid over boxes, bilinearly sampled (RoIAlign, arXiv 1703.06870).

        v = 1/s² Σ_i Σ_j g(y_i, x_j),  x_j = l + (j + ½)/s · (r - l),  y_i = t + (i + ½)/s · (b - t)

    `g` interpolates between the centers of the cells, and keeps the value of the outermost beyond them. The sample
    points of a box form a grid, so the sums over rows and columns are two matrix products.

    Args:
        samples: int, sample points `s` per side of a box. Defaults to 4.

    Call arguments:
        grid: float `(B, h, w, c)`.
        boxes: float `(B, N, 4)`: left, top, right and bottom as fractions of the image.

    Returns:
        float `(B, N, c)`.

    Raises:
        ValueError: if `samples` is not positive.

    Example:

    ```python
    boxes = keras.ops.array([[[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]]])
    regions = RegionPooling()(keras.random.normal((1, 8, 8, 16)), boxes)  # (1, 2, 16)
    ```
    """

    def __init__(self, samples=4, **kwargs):
        # Coordinates stay float32 whatever the precision: float16 counts a wide image in whole pixels.
        super().__init__(**{"autocast": False, **kwargs})
        if samples < 1:
            raise ValueError(f"samples must be positive. Received: samples={samples}")
        self.samples = samples

    def build(self, grid_shape, boxes_shape):
        """Nothing to build."""

    def call(self, grid, boxes):
        boxes = ops.cast(boxes, "float32")
        down = self._weights(boxes[..., 1], boxes[..., 3], grid.shape[1])
        across = self._weights(boxes[..., 0], boxes[..., 2], grid.shape[2])
        grid = ops.cast(grid, self.compute_dtype)
        rows = ops.einsum("bnh,bhwc->bnwc", ops.cast(down, grid.dtype), grid)
        return ops.einsum("bnw,bnwc->bnc", ops.cast(across, grid.dtype), rows)

    def _weights(self, start, end, cells):
        """How much each of the cells along one side counts for each box: float `(B, N, cells)`, sums of 1."""
        places = (ops.arange(self.samples, dtype="float32") + 0.5) / self.samples
        places = start[..., None] + places * (end - start)[..., None]
        places = ops.clip(places * cells - 0.5, 0.0, cells - 1.0)
        distance = ops.abs(places[..., None] - ops.arange(cells, dtype="float32"))
        return ops.mean(ops.maximum(1.0 - distance, 0.0), axis=-2)

    def compute_output_shape(self, grid_shape, boxes_shape):
        return (*boxes_shape[:2], grid_shape[-1])

    def get_config(self):
        return {**super().get_config(), "samples": self.samples}
