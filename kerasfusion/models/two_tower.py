import keras
import numpy as np
from keras import ops

from kerasfusion.models.factor_recommender import factor_table


@keras.saving.register_keras_serializable("kerasfusion")
class TwoTower(keras.Model):
    """A table of users against a network that reads an item's content, with a vector of the item's own beside it.

        score = p_u · q_i + b_i,  (q_i, b_i) = tower(content of i) + own_i

    The own vector holds what the behavior of users tells beyond the content, as in collaborative topic regression
    (Wang and Blei, KDD 2011). In training it is dropped for some rows, so that the tower also works alone
    (DropoutNet, Volkovs et al., NeurIPS 2017); of an item without interactions it is 0.

    Train it with `SampledSoftmaxLoss` on all pairs of a batch: each row's item is a negative of the other rows.

    Args:
        num_users: int, number of users.
        num_items: int, number of items.
        tower: `FusionModel` with one task, float `(B, d + 1)`: factors and bias. None: own vectors alone.
        dim: int, d. Defaults to 64.
        own: Whether items have own vectors. Defaults to `True`.
        own_dropout: float, probability that a training row loses its own vector. Defaults to 0.5.
        l2: float, weight of the squared length of the own vectors and of the users' beside a loss that is a mean.
            Defaults to 1e-6.

    Call arguments:
        inputs: dict with `user` and `item`, int `(B,)`, counted from 0; optionally `log_probability`, float `(B,)`,
            the logarithm of each item's probability to be drawn, which is subtracted from its scores; and the inputs
            of the tower.

    Returns:
        float32 `(B, B)`, the scores of all items of the batch for all of its users.

    Example:

    ```python
    model = kf.models.TwoTower(num_users=2, num_items=3, tower=None, dim=8)
    model.compile("adam", loss=kf.losses.SampledSoftmaxLoss())
    model({"user": keras.ops.array([0, 1]), "item": keras.ops.array([2, 1])})  # (2, 2)
    ```
    """

    def __init__(self, num_users, num_items, tower, dim=64, own=True, own_dropout=0.5, l2=1e-6, **kwargs):
        super().__init__(**kwargs)
        if tower is None and not own:
            raise ValueError("TwoTower: without a tower, items need own vectors (own=True).")
        self.settings = {"num_users": num_users, "num_items": num_items, "dim": dim, "own": own}
        self.settings |= {"own_dropout": own_dropout, "l2": l2}
        self.tower = tower
        self.users = factor_table(num_users, dim, l2, "users")
        start = keras.initializers.RandomNormal(stddev=0.1) if tower is None else "zeros"
        self.own = factor_table(num_items, dim + 1, l2, "own", start) if own else None
        self.own_dropout = own_dropout if tower is not None else 0.0
        self.seeds = keras.random.SeedGenerator()
        self.built = True

    def call(self, inputs, training=None):
        items = self.item_vectors(inputs, training)
        users = ops.take(self.users.embeddings, inputs["user"], axis=0)
        scores = ops.matmul(users, ops.transpose(items[:, :-1])) + items[:, -1]
        return scores - inputs["log_probability"] if "log_probability" in inputs else scores

    def item_vectors(self, inputs, training=False):
        """Return float32 `(B, d + 1)`, factors and bias of the items of a batch."""
        found = 0.0
        if self.tower is not None:
            encoded = self.tower.encode(inputs)
            (found,) = self.tower.predict_encoded(encoded, inputs).values()
        if self.own is not None:
            own = ops.take(self.own.embeddings, inputs["item"], axis=0)
            if training and self.own_dropout:
                chance = keras.random.uniform((ops.shape(own)[0], 1), seed=self.seeds)
                own = own * ops.cast(chance >= self.own_dropout, own.dtype)
            found = found + own
        return found

    def to_numpy(self, items):
        """Return float32 `(users, d)`, `(items, d)` and `(items,)`: the factors and the items' biases.

        Args:
            items: Iterable of batches (dicts of tensors, as `call` takes them) of all items, in order.
        """
        vectors = np.concatenate([ops.convert_to_numpy(self.item_vectors(batch)) for batch in items])
        return ops.convert_to_numpy(self.users.embeddings), vectors[:, :-1], vectors[:, -1]

    def get_config(self):
        tower = None if self.tower is None else keras.saving.serialize_keras_object(self.tower)
        return {**super().get_config(), **self.settings, "tower": tower}

    @classmethod
    def from_config(cls, config):
        tower = config.pop("tower")
        return cls(tower=None if tower is None else keras.saving.deserialize_keras_object(tower), **config)
