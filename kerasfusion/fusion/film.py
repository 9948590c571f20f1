import keras
from keras import ops

from kerasfusion.fusion.grid import GridFusion
from kerasfusion.layers import append_coordinates


@keras.saving.register_keras_serializable("kerasfusion")
class FiLMBlock(keras.layers.Layer):
    """Residual block with feature-wise linear modulation (FiLM, arXiv 1709.07871).

        r = relu(conv1x1(x)),   output = r + relu((1 + γ) ⊙ norm(conv(r)) + β)

    Args:
        filters: int, number of channels.
        kernel_size: int, size of the second convolution. Defaults to 3.

    Call arguments:
        grid: float `(B, h, w, c)`.
        condition: float `(B, d)`, from which the block computes γ and β, `filters` values each.

    Returns:
        float `(B, h, w, filters)`.
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
    """Feature-wise linear modulation of an image grid by the other modalities (FiLM, arXiv 1709.07871).

        r = relu(conv1x1(x)),  x ← r + relu((1 + γ) ⊙ norm(conv(r)) + β)  (`num_blocks` times)
        output = relu(W [max over cells; sum over cells / √cells; pooled vectors] + b)

    Each block scales and shifts the channels of the image grid by γ and β, which are dense layers on the other
    modalities' pooled vectors. Since the text acts before spatial pooling, questions about positions and counts can
    be answered, which fusions of pooled vectors cannot.

    Args:
        units: int, width of the fused representation.
        num_blocks: int, number of residual blocks. Defaults to 2.
        filters: int, channels inside the blocks. Defaults to 64.
        kernel_size: int, size of the blocks' convolutions. They run once per text, while the image encoder runs once
            per image: 1 is several times cheaper, and enough if the encoder's cells already see their neighborhood.
            Defaults to 3.
        coordinates: bool, whether to append each cell's row and column to the grid. Defaults to True.
        image: Optional str, name of the modality whose grid is modulated. Defaults to the only one that has a grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the image modality is ambiguous or the only one.

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
