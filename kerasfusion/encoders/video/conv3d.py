import keras
from keras import ops

from kerasfusion.encoders.image.base import build_chain
from kerasfusion.encoders.video.base import VideoEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class Conv3DEncoder(VideoEncoder):
    """Convolutions over time and space (arXiv 1412.0767), with strides in space alone.

    The mean over the cells of each time step goes through a dense layer, and `pooled` is the mean over time.

    Args:
        units: int, width `d` of the output.
        filters: sequence of int, channels of each `Conv3D(3x3x3, relu)`, whose strides are `(1, 2, 2)`. Defaults to
            `(16, 32, 64)`.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Example:

    ```python
    video = Conv3DEncoder(units=128)(keras.ops.zeros((2, 8, 32, 32, 3), "uint8"))
    video["sequence"]  # (2, 8, 128)
    ```
    """

    def __init__(self, units, filters=(16, 32, 64), dropout=0.0, **kwargs):
        super().__init__(units, dropout=dropout, **kwargs)
        self.filters = tuple(filters)

    def build_encoder(self, frames_shape):
        # Strides and not pooling, which TensorFlow lacks in float16 on a CPU.
        self.stages = [
            keras.layers.Conv3D(
                width,
                3,
                strides=(1, 2, 2),
                padding="same",
                activation="relu",
                name=f"conv_{i}",
                dtype=self.dtype_policy,
            )
            for i, width in enumerate(self.filters)
        ]
        rows, length, *_, channels = build_chain(self.stages, frames_shape)
        self.projection = keras.layers.Dense(
            self.units, activation="relu", name="projection", dtype=self.dtype_policy
        )
        self.projection.build((rows, length, channels))

    def encode(self, frames, training):
        cells = ops.cast(frames, self.compute_dtype) * (1.0 / 255.0)
        for layer in self.stages:
            cells = layer(cells)
        sequence = self.projection(ops.mean(cells, axis=(2, 3)))
        return sequence, ops.mean(sequence, axis=1)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
