import keras
from keras import ops

from kerasfusion.decoders.base import Decoder

# Up to this many places the loop over time is unrolled, as in the text encoders.
UNROLL_UP_TO = 32


class RecurrentDecoder(Decoder):
    """Base class: a recurrent network that reads the context's pooled vector v as its first input.

    With token embeddings y_j, states h_j and batch normalization BN:

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
    """Reshape a cell's output and states from `(B·K, d)` to `(B, K, d)`."""
    output, *states = (ops.reshape(part, (-1, texts, units)) for part in (output, *states))
    return output, states


@keras.saving.register_keras_serializable("kerasfusion")
class LSTMDecoder(RecurrentDecoder):
    """LSTM decoder that reads the image vector before the first token (Show and Tell, arXiv 1411.4555).

        h_0 = LSTM(W BN(v)),  h_j = LSTM(√d y_j, h_{j-1}),  out_j = y_j + L h_j

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: int, width `d` of token embeddings, state and output.
        dropout: float, dropout rate on the token embeddings and on the output. Defaults to 0.

    Call arguments:
        context, ids: See `Decoder`.

    Returns:
        float `(B, T, d)` or `(B, K, T, d)`.

    Example:

    ```python
    context = {
        "pooled": keras.random.normal((2, 8)),
        "sequence": keras.random.normal((2, 9, 16)),
        "mask": keras.ops.ones((2, 9), "bool"),
    }
    ids = keras.ops.array([[2, 5, 6], [2, 7, 0]])
    LSTMDecoder(vocabulary_size=1000, units=256)(context, ids)  # (2, 3, 256)
    ```
    """

    cell = keras.layers.LSTM


@keras.saving.register_keras_serializable("kerasfusion")
class GRUDecoder(RecurrentDecoder):
    """GRU decoder that reads the image vector before the first token.

        h_0 = GRU(W BN(v)),  h_j = GRU(√d y_j, h_{j-1}),  out_j = y_j + L h_j

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: int, width `d` of token embeddings, state and output.
        dropout: float, dropout rate on the token embeddings and on the output. Defaults to 0.

    Call arguments:
        context, ids: See `Decoder`.

    Returns:
        float `(B, T, d)` or `(B, K, T, d)`.

    Example:

    ```python
    context = {
        "pooled": keras.random.normal((2, 8)),
        "sequence": keras.random.normal((2, 9, 16)),
        "mask": keras.ops.ones((2, 9), "bool"),
    }
    ids = keras.ops.array([[2, 5, 6], [2, 7, 0]])
    GRUDecoder(vocabulary_size=1000, units=256)(context, ids)  # (2, 3, 256)
    ```
    """

    cell = keras.layers.GRU
