import keras
from keras import ops

from kerasfusion.encoders.signal.base import SignalEncoder
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class SignalCNN(SignalEncoder):
    """Strided convolutions over time, each with batch normalization (after arXiv 1611.06455).

        h_i = relu(BN(W_i * h_{i-1})),   sequence = relu(W h + b),   pooled = mean_l sequence_l

    Every convolution halves the number of frames, and the mean is over those that are there.

    Args:
        units, mean, std, rate, num_mels, dropout: See `SignalEncoder`.
        filters: sequence of int, filters of each convolution. Defaults to `(64, 128, 128)`.
        kernel_size: int, odd width of the convolutions in frames. Defaults to 5.

    Example:

    ```python
    encoder = SignalCNN(units=128, mean=(0.0,), std=(0.1,), rate=16000)
    encoder(keras.random.normal((2, 16000, 1)))["sequence"]  # (2, 13, 128)
    ```
    """

    def __init__(self, units, mean, std, filters=(64, 128, 128), kernel_size=5, **kwargs):
        super().__init__(units, mean, std, **kwargs)
        self.filters = tuple(filters)
        self.kernel_size = kernel_size

    def build_encoder(self, frames_shape):
        dtype, width = self.dtype_policy, frames_shape[-1]
        self.convolutions, self.norms = [], []
        for place, filters in enumerate(self.filters):
            self.convolutions.append(
                keras.layers.Conv1D(
                    filters, self.kernel_size, strides=2, use_bias=False, name=f"conv_{place}", dtype=dtype
                )
            )
            self.convolutions[-1].build((None, None, width))
            self.norms.append(keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{place}", dtype=dtype))
            self.norms[-1].build((None, None, filters))
            width = filters
        self.projection = keras.layers.Dense(self.units, activation="relu", name="projection", dtype=dtype)
        self.projection.build((None, None, width))

    def encode(self, frames, mask, training):
        half = self.kernel_size // 2
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # Padded alike on both sides whatever the length, so that more padding behind changes nothing.
            frames = convolution(ops.pad(frames, [[0, 0], [half, half], [0, 0]]))
            mask = _halved(mask)
            frames = ops.relu(norm(frames, training=training, mask=mask)) * ops.cast(mask, frames.dtype)[..., None]
        sequence = self.projection(frames)
        return sequence, masked_mean(sequence, mask, axis=1), mask

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}


def _halved(mask):
    """The mask of every second frame and the one behind it."""
    mask = ops.pad(mask, [[0, 0], [0, mask.shape[1] % 2]])
    return ops.any(ops.reshape(mask, (-1, mask.shape[1] // 2, 2)), axis=-1)
