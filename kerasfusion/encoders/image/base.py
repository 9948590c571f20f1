"""What every image encoder shares: pixel scaling, the shape of the output."""

import keras
from keras import ops


class ImageEncoder(keras.layers.Layer):
    """Base class: pixels to a feature grid, the same grid as a sequence, and one pooled vector.

    A subclass builds its layers in `build_encoder` and computes `(grid, pooled)` in `encode`. One with a backbone
    that may be frozen also has `features` and `project`, the two halves of `encode`, and sets `frozen_backbone`:
    training then computes the features of an image once.

    Args:
        units: Width `d` of the output.
        dropout: Dropout rate on the pooled vector.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255. Scaling to 0..1 is this layer's first step. In its place,
            `{"features": ...}` with what `features` gave of the pixels.

    Attributes:
        frozen_backbone: The part of the network that training leaves as it is, or None.

    Returns:
        dict: `grid` float `(B, h, w, d)`, `sequence` float `(B, h·w, d)`, `pooled` float `(B, d)`. There is no
        `mask` entry: every cell of an image counts.
    """

    frozen_backbone = None

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.pooled_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, pixels_shape):
        self.build_encoder(pixels_shape)

    def build_encoder(self, pixels_shape):
        """Create the layers; `pixels_shape` is `(B, H, W, 3)`."""
        raise NotImplementedError

    def encode(self, pixels, training):
        """Return `(grid, pooled)` for float pixels `(B, H, W, 3)` in 0..1."""
        raise NotImplementedError

    def features(self, pixels):
        """Return what the frozen backbone makes of uint8 pixels, float `(B, h, w, channels)`."""
        raise NotImplementedError

    def project(self, features, training):
        """Return `(grid, pooled)` for what `features` gave."""
        raise NotImplementedError

    def call(self, pixels, training=None):
        if isinstance(pixels, dict):
            return self.answer(*self.project(pixels["features"], training), training)
        return self.answer(*self.encode(self.unit_interval(pixels), training), training)

    def unit_interval(self, pixels):
        """Pixels in 0..255 to floats in 0..1."""
        # Not keras.layers.Rescaling, which also adds an offset of 0 to every pixel.
        return ops.cast(pixels, self.compute_dtype) * (1.0 / 255.0)

    def answer(self, grid, pooled, training):
        """What the layer returns, made of what `encode` returned."""
        _, height, width, channels = grid.shape
        return {
            "grid": grid,
            "sequence": ops.reshape(grid, (-1, height * width, channels)),
            "pooled": self.pooled_dropout(pooled, training=training),
        }

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


def build_chain(layers, shape):
    """Build each layer on the output shape of the one before; returns the last output shape."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape
