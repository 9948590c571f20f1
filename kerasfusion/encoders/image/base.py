"""Base class of all image encoders: pixel scaling and the output dict."""

import keras
from keras import ops


class ImageEncoder(keras.layers.Layer):
    """Base class: encode pixels as a feature grid, a sequence of its cells and a pooled vector.

    A subclass creates its layers in `build_encoder` and computes `(grid, pooled)` in `encode`. An encoder whose
    backbone may be frozen also implements `features` and `project`, the two halves of `encode`, and sets
    `frozen_backbone`: training then computes the features of each image only once.

    Args:
        units: int, width `d` of the output.
        dropout: float in [0, 1), dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255, which the layer rescales to 0..1; or `{"features": ...}` with the
            output of `features`.
        training: Optional bool.

    Attributes:
        frozen_backbone: The part of the network that is not trained, or `None`.
        pools_features: bool, whether `features` are the mean over the cells of the frozen network. Such an encoder
            implements `grids_before_pooling` and `pool`, the two halves of `features`.

    Returns:
        dict: `grid` float `(B, h, w, d)`, `sequence` float `(B, h·w, d)`, `pooled` float `(B, d)`. There is no `mask`
        entry, since every cell of an image is used.

    Example:

    ```python
    class MeanColor(kf.encoders.ImageEncoder):
        def build_encoder(self, pixels_shape):
            self.dense = keras.layers.Dense(self.units)
            self.dense.build(pixels_shape)

        def encode(self, pixels, training):
            grid = self.dense(keras.ops.mean(pixels, axis=(1, 2), keepdims=True))
            return grid, grid[:, 0, 0]


    MeanColor(8)(keras.ops.zeros((2, 32, 32, 3), "uint8"))["pooled"]  # (2, 8)
    ```
    """

    frozen_backbone = None
    pools_features = False

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.pooled_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, pixels_shape):
        self.build_encoder(pixels_shape)

    def build_encoder(self, pixels_shape):
        """Create the layers for `pixels_shape` `(B, H, W, 3)`."""
        raise NotImplementedError

    def encode(self, pixels, training):
        """Compute `(grid, pooled)` from float pixels `(B, H, W, 3)` in 0..1."""
        raise NotImplementedError

    def features(self, pixels):
        """Compute the output of the frozen backbone for uint8 pixels: float `(B, h, w, channels)`."""
        raise NotImplementedError

    def grids_before_pooling(self, pixels):
        """Compute the grids that `pool` makes `features` of: list of float `(B, h, w, channels)`, one per size."""
        raise NotImplementedError

    def pool(self, grids):
        """Average grids over their cells and concatenate them: float `(B, 1, 1, channels)`."""
        raise NotImplementedError

    def project(self, features, training):
        """Compute `(grid, pooled)` from the output of `features`."""
        raise NotImplementedError

    def call(self, pixels, training=None):
        if isinstance(pixels, dict):
            return self.answer(*self.project(pixels["features"], training), training)
        return self.answer(*self.encode(self.unit_interval(pixels), training), training)

    def unit_interval(self, pixels):
        """Rescale pixels from 0..255 to floats in 0..1."""
        # Not keras.layers.Rescaling, which also adds an offset of 0 to every pixel.
        return ops.cast(pixels, self.compute_dtype) * (1.0 / 255.0)

    def answer(self, grid, pooled, training):
        """Assemble the output dict from what `encode` returned."""
        _, height, width, channels = grid.shape
        return {
            "grid": grid,
            "sequence": ops.reshape(grid, (-1, height * width, channels)),
            "pooled": self.pooled_dropout(pooled, training=training),
        }

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


def build_chain(layers, shape):
    """Build each layer on the output shape of the previous one and return the last output shape."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape
