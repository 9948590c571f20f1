import keras
from keras import ops

from kerasfusion.fusion.grid import GridFusion
from kerasfusion.layers import append_coordinates


@keras.saving.register_keras_serializable("kerasfusion")
class FiLMBlock(keras.layers.Layer):
    """One residual block: `r + relu((1 + γ) ⊙ norm(conv(r)) + β)` with `r = relu(conv1x1(x))`.

    Call arguments:
        grid: float `(B, h, w, filters)`.
        condition: float `(B, d)`, from which the block makes its own γ and β, `filters` of each.
    """

    def __init__(self, filters, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.reduce = keras.layers.Conv2D(filters, 1, activation="relu", name="reduce", dtype=self.dtype_policy)
        self.conv = keras.layers.Conv2D(
            filters, kernel_size, padding="same", use_bias=False, name="conv", dtype=self.dtype_policy
        )
        # γ and β do the scaling and shifting, so the normalisation has none of its own.
        self.norm = keras.layers.BatchNormalization(
            center=False, scale=False, momentum=0.9, name="norm", dtype=self.dtype_policy
        )
        self.film = keras.layers.Dense(2 * filters, name="film", dtype=self.dtype_policy)

    def build(self, grid_shape, condition_shape):
        self.reduce.build(grid_shape)
        inner = (*grid_shape[:-1], self.filters)
        self.conv.build(inner)
        self.norm.build(inner)
        self.film.build(condition_shape)

    def call(self, grid, condition, training=None):
        reduced = self.reduce(grid)
        gamma, beta = ops.split(self.film(condition)[:, None, None, :], 2, axis=-1)
        steered = (1.0 + gamma) * self.norm(self.conv(reduced), training=training) + beta
        return reduced + ops.relu(steered)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable("kerasfusion")
class FiLMFusion(GridFusion):
    """Feature-wise linear modulation (FiLM, arXiv 1709.07871): the text steers how the image is read.

    Residual blocks on the image grid, each scaled and shifted, channel by channel, by γ and β computed from the
    other modalities' pooled vectors; then `relu(W [max over cells; sum over cells / √cells; pooled vectors] + b)`.
    Unlike in the pooled fusions, the text acts while places still exist, so "left of", "how many" and "the red one"
    can be answered.

    Args:
        units: Width of the fused representation.
        num_blocks: Number of residual blocks.
        filters: Channels inside the blocks.
        kernel_size: Side of the blocks' convolutions. They run once per text, the image encoder once per image:
            1 is several times cheaper, and enough where the encoder has looked at the neighbourhood already.
        coordinates: Append each cell's row and column to the grid first.
        image: Name of the modality whose grid is steered; `None` means the only one that has a grid.
        dropout: Dropout rate on the fused representation.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), {"grid": keras.random.normal((2, 5, 5, 16))}
    fused = FiLMFusion(64)({"text": text, "image": image})  # (2, 64)
    ```
    """

    def __init__(self, units, num_blocks=2, filters=64, kernel_size=3, coordinates=True, **kwargs):
        super().__init__(units, **kwargs)
        self.num_blocks = num_blocks
        self.filters = filters
        self.kernel_size = kernel_size
        self.coordinates = coordinates

    def build_fusion(self, shapes):
        (batch, height, width, channels), condition = self.grid_and_condition_shapes(shapes)
        self.film_blocks = [
            FiLMBlock(self.filters, self.kernel_size, name=f"block_{i}", dtype=self.dtype_policy)
            for i in range(self.num_blocks)
        ]
        for i, block in enumerate(self.film_blocks):
            width_in = channels + 2 * self.coordinates if i == 0 else self.filters
            block.build((batch, height, width, width_in), (batch, condition))
        self.projection = self.dense("projection", 2 * self.filters + condition, self.units, "relu")

    def fuse(self, values, training):
        grid, condition = self.grid_and_condition(values)
        if self.coordinates:
            grid = append_coordinates(grid)
        for block in self.film_blocks:
            grid = block(grid, condition, training=training)
        # The maximum over cells answers "is there one", the sum "how many", and the text says which was asked.
        cells = grid.shape[1] * grid.shape[2]
        pooled = [ops.max(grid, axis=(1, 2)), ops.mean(grid, axis=(1, 2)) * cells**0.5, condition]
        return self.projection(ops.concatenate(pooled, axis=-1))

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "coordinates": self.coordinates,
        }
