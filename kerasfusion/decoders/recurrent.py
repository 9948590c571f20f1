import keras
from keras import ops

from kerasfusion.decoders.base import Decoder

# Up to this many places the loop over time is unrolled, as in the text encoders.
UNROLL_UP_TO = 32


class RecurrentDecoder(Decoder):
    """A recurrent network that reads the context's vector v as if it were a word before the first.

    With words y_j, a state h of d places and batch normalization BN:

        h_0 = RNN(W BN(v)),  h_j = RNN(√d y_j, h_{j-1}),  out_j = y_j + L h_j
    """

    cell = None  # the Keras layer class

    def build_decoder(self, context_shape):
        self.norm = self.batch_norm("norm", context_shape["pooled"][-1])
        self.first = self.dense("first", context_shape["pooled"][-1], self.units)
        self.recurrent = self.cell(
            self.units,
            return_sequences=True,
            unroll=self.length < UNROLL_UP_TO,
            name="recurrent",
            dtype=self.dtype_policy,
        )
        self.recurrent.build((None, self.length + 1, self.units))
        self.from_state = self.dense("from_state", self.units, self.units)

    def remember(self, context):
        return self.first(self.norm(context["pooled"]))

    def begin(self, memory, texts):
        zeros = ops.zeros_like(memory)
        states = [zeros for _ in self._state_sizes()]
        _, states = self.recurrent.cell(memory, states)
        return [ops.repeat(state[:, None], texts, axis=1) for state in states]

    def step(self, memory, state, words, place, training=None):
        texts = ops.shape(words)[1]
        flat = [ops.reshape(part, (-1, self.units)) for part in (self.lengthened(words), *state)]
        output, states = self.recurrent.cell(flat[0], flat[1:], training=training)
        output, states = rows_by_text(texts, output, states, self.units)
        return words + self.from_state(output), states

    def decode(self, context, words, training=None):
        _, texts, length, width = words.shape
        texts = texts or ops.shape(words)[1]
        first = ops.repeat(self.remember(context), texts, axis=0)[:, None]
        rows = ops.reshape(self.lengthened(words), (-1, length, width))
        found = self.recurrent(ops.concatenate([first, rows], axis=1), training=training)
        return words + self.from_state(ops.reshape(found[:, 1:], (-1, texts, length, width)))

    def _state_sizes(self):
        size = self.recurrent.cell.state_size
        return size if isinstance(size, (list, tuple)) else [size]


def rows_by_text(texts, output, states, units):
    """Rows `(B·K, d)` of a cell's output and states as `(B, K, d)`."""
    output, *states = (ops.reshape(part, (-1, texts, units)) for part in (output, *states))
    return output, states


@keras.saving.register_keras_serializable("kerasfusion")
class LSTMDecoder(RecurrentDecoder):
    """A long short-term memory that sees the image once, before the first word (Show and Tell, arXiv 1411.4555).

    Example:

    ```python
    context = {"pooled": pooled, "sequence": sequence, "mask": mask}
    told = LSTMDecoder(vocabulary_size=1000, units=256)(context, ids)  # (B, T, 256)
    ```
    """

    cell = keras.layers.LSTM


@keras.saving.register_keras_serializable("kerasfusion")
class GRUDecoder(RecurrentDecoder):
    """The same with a gated recurrent unit.

    Example:

    ```python
    context = {"pooled": pooled, "sequence": sequence, "mask": mask}
    told = GRUDecoder(vocabulary_size=1000, units=256)(context, ids)  # (B, T, 256)
    ```
    """

    cell = keras.layers.GRU
