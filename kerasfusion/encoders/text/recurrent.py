import keras

from kerasfusion.encoders.text.base import TextEncoder

# Up to this many tokens the loop over time is unrolled: about 10 % faster per training step on a CPU, while
# longer texts would make the graph slow to build.
UNROLL_UP_TO = 32


class RecurrentEncoder(TextEncoder):
    """A recurrent network over the words; `pooled` is its state after the last word."""

    cell = None  # the Keras layer class

    def build_encoder(self, embedded_shape):
        length = embedded_shape[1]
        self.recurrent = self.cell(
            self.units,
            return_sequences=True,
            return_state=True,
            unroll=length is not None and length <= UNROLL_UP_TO,
            name="recurrent",
            dtype=self.dtype_policy,
        )
        self.recurrent.build(embedded_shape)

    def encode(self, embedded, mask, training):
        sequence, state, *_ = self.recurrent(embedded, mask=mask, training=training)
        return sequence, state


@keras.saving.register_keras_serializable("kerasfusion")
class LSTMEncoder(RecurrentEncoder):
    """Word vectors through a long short-term memory; `pooled` is its state after the last word.

    Example:

    ```python
    text = LSTMEncoder(vocabulary_size=1000, units=128)(token_ids)
    text["pooled"]  # (B, 128)
    text["sequence"]  # (B, L, 128)
    ```
    """

    cell = keras.layers.LSTM


@keras.saving.register_keras_serializable("kerasfusion")
class GRUEncoder(RecurrentEncoder):
    """Word vectors through a gated recurrent unit; `pooled` is its state after the last word.

    Example:

    ```python
    text = GRUEncoder(vocabulary_size=1000, units=128)(token_ids)["pooled"]  # (B, 128)
    ```
    """

    cell = keras.layers.GRU
