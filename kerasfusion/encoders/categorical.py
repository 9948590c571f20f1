import keras
from keras import ops

# The first ids of every column.
MISSING, UNKNOWN = 0, 1


@keras.saving.register_keras_serializable("kerasfusion")
class CategoricalEncoder(keras.layers.Layer):
    """Encode categorical columns: one embedding per column, projected and summed (arXiv 1604.06737).

    With `e_i` the embedding of column `i`'s category, token `i` is `W_i e_i + b_i`, and the pooled vector
    `relu(Σ_i W_i e_i + b_i)`, a dense layer on the concatenated embeddings. A category that training did not meet
    (id 1) embeds to zeros, so that it adds nothing; a missing cell (id 0) has an embedding of its own.

    Args:
        units: int, width `d` of the output.
        sizes: sequence of int, number of ids of each column, those of missing and unknown included.
        embedding_dim: int, width of an embedding.

    Call arguments:
        ids: int32 `(B, n)`, of each column from 0 to its size.

    Returns:
        dict: `pooled` float `(B, d)`; `sequence` float `(B, n, d)`, one token per column; `mask` bool `(B, n)`, False
        where a cell is missing.

    Raises:
        ValueError: at build time, if the number of columns differs from the number of sizes.

    Example:

    ```python
    ids = keras.ops.array([[2, 3], [0, 1]])  # of two columns; the second row lacks one, and the other is unknown
    vector = CategoricalEncoder(units=16, sizes=(4, 12))(ids)["pooled"]  # (2, 16)
    ```
    """

    def __init__(self, units, sizes, embedding_dim=16, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.sizes = tuple(int(size) for size in sizes)
        self.embedding_dim = embedding_dim
        # One table, whose rows are counted on from column to column.
        self.starts = tuple(sum(self.sizes[:place]) for place in range(len(self.sizes)))
        self.embedding = keras.layers.Embedding(
            sum(self.sizes), embedding_dim, name="embedding", dtype=self.dtype_policy
        )
        self.dense = keras.layers.EinsumDense(
            "bne,neu->bnu", (len(self.sizes), units), bias_axes="nu", name="dense", dtype=self.dtype_policy
        )

    def build(self, ids_shape):
        if ids_shape[-1] != len(self.sizes):
            raise ValueError(f"{self.name}: {ids_shape[-1]} columns for {len(self.sizes)} sizes.")
        self.embedding.build(ids_shape)
        self.dense.build((*ids_shape, self.embedding_dim))

    def call(self, ids):
        ids = ops.cast(ids, "int32")
        embedded = self.embedding(ids + ops.convert_to_tensor(self.starts, dtype="int32"))
        tokens = self.dense(embedded * ops.cast(ids != UNKNOWN, embedded.dtype)[..., None])
        return {"pooled": ops.relu(ops.sum(tokens, axis=1)), "sequence": tokens, "mask": ids != MISSING}

    def get_config(self):
        own = {"units": self.units, "sizes": self.sizes, "embedding_dim": self.embedding_dim}
        return {**super().get_config(), **own}
