import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.query import query_of
from kerasfusion.fusion.tokens import concatenated, project_weighted_sum
from kerasfusion.masking import masked_softmax


@keras.saving.register_keras_serializable("kerasfusion")
class MemoryFusion(Fusion):
    """Episodic memory: repeated attention with a gated memory update (DMN+, arXiv 1603.01417).

        m = Q t,  then `num_hops` times:
        p = softmax_i(w · relu(K x_i + A_h m)),   r = V Σ_i p_i x_i,   m ← LN(m + relu(W_h [r ⊙ (1 + G_h m); r; m]))

    `t` is the query modality's pooled vector, `x_i` are the tokens of all others, and the last `m` is the output. In
    contrast to `StackedAttention`, which adds what it retrieves to the query, a dense layer computes the next query
    from both, and the product with `G_h m` selects which properties of the retrieved cell are used. The attention is
    additive (as in arXiv 1511.02274). Residual connection and normalization are our additions: without them, more
    than two hops are hard to train. Each modality has its own `K` and `V`; `Q`, `K`, `A`, `G` and `W` have biases.

    Args:
        units: int, width of the fused representation and of the memory.
        num_hops: int, number of attention steps. Defaults to 3.
        hidden_dim: Optional int, width of the attention's hidden layer. Defaults to `units`.
        query: Optional str, name of the query modality. Defaults to `"text"`, or to the only one without an image
            grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the query modality is ambiguous or the only one.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), {"sequence": keras.random.normal((2, 9, 16))}
    fused = MemoryFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_hops=3, hidden_dim=None, query=None, **kwargs):
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
        self.keys = self.dense_each("keys", seen, hidden)
        self.values = {
            name: self.dense(f"values_{name}", shape[-1], self.units, use_bias=False) for name, shape in seen.items()
        }
        self.score = self.dense("score", hidden, 1, use_bias=False)
        self.queries = [self.dense(f"queries_{i}", self.units, hidden) for i in range(self.num_hops)]
        self.gates = [self.dense(f"gates_{i}", self.units, self.units) for i in range(self.num_hops)]
        self.updates = [self.dense(f"updates_{i}", 3 * self.units, self.units, "relu") for i in range(self.num_hops)]
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{i}", dtype=self.dtype_policy)
            for i in range(self.num_hops)
        ]
        for norm in self.norms:
            norm.build((None, self.units))

    def fuse(self, values, training):
        memory = self.question(values[self.asking])
        keys, mask = concatenated(
            {name: (layer(values[name][0]), values[name][1]) for name, layer in self.keys.items()}
        )
        for ask, gate, update, norm in zip(self.queries, self.gates, self.updates, self.norms, strict=True):
            hidden = ops.relu(keys + ask(memory)[:, None, :])
            weights = masked_softmax(self.score(hidden)[:, :, 0], mask)
            seen = project_weighted_sum(self.values, values, weights)
            memory = norm(memory + update(ops.concatenate([seen * (1.0 + gate(memory)), seen, memory], axis=-1)))
        return memory

    def get_config(self):
        return {**super().get_config(), "num_hops": self.num_hops, "hidden_dim": self.hidden_dim, "query": self.query}
