import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class RowRNN(ImageEncoder):
    """LSTM over the rows of the image, from top to bottom: `h_y = LSTM(h_{y-1}, relu(W x_y + b))`.

    A row is one vector with all its pixels, so the grid has a single column. `pooled` is the state after the last
    row.

    Args:
        units: int, width `d` of the output.
        row_units: int, width to which every row is projected first. Defaults to 64.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255.

    Returns:
        dict: `grid`, `sequence` and `pooled`, see `ImageEncoder`.

    Example:

    ```python
    image = RowRNN(units=128)(keras.ops.zeros((2, 32, 32, 3), "uint8"))
    image["grid"]  # (2, 32, 1, 128)
    ```
    """

    def __init__(self, units, row_units=64, dropout=0.0, **kwargs):
        super().__init__(units, dropout=dropout, **kwargs)
        self.row_units = row_units

    def build_encoder(self, pixels_shape):
        batch, height, width, channels = pixels_shape
        self.row = keras.layers.Dense(self.row_units, activation="relu", name="row", dtype=self.dtype_policy)
        self.row.build((batch, height, width * channels))
        self.recurrent = keras.layers.LSTM(
            self.units, return_sequences=True, return_state=True, name="recurrent", dtype=self.dtype_policy
        )
        self.recurrent.build((batch, height, self.row_units))

    def encode(self, pixels, training):
        _, height, width, channels = pixels.shape
        rows = self.row(ops.reshape(pixels, (-1, height, width * channels)))
        sequence, state, _ = self.recurrent(rows, training=training)
        return sequence[:, :, None, :], state

    def get_config(self):
        return {**super().get_config(), "row_units": self.row_units}
