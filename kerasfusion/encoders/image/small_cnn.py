import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder, build_chain


@keras.saving.register_keras_serializable("kerasfusion")
class SmallCNN(ImageEncoder):
    """The tutorial articles' convolutional network: convolutions with max pooling, then a dense layer.

    Args:
        units: int, width `d` of the output.
        filters: sequence of int, channels of each `Conv2D(3x3, relu)` + `MaxPooling2D(2)` pair. Defaults to
            `(32, 64, 128)`.
        flatten: bool. If True, `pooled` is a dense layer on the flattened grid, as in the articles; its weights grow
            with the image's area, and the grid has `filters[-1]` channels. If False, the dense layer acts on every
            cell and `pooled` is the mean over cells. Defaults to False.
        padding: str, `"same"` or `"valid"`, of the convolutions. Defaults to `"same"`.
        last_pool: bool, whether to pool after the last convolution too. Defaults to True.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255.

    Returns:
        dict: `grid`, `sequence` and `pooled`, see `ImageEncoder`.

    Raises:
        ValueError: at build time, if an image is too small for the convolutions.

    Example:

    ```python
    image = SmallCNN(units=128, filters=(32, 64))(keras.ops.zeros((2, 32, 32, 3), "uint8"))
    image["pooled"]  # (2, 128)
    image["grid"]  # (2, 8, 8, 128): H // 4, W // 4
    ```
    """

    def __init__(
        self, units, filters=(32, 64, 128), flatten=False, padding="same", last_pool=True, dropout=0.0, **kwargs
    ):
        super().__init__(units, dropout=dropout, **kwargs)
        self.filters = tuple(filters)
        self.flatten = flatten
        self.padding = padding
        self.last_pool = last_pool

    def build_encoder(self, pixels_shape):
        self.stages = [
            layer
            for i, width in enumerate(self.filters)
            for layer in (
                keras.layers.Conv2D(
                    width, 3, padding=self.padding, activation="relu", name=f"conv_{i}", dtype=self.dtype_policy
                ),
                keras.layers.MaxPooling2D(2, name=f"pool_{i}", dtype=self.dtype_policy),
            )
        ]
        if not self.last_pool:
            self.stages.pop()
        try:
            batch, height, width, channels = build_chain(self.stages, pixels_shape)
        except ValueError as error:
            raise ValueError(
                f"{self.name}: images of {pixels_shape[1]} x {pixels_shape[2]} pixels are too small for "
                f"{len(self.filters)} convolutions; make them larger (image_size=…, --image-size). {error}"
            ) from None
        self.projection = keras.layers.Dense(
            self.units, activation="relu", name="projection", dtype=self.dtype_policy
        )
        self.projection.build(
            (batch, height * width * channels) if self.flatten else (batch, height, width, channels)
        )

    def encode(self, pixels, training):
        grid = pixels
        for layer in self.stages:
            grid = layer(grid)
        if self.flatten:
            _, height, width, channels = grid.shape
            return grid, self.projection(ops.reshape(grid, (-1, height * width * channels)))
        grid = self.projection(grid)
        return grid, ops.mean(grid, axis=(1, 2))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "flatten": self.flatten,
            "padding": self.padding,
            "last_pool": self.last_pool,
        }
