"""What recommenders share whose score of a user and an item is an inner product."""

import keras
import numpy as np
from keras import ops


class FactorRecommender(keras.Model):
    """Base class: the score of user u and item i is `p_u · q_i + b_i`.

    A subclass implements `factors`. `to_numpy` gives them to what ranks and serves: `kf.factorization.GivenFactors`.

    Call arguments:
        inputs: dict with `user`, int `(B,)`, and `item`, int `(B, N)`, counted from 0.

    Returns:
        float32 `(B, N)`, the scores of a user's N items.
    """

    def factors(self):
        """Return float `(users, d)`, float `(items, d)` and float `(items,)`: the factors and the items' biases."""
        raise NotImplementedError

    def call(self, inputs):
        users, items, bias = self.factors()
        user = ops.take(users, inputs["user"], axis=0)
        item = ops.take(items, inputs["item"], axis=0)
        return ops.einsum("bd,bnd->bn", user, item) + ops.take(bias, inputs["item"], axis=0)

    def to_numpy(self):
        """Return what `factors` gives as float32 arrays."""
        return tuple(np.asarray(ops.convert_to_numpy(value), "float32") for value in self.factors())


def factor_table(rows, dim, l2, name, initializer=None):
    """An embedding of users or items, built, whose squared length is penalized by `l2`."""
    initializer = initializer or keras.initializers.RandomNormal(stddev=0.1)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    table = keras.layers.Embedding(rows, dim, initializer, embeddings_regularizer=regularizer, name=name)
    table.build()
    return table
