import keras
from keras import ops

from kerasfusion.heads.base import MEAN
from kerasfusion.layers import ImageDecoder
from kerasfusion.losses import PixelMeanSquaredError


@keras.saving.register_keras_serializable("kerasfusion")
class ImageReconstructionHead(keras.layers.Layer):
    """Reconstruct an image from a representation with an `ImageDecoder`.

    Labels are the images, uint8 `(B, H, W, 3)`.

    Args:
        size: `(height, width)` of the image.
        filters: sequence of int, see `ImageDecoder`. Defaults to `(64, 32, 16)`.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, H, W, 3)`: logits of the pixels.

    Example:

    ```python
    head = ImageReconstructionHead((32, 32))
    head.predictions(head(keras.random.normal((2, 16))))["pixels"]  # (2, 32, 32, 3), in 0..1
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
        """Return the `PixelMeanSquaredError` loss."""
        return PixelMeanSquaredError(reduction=MEAN)

    def metrics_for(self):
        """Return no metrics: the loss is the metric."""
        return []

    def predictions(self, logits):
        """Convert logits to `pixels` float32 `(B, H, W, 3)` in 0..1."""
        return {"pixels": ops.sigmoid(logits)}

    def get_config(self):
        return {**super().get_config(), "size": self.size, "filters": self.filters}
