import keras
import numpy as np
from keras import ops

# Samples a second from which a signal is taken to be sound.
LOWEST_AUDIO_RATE = 4_000


@keras.saving.register_keras_serializable("kerasfusion")
class LogMelSpectrogram(keras.layers.Layer):
    """Log-mel spectrogram in decibels, as librosa computes it.

        S = |STFT(x)|²,   M = W S,   L = 10 log₁₀ max(M, 1e-10),   output = max(L, max L - top_db)

    The Hann window is periodic, frames are centred and padded with zeros, and the triangular filters `W` are
    Slaney's: linear below 1 kHz, logarithmic above, each of area 1. `librosa.feature.melspectrogram` and then
    `librosa.power_to_db` have the same defaults. Computed in float32 whatever the precision.

    Args:
        rate: int, samples a second.
        num_mels: int, number of mel bands. Defaults to 40.
        window_length: Optional int, samples of a frame. Defaults to 25 ms.
        hop_length: Optional int, samples from frame to frame. Defaults to 10 ms.
        fft_length: Optional int, length of the Fourier transform. Defaults to the next power of 2 of the window's.
        top_db: Optional float, decibels below the loudest value at which a row is cut off. None does not cut.
            Defaults to 80.

    Call arguments:
        samples: float `(B, T)`.

    Returns:
        float `(B, 1 + T // hop_length, num_mels)`.

    Example:

    ```python
    spectrogram = LogMelSpectrogram(rate=16000)(keras.random.normal((2, 16000)))  # (2, 101, 40)
    ```
    """

    def __init__(
        self, rate, num_mels=40, window_length=None, hop_length=None, fft_length=None, top_db=80.0, **kwargs
    ):
        super().__init__(**{"autocast": False, **kwargs})
        self.rate = rate
        self.num_mels = num_mels
        self.window_length = window_length or max(1, round(0.025 * rate))
        self.hop_length = hop_length or max(1, round(0.01 * rate))
        self.fft_length = fft_length or 2 ** int(np.ceil(np.log2(max(2, self.window_length))))
        self.top_db = top_db
        if self.fft_length < self.window_length:
            raise ValueError(
                f"{self.name}: a window of {self.window_length} samples does not fit into a Fourier transform of "
                f"{self.fft_length}."
            )
        self.filters = mel_filters(rate, self.fft_length, num_mels)
        window = np.hanning(self.window_length + 1)[:-1]
        before = (self.fft_length - self.window_length) // 2
        self.window = np.pad(window, (before, self.fft_length - self.window_length - before)).astype("float32")

    def call(self, samples):
        half = self.fft_length // 2
        samples = ops.pad(ops.cast(samples, "float32"), [[0, 0], [half, half]])
        frames = ops.extract_sequences(samples, self.fft_length, self.hop_length)
        real, imaginary = ops.rfft(frames * ops.convert_to_tensor(self.window))
        power = ops.matmul(ops.square(real) + ops.square(imaginary), ops.convert_to_tensor(self.filters))
        decibels = 10.0 * ops.log10(ops.maximum(power, 1e-10))
        if self.top_db is not None:
            decibels = ops.maximum(decibels, ops.max(decibels, axis=(1, 2), keepdims=True) - self.top_db)
        return ops.cast(decibels, self.compute_dtype)

    def compute_output_shape(self, samples_shape):
        length = samples_shape[1]
        return samples_shape[0], None if length is None else 1 + length // self.hop_length, self.num_mels

    def get_config(self):
        names = ("rate", "num_mels", "window_length", "hop_length", "fft_length", "top_db")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def mel_filters(rate, fft_length, num_mels):
    """Slaney's mel filters, float32 `(fft_length // 2 + 1, num_mels)`."""
    # Mels are linear up to 1,000 Hz, 15 of them, and logarithmic above: 27 mels are a factor of 6.4.
    step, corner = 200 / 3, 1000.0
    top = rate / 2
    highest = top / step if top < corner else corner / step + np.log(top / corner) / (np.log(6.4) / 27)
    mels = np.linspace(0, highest, num_mels + 2)
    edges = np.where(mels < corner / step, mels * step, corner * np.exp(np.log(6.4) / 27 * (mels - corner / step)))
    bins = np.linspace(0, top, fft_length // 2 + 1)
    widths = np.diff(edges)
    rising = (bins[:, None] - edges[:-2]) / widths[:-1]
    falling = (edges[2:] - bins[:, None]) / widths[1:]
    return (np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])).astype("float32")
