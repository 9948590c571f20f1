import keras
from keras import ops

from kerasfusion.encoders.video.base import FrameEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class FrameGRU(FrameEncoder):
    """Gated recurrent unit (GRU) over the frames' vectors; `pooled` is its state after the last frame.

    An image encoder and a recurrent network, as in arXiv 1411.4389 (there an LSTM).

    Args:
        units, frame_encoder, dropout: See `FrameEncoder`.

    Example:

    ```python
    video = FrameGRU(units=128)(keras.ops.zeros((2, 8, 32, 32, 3), "uint8"))
    video["pooled"]  # (2, 128)
    ```
    """

    def build_join(self, tokens_shape):
        self.recurrent = keras.layers.GRU(
            self.units, return_sequences=True, return_state=True, name="recurrent", dtype=self.dtype_policy
        )
        self.recurrent.build(tokens_shape)

    def join(self, tokens, training):
        sequence, state = self.recurrent(tokens, training=training)
        return ops.cast(sequence, self.compute_dtype), ops.cast(state, self.compute_dtype)
