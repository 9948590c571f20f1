import keras
from keras import ops

from kerasfusion.encoders.video.base import FrameEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class FrameAverage(FrameEncoder):
    """Mean over the frames' vectors: `pooled = relu(mean_t x_t)`. The order of frames makes no difference.

    Args:
        units, frame_encoder, dropout: See `FrameEncoder`.

    Example:

    ```python
    video = FrameAverage(units=128)(keras.ops.zeros((2, 8, 32, 32, 3), "uint8"))
    video["pooled"]  # (2, 128)
    video["sequence"]  # (2, 8, 128)
    ```
    """

    def build_join(self, tokens_shape):
        pass

    def join(self, tokens, training):
        return tokens, ops.relu(ops.mean(tokens, axis=1))
