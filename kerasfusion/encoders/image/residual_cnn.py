import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.layers import BatchRenormalization, TransformerBlock, append_coordinates


@keras.saving.register_keras_serializable("kerasfusion")
class ConvNormRelu(keras.layers.Layer):
    """Convolution, batch normalization and ReLU, the unit of residual networks.

    Args:
        filters: int, number of output channels.
        kernel_size: int, size of the convolution. Defaults to 3.
        strides: int, strides of the convolution. Defaults to 1.
        activation: bool, whether to apply ReLU. Defaults to True.
        batch_norm: bool, whether to apply batch normalization. Defaults to True.
        batch_renorm: bool, whether that is `BatchRenormalization`. Defaults to False.
    """

    def __init__(
        self, filters, kernel_size=3, strides=1, activation=True, batch_norm=True, batch_renorm=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.activation = activation
        self.batch_norm = batch_norm
        self.batch_renorm = batch_renorm
        self.conv = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding="same",
            use_bias=not batch_norm,
            name="conv",
            dtype=self.dtype_policy,
        )
        if batch_norm:
            kind = BatchRenormalization if batch_renorm else keras.layers.BatchNormalization
            self.norm = kind(momentum=0.9, name="norm", dtype=self.dtype_policy)

    def build(self, x_shape):
        self.conv.build(x_shape)
        if self.batch_norm:
            self.norm.build(self.conv.compute_output_shape(x_shape))

    def compute_output_shape(self, x_shape):
        return self.conv.compute_output_shape(x_shape)

    def call(self, x, training=None):
        x = self.conv(x)
        if self.batch_norm:
            x = self.norm(x, training=training)
        return ops.relu(x) if self.activation else x

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": self.activation,
            "batch_norm": self.batch_norm,
            "batch_renorm": self.batch_renorm,
        }


@keras.saving.register_keras_serializable("kerasfusion")
class ResidualCNN(ImageEncoder):
    """Small residual network (arXiv 1512.03385): a stem, then stages that halve the image.

    Args:
        units: int, width `d` of the output.
        filters: sequence of int, channels of the stem and of each following stage; every stage halves height and
            width. Defaults to `(32, 64, 128)`.
        num_blocks: int, residual blocks per stage after the stem; 0 leaves one strided convolution per stage.
            Defaults to 1.
        stem_strides: int, strides of the stem. 2 makes all later stages cheaper; 1 keeps the resolution of images as
            small as 32 pixels. Defaults to 2.
        coordinates: bool, whether to append each cell's row and column before the last layer (arXiv 1807.03247), so
            that the pooled vector can encode positions. Defaults to False.
        num_attention_blocks: int, transformer blocks after the last layer, in which the cells attend to one another
            (convolutions before a transformer: arXiv 2106.14881). Defaults to 0.
        num_heads: int, attention heads of these blocks; must divide `units`. Defaults to 4.
        batch_norm: bool, whether to apply batch normalization after every convolution. Without it, a shallow network
            also trains reliably on batches with few images. Defaults to True.
        batch_renorm: bool, whether to apply `BatchRenormalization` instead, and to standardize the pooled vector
            with it. For batches with few images, and for fusions of pooled vectors: a mean over cells consists
            mostly of what all images share, such as a white ground; standardized, of what tells them apart. Defaults
            to False.
        pooling: str, how the cells become the pooled vector: `"avg"`, or `"max"`, which suits small objects on an
            even ground: "there is a red square" and "something red is on the left" are maxima over cells, and a mean
            dilutes them. Defaults to `"avg"`.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255.

    Returns:
        dict: `grid`, `sequence` and `pooled`, see `ImageEncoder`.

    Raises:
        ValueError: if `pooling` is neither.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 32, 32, 3), "uint8")
    image = ResidualCNN(units=64, filters=(16, 32, 64))(pixels)
    image["grid"]  # (2, 4, 4, 64): ceil(H / 8), ceil(W / 8); twice that with stem_strides=1
    ```
    """

    def __init__(
        self,
        units,
        filters=(32, 64, 128),
        num_blocks=1,
        stem_strides=2,
        coordinates=False,
        num_attention_blocks=0,
        num_heads=4,
        batch_norm=True,
        batch_renorm=False,
        pooling="avg",
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(units, dropout=dropout, **kwargs)
        if pooling not in ("avg", "max"):
            raise ValueError(f"{self.name}: pooling must be 'avg' or 'max', not {pooling!r}.")
        self.filters = tuple(filters)
        self.num_blocks = num_blocks
        self.stem_strides = stem_strides
        self.coordinates = coordinates
        self.num_attention_blocks = num_attention_blocks
        self.num_heads = num_heads
        self.batch_norm = batch_norm
        self.batch_renorm = batch_renorm
        self.pooling = pooling

    def build_encoder(self, pixels_shape):
        self.down, self.residual = [], []
        same = {"batch_norm": self.batch_norm, "batch_renorm": self.batch_renorm, "dtype": self.dtype_policy}
        shape = pixels_shape
        for i, width in enumerate(self.filters):
            strides = 2 if i else self.stem_strides
            down = ConvNormRelu(width, strides=strides, name=f"stage_{i}_down", **same)
            down.build(shape)
            shape = down.compute_output_shape(shape)
            pairs = []
            for j in range(self.num_blocks if i else 0):
                pair = [
                    ConvNormRelu(width, name=f"stage_{i}_block_{j}_a", **same),
                    ConvNormRelu(width, activation=False, name=f"stage_{i}_block_{j}_b", **same),
                ]
                for layer in pair:
                    layer.build(shape)
                pairs.append(pair)
            self.down.append(down)
            self.residual.append(pairs)
        dtype = self.dtype_policy
        self.projection = keras.layers.Dense(self.units, activation="relu", name="projection", dtype=dtype)
        self.projection.build((*shape[:-1], shape[-1] + 2 * self.coordinates))
        if self.batch_renorm:
            # Without weights of its own: fusions that read the grid alone would leave them untrained.
            self.pooled_norm = BatchRenormalization(
                momentum=0.9, center=False, scale=False, name="pooled_norm", dtype=dtype
            )
            self.pooled_norm.build((None, self.units))
        if self.num_attention_blocks:
            tokens = (shape[0], shape[1] * shape[2], self.units)
            self.attending = [
                TransformerBlock(self.num_heads, name=f"attention_{i}", dtype=dtype)
                for i in range(self.num_attention_blocks)
            ]
            self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)
            for layer in (*self.attending, self.norm):
                layer.build(tokens)

    def encode(self, pixels, training):
        x = pixels
        for down, pairs in zip(self.down, self.residual, strict=True):
            x = down(x, training=training)
            for first, second in pairs:
                x = ops.relu(x + second(first(x, training=training), training=training))
        grid = self.projection(append_coordinates(x) if self.coordinates else x)
        if self.num_attention_blocks:
            _, height, width, _ = grid.shape
            tokens = ops.reshape(grid, (-1, height * width, self.units))
            for block in self.attending:
                tokens = block(tokens)
            grid = ops.reshape(self.norm(tokens), (-1, height, width, self.units))
        pooled = (ops.max if self.pooling == "max" else ops.mean)(grid, axis=(1, 2))
        if self.batch_renorm:
            pooled = self.pooled_norm(pooled, training=training)
        return grid, pooled

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "stem_strides": self.stem_strides,
            "coordinates": self.coordinates,
            "num_attention_blocks": self.num_attention_blocks,
            "num_heads": self.num_heads,
            "batch_norm": self.batch_norm,
            "batch_renorm": self.batch_renorm,
            "pooling": self.pooling,
        }
