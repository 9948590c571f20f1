import math

import keras
from keras import ops

from kerasfusion.encoders.signal.base import SignalEncoder, join_frames


@keras.saving.register_keras_serializable("kerasfusion")
class SignalGRU(SignalEncoder):
    """Gated recurrent unit (GRU) over joined frames; `pooled` is its state after the last frame.

    A GRU takes a step for each frame, so neighbouring frames go in as one where there are more than `max_frames`.

    Args:
        units, mean, std, rate, num_mels, dropout: See `SignalEncoder`.
        max_frames: int, most steps of the GRU. Defaults to 64.

    Example:

    ```python
    encoder = SignalGRU(units=128, mean=(21.0, 400.0), std=(1.0, 90.0))
    encoder(keras.random.normal((2, 60, 2)))["pooled"]  # (2, 128)
    ```
    """

    def __init__(self, units, mean, std, max_frames=64, **kwargs):
        super().__init__(units, mean, std, **kwargs)
        self.max_frames = max_frames

    def build_encoder(self, frames_shape):
        rows, count, width = frames_shape
        self.join = math.ceil(count / self.max_frames)
        shape = (rows, math.ceil(count / self.join), self.join * width)
        self.entry = keras.layers.Dense(self.units, activation="relu", name="entry", dtype=self.dtype_policy)
        self.entry.build(shape)
        self.recurrent = keras.layers.GRU(
            self.units, return_sequences=True, return_state=True, name="recurrent", dtype=self.dtype_policy
        )
        self.recurrent.build((*shape[:2], self.units))

    def encode(self, frames, mask, training):
        frames, mask = join_frames(frames, mask, self.join)
        sequence, state = self.recurrent(self.entry(frames), mask=mask, training=training)
        return ops.cast(sequence, self.compute_dtype), ops.cast(state, self.compute_dtype), mask

    def get_config(self):
        return {**super().get_config(), "max_frames": self.max_frames}
