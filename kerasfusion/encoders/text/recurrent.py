import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder

# Up to this many tokens the loop over time is unrolled: about 10 % faster per training step on a CPU, while
# longer texts would make the graph slow to build.
UNROLL_UP_TO = 32


class RecurrentEncoder(TextEncoder):
    """Base class: a recurrent network over the tokens; `pooled` is its state after the last token."""

    cell = None  # the Keras layer class

    def build_encoder(self, embedded_shape):
        self.recurrent = self.make("recurrent", embedded_shape)

    def encode(self, embedded, mask, training):
        return self.read(self.recurrent, embedded, mask, training)

    def make(self, name, embedded_shape, go_backwards=False):
        """Create and build the recurrent Keras layer."""
        length = embedded_shape[1]
        recurrent = self.cell(
            self.units,
            return_sequences=True,
            return_state=True,
            go_backwards=go_backwards,
            unroll=length is not None and length <= UNROLL_UP_TO,
            name=name,
            dtype=self.dtype_policy,
        )
        recurrent.build(embedded_shape)
        return recurrent

    def read(self, recurrent, embedded, mask, training):
        """Run a layer created by `make`; with `go_backwards`, `sequence` starts with the last position."""
        sequence, state, *_ = recurrent(embedded, mask=mask, training=training)
        return sequence, state


class BidirectionalEncoder(RecurrentEncoder):
    """Base class: two recurrent networks in opposite directions: `tanh(W [h_forward; h_backward] + b)`.

    Padding follows the tokens, so the backward network starts with it; its state stays zero until the last token.
    """

    def build_encoder(self, embedded_shape):
        super().build_encoder(embedded_shape)
        self.backward = self.make("backward", embedded_shape, go_backwards=True)
        self.projection = keras.layers.Dense(
            self.units, activation="tanh", name="projection", dtype=self.dtype_policy
        )
        self.projection.build((*embedded_shape[:-1], 2 * self.units))

    def encode(self, embedded, mask, training):
        ahead, state = self.read(self.recurrent, embedded, mask, training)
        back, state_back = self.read(self.backward, embedded, mask, training)
        sequence = ops.concatenate([ahead, ops.flip(back, axis=1)], axis=-1)
        return self.projection(sequence), self.projection(ops.concatenate([state, state_back], axis=-1))


@keras.saving.register_keras_serializable("kerasfusion")
class LSTMEncoder(RecurrentEncoder):
    """Long short-term memory (LSTM) over token embeddings; `pooled` is its state after the last token.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.

    Example:

    ```python
    text = LSTMEncoder(vocabulary_size=1000, units=128)(keras.ops.array([[4, 5, 6], [7, 0, 0]]))
    text["pooled"]  # (2, 128)
    text["sequence"]  # (2, 3, 128)
    ```
    """

    cell = keras.layers.LSTM


@keras.saving.register_keras_serializable("kerasfusion")
class GRUEncoder(RecurrentEncoder):
    """Gated recurrent unit (GRU) over token embeddings; `pooled` is its state after the last token.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.

    Example:

    ```python
    text = GRUEncoder(vocabulary_size=1000, units=128)(keras.ops.array([[4, 5, 6], [7, 0, 0]]))
    text["pooled"]  # (2, 128)
    ```
    """

    cell = keras.layers.GRU

    def read(self, recurrent, embedded, mask, training):
        if not recurrent.unroll:
            return super().read(recurrent, embedded, mask, training)
        # Keras multiplies every word with the kernel on its own and reads the weights in every step. One product for
        # all words, and fewer operations a step: quicker to train on a CPU, and smaller exports.
        cell, width = recurrent.cell, 2 * self.units
        recurrent_kernel = ops.convert_to_tensor(cell.recurrent_kernel)
        bias, recurrent_bias = ops.unstack(ops.convert_to_tensor(cell.bias), axis=0)
        # Only the candidate's recurrent bias has to wait for the reset gate.
        gate_bias, value_bias = ops.split(recurrent_bias, [width])
        gates, values = ops.split(ops.matmul(embedded, cell.kernel) + bias, [width], axis=-1)
        steps = [ops.unstack(part, axis=1) for part in (gates + gate_bias, values, mask[..., None])]
        state = ops.zeros((ops.shape(embedded)[0], self.units), embedded.dtype)
        states = []
        order = -1 if recurrent.go_backwards else 1
        for gate, value, word in list(zip(*steps, strict=True))[::order]:
            recurrent_gate, recurrent_value = ops.split(ops.matmul(state, recurrent_kernel), [width], axis=-1)
            keep, reset = ops.split(ops.sigmoid(gate + recurrent_gate), 2, axis=-1)
            value = ops.tanh(value + reset * (recurrent_value + value_bias))
            # At padding the state stays.
            state = ops.where(word, value + keep * (state - value), state)
            states.append(state)
        return ops.stack(states, axis=1), state


@keras.saving.register_keras_serializable("kerasfusion")
class BiLSTMEncoder(BidirectionalEncoder, LSTMEncoder):
    """Bidirectional LSTM over token embeddings; `pooled` is a dense layer on both last states.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.

    Example:

    ```python
    text = BiLSTMEncoder(vocabulary_size=1000, units=128)(keras.ops.array([[4, 5, 6], [7, 0, 0]]))
    text["sequence"]  # (2, 3, 128)
    ```
    """


@keras.saving.register_keras_serializable("kerasfusion")
class BiGRUEncoder(BidirectionalEncoder, GRUEncoder):
    """Bidirectional GRU over token embeddings; `pooled` is a dense layer on both last states.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.

    Example:

    ```python
    text = BiGRUEncoder(vocabulary_size=1000, units=128)(keras.ops.array([[4, 5, 6], [7, 0, 0]]))
    text["pooled"]  # (2, 128)
    ```
    """
