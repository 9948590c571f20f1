"""Batches of interactions with sampled negatives, as `tf.data`."""

import numpy as np
import tensorflow as tf
from scipy import sparse

from kerasfusion.data.tf_options import PREFETCHED, without_autotune

# An item that is new to a user is searched for so many times.
TRIALS = 100


class InteractionBatches:
    """Interactions in a new order in each epoch, with items that the user has no interaction with as negatives.

    Negatives are drawn among the items that occur in the interactions: an item that nobody could have chosen yet is
    no negative. With `num_negatives` they are drawn uniformly for each row; without, the items of the other rows of a
    batch serve.

    Args:
        users: int `(n,)`, users of the interactions, counted from 0.
        items: int `(n,)`, their items, likewise.
        batch_size: int, rows of a batch. Defaults to 1024.
        num_negatives: Optional int, negatives of a row. Defaults to 1.
        seed: int, seed of the order and of the negatives. Defaults to 0.

    Raises:
        ValueError: Users and items differ in number, or a user has an interaction with every item.

    Example:

    ```python
    batches = kf.data.InteractionBatches([0, 0, 1], [0, 1, 2], batch_size=2)
    x, y = next(iter(batches.dataset()))
    x["item"]  # (2, 2): the item of the interaction and a negative
    ```
    """

    def __init__(self, users, items, batch_size=1024, num_negatives=1, seed=0):
        self.users, self.items = (np.asarray(values, "int32") for values in (users, items))
        if self.users.shape != self.items.shape or not len(self.users):
            raise ValueError(f"There are {len(self.users):,} users of interactions and {len(self.items):,} items.")
        self.batch_size = batch_size
        self.num_negatives = num_negatives
        self.seed = seed
        self.epoch = 0
        self.steps = -(-len(self.users) // batch_size)
        counts = np.bincount(self.items)
        self._candidates = np.flatnonzero(counts).astype("int32")
        self._log_probability = np.log(np.maximum(counts, 1) / len(self.items)).astype("float32")
        shape = (self.users.max() + 1, len(counts))
        self._known = sparse.csr_array((np.ones(len(self.users), bool), (self.users, self.items)), shape=shape)
        full = np.flatnonzero(np.diff(self._known.indptr) >= len(self._candidates))
        if num_negatives and len(full):
            raise ValueError(f"User {full[0]} has an interaction with every item, so there is no negative to draw.")

    def dataset(self):
        """Return a `tf.data.Dataset` of one epoch; each iteration over it is the next epoch.

        Its elements are `(x, y)`. With negatives, `x` has `user` int32 `(B,)` and `item` int32 `(B, 1 + N)`, and y is
        int8 `(B, 1 + N)`: 1 for the first item, 0 for the others. Without, `item` is int32 `(B,)`, with
        `log_probability` float32 `(B,)`, the logarithm of the item's share of the interactions, and y is int8
        `(B, B)`: 1 where row and column are of the same item, -1 for another item that the row's user has an
        interaction with, and 0 else.
        """
        of_user = {"user": tf.TensorSpec((None,), tf.int32)}
        if self.num_negatives:
            x = {**of_user, "item": tf.TensorSpec((None, 1 + self.num_negatives), tf.int32)}
            y = tf.TensorSpec((None, 1 + self.num_negatives), tf.int8)
        else:
            x = {**of_user, "item": tf.TensorSpec((None,), tf.int32)}
            x["log_probability"] = tf.TensorSpec((None,), tf.float32)
            y = tf.TensorSpec((None, None), tf.int8)
        batches = tf.data.Dataset.from_generator(self._epoch, output_signature=(x, y)).prefetch(PREFETCHED)
        return without_autotune(batches.apply(tf.data.experimental.assert_cardinality(self.steps)))

    def _epoch(self):
        random = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = random.permutation(len(self.users))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            users, items = self.users[rows], self.items[rows]
            if self.num_negatives:
                items = np.column_stack([items, self._negatives(users, random)])
                yield {"user": users, "item": items}, np.eye(1, items.shape[1], dtype="int8").repeat(len(rows), 0)
            else:
                known = self._known_in_batch(users, items)
                relation = np.where(items[:, None] == items, 1, -known.astype("int8")).astype("int8")
                x = {"user": users, "item": items, "log_probability": self._log_probability[items]}
                yield x, relation

    def _known_in_batch(self, users, items):
        """Whether each user of a batch has an interaction with each item of it: bool `(B, B)`."""
        distinct, column = np.unique(items, return_inverse=True)
        columns = np.full(self._known.shape[1], -1)
        columns[distinct] = np.arange(len(distinct))
        known = self._known[users]
        rows, found = np.repeat(np.arange(len(users)), np.diff(known.indptr)), columns[known.indices]
        marked = np.zeros((len(users), len(distinct)), bool)
        marked[rows[found >= 0], found[found >= 0]] = True
        return marked[:, column]

    def _negatives(self, users, random):
        shape = (len(users), self.num_negatives)
        drawn = random.choice(self._candidates, shape)
        rows = np.broadcast_to(users[:, None], shape)
        for _ in range(TRIALS):
            wrong = self._is_known(rows, drawn)
            if not wrong.any():
                break
            drawn[wrong] = random.choice(self._candidates, wrong.sum())
        for row, column in np.argwhere(self._is_known(rows, drawn)):
            # One who knows nearly all.
            left = np.setdiff1d(self._candidates, self._known[[users[row]]].indices)
            drawn[row, column] = random.choice(left)
        return drawn

    def _is_known(self, users, items):
        return np.asarray(self._known[users.ravel(), items.ravel()]).reshape(users.shape).astype(bool)
