import keras
from keras import ops

from kerasfusion.heads.base import MEAN
from kerasfusion.layers import ImageDecoder
from kerasfusion.losses import PixelMeanSquaredError


@keras.saving.register_keras_serializable("kerasfusion")
class ImageReconstructionHead(keras.layers.Layer):
    """A representation drawn as an image, pixel by pixel; the label is the image itself, uint8 `(B, H, W, 3)`.

    Args:
        size: `(height, width)` of the image.
        filters: See `ImageDecoder`.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, H, W, 3)`: logits of the pixels' brightness.

    Example:

    ```python
    head = ImageReconstructionHead((32, 32))
    head.predictions(head(code))["pixels"]  # (B, 32, 32, 3), each in 0..1
    ```
    """

    def __init__(self, size, filters=(64, 32, 16), **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.filters = tuple(filters)
        self.decoder = ImageDecoder(size, filters, name="decoder", dtype=self.dtype_policy)

    def build(self, representation_shape):
        self.decoder.build(representation_shape)

    def compute_output_shape(self, representation_shape):
        return self.decoder.compute_output_shape(representation_shape)

    def call(self, representation, training=None):
        return ops.cast(self.decoder(representation, training=training), "float32")

    def loss(self):
        """The `PixelMeanSquaredError` of the pixels."""
        return PixelMeanSquaredError(reduction=MEAN)

    def metrics_for(self):
        """None: the loss is the metric."""
        return []

    def predictions(self, logits):
        """What serving draws: `pixels` float32 `(B, H, W, 3)` in 0..1."""
        return {"pixels": ops.sigmoid(logits)}

    def get_config(self):
        return {**super().get_config(), "size": self.size, "filters": self.filters}
