import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class RowRNN(ImageEncoder):
    """A long short-term memory reads the image row by row, from the top: `h_y = LSTM(h_{y-1}, relu(W x_y + b))`.

    A row is one vector of all its pixels, so that a column of the `grid` is as wide as the image. `pooled` is the
    state after the last row.

    Args:
        units: Width of the output.
        row_units: Width that every row is brought to first.
        dropout: Dropout rate on the pooled vector.

    Example:

    ```python
    image = RowRNN(units=128)(pixels)
    image["grid"]  # (B, H, 1, 128)
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
