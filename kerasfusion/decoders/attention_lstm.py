import keras
from keras import ops

from kerasfusion.decoders.base import Decoder
from kerasfusion.decoders.recurrent import rows_by_text
from kerasfusion.masking import masked_softmax


@keras.saving.register_keras_serializable("kerasfusion")
class AttentionLSTMDecoder(Decoder):
    """LSTM decoder that attends to the image at every token (Show, Attend and Tell, arXiv 1502.03044).

    With image cells a_i, token embedding y and previous state h:

        α = softmax(K a_i · Q h),  z = σ(w · h) Σ_i α_i V a_i,  h' = LSTM([√d y; z], h),  out = y + L_h h' + L_z z

    The initial state is tanh(S BN(v)) of the context's pooled vector v. This is the paper's soft attention, but cells
    are scored by a dot product instead of a small network that would have to be evaluated for every token and cell.

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
    AttentionLSTMDecoder(vocabulary_size=1000, units=256)(context, ids)  # (2, 3, 256)
    ```
    """

    def build_decoder(self, context_shape):
        width, units = context_shape["sequence"][-1], self.units
        self.keys = self.dense("keys", width, units, use_bias=False)
        self.values = self.dense("values", width, units)
        self.queries = self.dense("queries", units, units)
        self.gate = self.dense("gate", units, 1, "sigmoid")
        self.norm = self.batch_norm("norm", context_shape["pooled"][-1])
        self.start = [self.dense(f"start_{name}", context_shape["pooled"][-1], units, "tanh") for name in "hc"]
        self.cell = keras.layers.LSTMCell(units, name="cell", dtype=self.dtype_policy)
        self.cell.build((None, 2 * units))
        self.from_state = self.dense("from_state", units, units)
        self.from_seen = self.dense("from_seen", units, units, use_bias=False)

    def remember(self, context):
        pooled = self.norm(context["pooled"])
        return {
            "keys": ops.transpose(self.keys(context["sequence"]), (0, 2, 1)),
            "values": self.values(context["sequence"]),
            "mask": context["mask"][:, None],
            "start": [start(pooled) for start in self.start],
        }

    def begin(self, memory, texts):
        return [ops.repeat(state[:, None], texts, axis=1) for state in memory["start"]]

    def step(self, memory, state, words, place, training=None):
        looked_at = self.look(memory, state)
        seen = ops.matmul(ops.cast(looked_at, words.dtype), memory["values"]) * self.gate(state[0])
        texts = ops.shape(words)[1]
        told = ops.concatenate([self.lengthened(words), seen], axis=-1)
        flat = [ops.reshape(part, (-1, part.shape[-1])) for part in (told, *state)]
        output, states = self.cell(flat[0], flat[1:], training=training)
        output, states = rows_by_text(texts, output, states, self.units)
        return words + self.from_state(output) + self.from_seen(seen), states

    def look(self, memory, state):
        """Attention weights of the cells for the next token: float32 `(B, K, n)`, rows sum to 1."""
        scores = ops.matmul(self.queries(state[0]), memory["keys"]) * self.units**-0.5
        return masked_softmax(ops.cast(scores, "float32"), memory["mask"])

    def attention(self, context, ids):
        """Attention weights of the cells for every token: float32 `(B, T, n)` for ids int32 `(B, T)`."""
        memory, found = self.remember(context), []
        state = self.begin(memory, 1)
        for place, word in enumerate(ops.unstack(self.embedding(ids[:, None]), axis=2)):
            found.append(self.look(memory, state)[:, 0])
            _, state = self.step(memory, state, word, place)
        return ops.stack(found, axis=1)
