import keras
from keras import ops

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

    def encode(self, embedded, mask, training):
        if not self.recurrent.unroll:
            return super().encode(embedded, mask, training)
        # Keras multiplies every word with the kernel on its own and reads the weights in every step. One product for
        # all words, and fewer operations a step: quicker to train on a CPU, and smaller exports.
        cell, width = self.recurrent.cell, 2 * self.units
        recurrent_kernel = ops.convert_to_tensor(cell.recurrent_kernel)
        bias, recurrent_bias = ops.unstack(cell.bias, axis=0)
        # Only the candidate's recurrent bias has to wait for the reset gate.
        gate_bias, value_bias = ops.split(recurrent_bias, [width])
        gates, values = ops.split(ops.matmul(embedded, cell.kernel) + bias, [width], axis=-1)
        steps = [ops.unstack(part, axis=1) for part in (gates + gate_bias, values, mask[..., None])]
        state = ops.zeros((ops.shape(embedded)[0], self.units), embedded.dtype)
        states = []
        for gate, value, word in zip(*steps, strict=True):
            recurrent_gate, recurrent_value = ops.split(ops.matmul(state, recurrent_kernel), [width], axis=-1)
            keep, reset = ops.split(ops.sigmoid(gate + recurrent_gate), 2, axis=-1)
            value = ops.tanh(value + reset * (recurrent_value + value_bias))
            # At padding the state stays.
            state = ops.where(word, value + keep * (state - value), state)
            states.append(state)
        return ops.stack(states, axis=1), state
