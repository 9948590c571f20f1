import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class GraphPropagation(keras.layers.Layer):
    """Light graph convolution on the bipartite graph of users and items (LightGCN, arXiv 2002.02126).

        e_u^(k+1) = Σ_{i in N_u} e_i^(k) / √(|N_u| |N_i|),  e_i^(k+1) = Σ_{u in N_i} e_u^(k) / √(|N_i| |N_u|)
        e = Σ_{k = 0..K} e^(k) / (K + 1)

    There are no weights and no nonlinearity. A node without neighbors keeps `e^(0) / (K + 1)`.

    Args:
        num_users: int, number of users.
        num_items: int, number of items.
        interactions: int array `(E, 2)`, a user and an item in each row, counted from 0; repeated rows count once. Or
            their number E, for a layer whose weights are loaded.
        num_layers: int, K. Defaults to 3.

    Call arguments:
        users: float `(num_users, d)`.
        items: float `(num_items, d)`.

    Returns:
        tuple: float `(num_users, d)` and float `(num_items, d)`.

    Raises:
        ValueError: an interaction of a user or an item that does not exist.

    Example:

    ```python
    layer = kf.layers.GraphPropagation(num_users=2, num_items=3, interactions=[[0, 0], [0, 1], [1, 1]], num_layers=2)
    users, items = layer(keras.random.normal((2, 8)), keras.random.normal((3, 8)))
    ```
    """

    def __init__(self, num_users, num_items, interactions, num_layers=3, **kwargs):
        super().__init__(**kwargs)
        self.num_users = num_users
        self.num_items = num_items
        self.num_layers = num_layers
        self._pairs = None if isinstance(interactions, int) else self._read(interactions)
        self.num_interactions = interactions if self._pairs is None else len(self._pairs)

    def _read(self, interactions):
        pairs = np.asarray(interactions)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise ValueError(f"{self.name}: interactions must be int (E, 2), not {pairs.dtype} {pairs.shape}.")
        outside = ((pairs < 0) | (pairs >= [self.num_users, self.num_items])).any(axis=1)
        if outside.any():
            row = int(outside.argmax())
            raise ValueError(
                f"{self.name}: interaction {row} is of user {pairs[row, 0]} and item {pairs[row, 1]}, but there are "
                f"{self.num_users:,} users and {self.num_items:,} items, counted from 0."
            )
        return np.unique(pairs, axis=0)

    def build(self, users_shape=None, items_shape=None):
        pairs, count = self._pairs, self.num_interactions
        pairs = np.zeros((count, 2), int) if pairs is None else pairs
        degrees = [np.bincount(pairs[:, side], minlength=1)[pairs[:, side]] for side in (0, 1)]
        constants = {
            "user": (pairs[:, 0], "int32"),
            "item": (pairs[:, 1], "int32"),
            "norm": (1 / np.sqrt(degrees[0] * degrees[1]), "float32"),
        }
        for name, (value, dtype) in constants.items():
            # Saved and loaded with the weights, as the graph is no part of the config.
            weight = self.add_weight(shape=(count,), dtype=dtype, trainable=False, initializer="zeros", name=name)
            weight.assign(value)
            setattr(self, f"_{name}", weight)
        self.built = True

    def call(self, users, items):
        norm = ops.cast(self._norm, users.dtype)[:, None]
        user, item = ops.convert_to_tensor(self._user), ops.convert_to_tensor(self._item)
        sums = users, items
        for _ in range(self.num_layers):
            users, items = (
                ops.segment_sum(ops.take(items, item, axis=0) * norm, user, self.num_users),
                ops.segment_sum(ops.take(users, user, axis=0) * norm, item, self.num_items),
            )
            sums = sums[0] + users, sums[1] + items
        return tuple(total / (self.num_layers + 1) for total in sums)

    def compute_output_shape(self, users_shape, items_shape):
        return tuple(users_shape), tuple(items_shape)

    def get_config(self):
        sizes = {"num_users": self.num_users, "num_items": self.num_items, "interactions": self.num_interactions}
        return {**super().get_config(), **sizes, "num_layers": self.num_layers}
