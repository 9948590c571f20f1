import keras
from keras import ops

from kerasfusion.encoders.video.base import FrameEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class FrameCNN(FrameEncoder):
    """Convolutions over the time of the frames' vectors, each with a residual connection (arXiv 1611.05267).

        x ← x + relu(conv(x))   (`num_layers` times),   pooled = relu(mean_t x_t)

    A frame's token knows the frames around it, `num_layers * (kernel_size - 1) / 2` of them before and as many after:
    enough to see movement. Unlike in the paper, time keeps its resolution, so that each frame can be scored.

    Args:
        units, frame_encoder, dropout: See `FrameEncoder`.
        num_layers: int, number of convolutions. Defaults to 2.
        kernel_size: int, frames that each convolution reads. Defaults to 5.

    Example:

    ```python
    video = FrameCNN(units=128)(keras.ops.zeros((2, 8, 32, 32, 3), "uint8"))
    video["sequence"]  # (2, 8, 128)
    ```
    """

    def __init__(self, units, frame_encoder=None, num_layers=2, kernel_size=5, **kwargs):
        super().__init__(units, frame_encoder, **kwargs)
        self.num_layers = num_layers
        self.kernel_size = kernel_size

    def build_join(self, tokens_shape):
        self.convolutions = [
            keras.layers.Conv1D(
                self.units,
                self.kernel_size,
                padding="same",
                activation="relu",
                name=f"conv_{i}",
                dtype=self.dtype_policy,
            )
            for i in range(self.num_layers)
        ]
        for layer in self.convolutions:
            layer.build(tokens_shape)

    def join(self, tokens, training):
        for layer in self.convolutions:
            tokens = tokens + layer(tokens)
        return tokens, ops.relu(ops.mean(tokens, axis=1))

    def get_config(self):
        return {**super().get_config(), "num_layers": self.num_layers, "kernel_size": self.kernel_size}
