"""Arrays as WAV files."""

import struct

import numpy as np


def wav_bytes(samples, rate):
    """Write samples as a WAV file of 32-bit floating-point numbers, which keeps missing samples.

    Args:
        samples: float `(samples,)` or `(samples, channels)`.
        rate: int, samples a second.

    Returns:
        bytes

    Example:

    ```python
    Path("tone.wav").write_bytes(kf.data.wav_bytes(np.sin(np.arange(8000) / 5), rate=8000))
    ```
    """
    samples = np.asarray(samples, "<f4")
    channels, data = (1 if samples.ndim == 1 else samples.shape[1]), samples.tobytes()
    layout = struct.pack("<HHIIHHH", 3, channels, rate, rate * channels * 4, channels * 4, 32, 0)
    chunks = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"fact" + struct.pack("<II", 4, len(samples)) + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
