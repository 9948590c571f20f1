import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.query import query_of
from kerasfusion.fusion.tokens import concatenated
from kerasfusion.masking import masked_softmax


@keras.saving.register_keras_serializable("kerasfusion")
class StackedAttention(Fusion):
    """Stacked attention network: repeated additive attention to the image (SAN, arXiv 1511.02274).

        v_i = tanh(V x_i),  u = U t,  then `num_hops` times:
        p = softmax_i(w_h · tanh(A_h v_i + B_h u)),   u ← u + Σ_i p_i v_i

    `t` is the query modality's pooled vector, `x_i` are the tokens of all others, and the last `u` is the output.
    `U`, `V` and `B` have biases.

    Args:
        units: int, width of the fused representation, and of `u` and `v`.
        num_hops: int, number of attention steps. Defaults to 2.
        hidden_dim: Optional int, width of the attention's hidden layer. Defaults to `units`.
        query: Optional str, name of the query modality. Defaults to `"text"`, or to the only one without an image
            grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the query modality is ambiguous or the only one.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), {"sequence": keras.random.normal((2, 9, 16))}
    fused = StackedAttention(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_hops=2, hidden_dim=None, query=None, **kwargs):
        super().__init__(units, **kwargs)
        self.num_hops = num_hops
        self.hidden_dim = hidden_dim
        self.query = query

    def parts(self, inputs):
        self.asking = query_of(self.name, inputs, self.query)
        return {name: "pooled" if name == self.asking else "sequence" for name in inputs}

    def build_fusion(self, shapes):
        hidden = self.hidden_dim or self.units
        self.question = self.dense("question", shapes[self.asking][-1], self.units)
        seen = {name: shape for name, shape in shapes.items() if name != self.asking}
        self.inputs = self.dense_each("in", seen, self.units, "tanh")
        self.keys = [self.dense(f"keys_{i}", self.units, hidden, use_bias=False) for i in range(self.num_hops)]
        self.queries = [self.dense(f"queries_{i}", self.units, hidden) for i in range(self.num_hops)]
        self.scores = [self.dense(f"scores_{i}", hidden, 1, use_bias=False) for i in range(self.num_hops)]

    def fuse(self, values, training):
        state = self.question(values[self.asking])
        cells, mask = concatenated(
            {name: (layer(values[name][0]), values[name][1]) for name, layer in self.inputs.items()}
        )
        for keys, queries, scores in zip(self.keys, self.queries, self.scores, strict=True):
            hidden = ops.tanh(keys(cells) + queries(state)[:, None, :])
            weights = masked_softmax(scores(hidden)[:, :, 0], mask)
            state = state + ops.einsum("bl,bld->bd", weights, cells)
        return state

    def get_config(self):
        return {**super().get_config(), "num_hops": self.num_hops, "hidden_dim": self.hidden_dim, "query": self.query}
