"""A factored matrix that is served: what a user may like, which items are alike, what to expect of a new one."""

import numpy as np
import tensorflow as tf
from sklearn.utils.validation import check_is_fitted

from kerasfusion.serving.exporting import TOLERANCES, write_endpoints, write_examples, write_version
from kerasfusion.serving.features import FEATURES
from kerasfusion.serving.signatures import Signatures

# Users and items whose answers are stored for `verify`, beside one that is not known.
EXAMPLES = 3
# What an id takes in its table beside its letters: their number, and its place.
ID_BYTES = 10


class Recommender(tf.Module):
    """The endpoints of a `CollectiveMatrixFactorization` or `GivenFactors`: rows are users, columns are items.

    | signature | inputs | outputs |
    |---|---|---|
    | `recommend` | `user` string `(B,)` | `ids` string `(B, k)`, `scores` float32 `(B, k)`, `known` bool `(B,)` |
    | `similar_items` | `item` string `(B,)` | `ids`, `scores` (cosines), `known` |
    | `embed_item` | the tower's: `text`, `image_bytes` | `factors` float32 `(B, f)`, `bias` `(B,)`, `image_ok` |
    | `score_item` | `user` and the tower's | `score` float32 `(B,)`, `known`, `image_ok` |

    `serving_default` is `recommend`, which leaves out what the user has an entry for. To a user who is not known
    (`known` false) it gives what is predicted for the mean of all users, as does `score_item`; an item that is not
    known is like none. Where fewer than k are left, empty ids with scores of 0 fill up.

    Args:
        factors: A fitted `CollectiveMatrixFactorization` or `GivenFactors`.
        k: Items in an answer; fewer where there are fewer.
        tower: `(model, schema)` of a network from an item's content to its factors and bias, or None.

    Raises:
        ValueError: Two ids are written alike, one is empty, or `k` is below 1.
    """

    def __init__(self, factors, k=10, tower=None):
        super().__init__()
        check_is_fitted(factors, "row_factors_")
        if k < 1:
            raise ValueError(f"k={k!r}; it is a whole number from 1.")
        self.user_names, self.item_names = names_of(factors.row_ids_, "row"), names_of(factors.column_ids_, "column")
        self.k = min(k, len(self.item_names))
        # All weights are variables: a graph, which is one protocol buffer, would hold 2 GiB at most. An id that is
        # not known finds the place behind the last.
        self.users, self.items = lookup(self.user_names), lookup(self.item_names)
        self.ids = variable(self.item_names, "item_ids")
        offsets = factors.row_bias_ + factors.mean_
        U = np.vstack([factors.row_factors_, factors.row_factors_.mean(axis=0)])
        self.user_factors = variable(U.astype("float32"), "user_factors")
        self.user_offsets = variable(np.append(offsets, offsets.mean()).astype("float32"), "user_offsets")
        # A column for each item, as in a `Gallery`.
        self.item_factors = variable(factors.column_factors_.T.astype("float32"), "item_factors")
        self.item_offsets = variable(factors.column_bias_.astype("float32"), "item_offsets")
        norms = np.linalg.norm(factors.column_factors_, axis=1)
        self.item_norms = variable(np.where(norms > 0, norms, 1).astype("float32"), "item_norms")
        starts = factors.ratings_.indptr
        self.seen_starts = variable(np.append(starts, starts[-1]).astype("int64"), "seen_starts")
        self.seen_items = variable(factors.ratings_.indices.astype("int32"), "seen_items")
        self.content = None if tower is None else Signatures(*tower)
        user = tf.TensorSpec((None,), tf.string, name="user")
        self.specs = {"user": user, "item": tf.TensorSpec((None,), tf.string, name="item")}
        # Traced once, for two endpoints.
        self._recommend = tf.function(self._recommend, input_signature=[user])

    def endpoints(self):
        """The signatures: dict name -> `(function of tensors, list of TensorSpec)`."""
        user, item = self.specs.values()
        endpoints = {
            "serving_default": (self._recommend, [user]),
            "recommend": (self._recommend, [user]),
            "similar_items": (self._similar_items, [item]),
        }
        if self.content is not None:
            specs = self.content.raw.specs()
            endpoints["embed_item"] = (self._embed_item, specs)
            endpoints["score_item"] = (self._score_item, [user, *specs])
        return endpoints

    def resources(self):
        """What holds lookup tables, for an export to track."""
        return [self.users, self.items, *([] if self.content is None else self.content.raw.resources())]

    def records(self, ratings, examples):
        """Own answers to a few users, items and raw inputs of the tower: endpoint -> (inputs, outputs)."""
        # Items that were rated most are no copies of one another, which could stand in any order.
        popular = np.argsort(-np.bincount(ratings.indices, minlength=len(self.item_names)), kind="stable")
        some = {
            "user": [*self.user_names[:EXAMPLES], ""],
            "item": [*(self.item_names[place] for place in popular[:EXAMPLES]), ""],
        }
        if self.content is not None:
            some.update(self.content.raw_examples(examples))
        records = {}
        for endpoint, (function, specs) in self.endpoints().items():
            given = {spec.name: tf.constant(some[spec.name], spec.dtype) for spec in specs}
            # A user for each example of an item.
            rows = min(len(value) for value in given.values())
            given = {name: value[-rows:] for name, value in given.items()}
            both = given, function(*given.values())
            records[endpoint] = tuple({key: value.numpy() for key, value in part.items()} for part in both)
        return records

    def _user(self, user):
        place = self.users.lookup(user)
        offsets = tf.gather(self.user_offsets, place)
        return place, tf.gather(self.user_factors, place), offsets, place < len(self.user_names)

    def _recommend(self, user):
        place, factors, offsets, known = self._user(user)
        scores = tf.matmul(factors, self.item_factors) + self.item_offsets + offsets[:, None]
        seen = tf.ragged.range(tf.gather(self.seen_starts, place), tf.gather(self.seen_starts, place + 1))
        # Of somebody who is not known there is no last entry, and nothing was seen.
        items = tf.cast(tf.gather(self.seen_items, seen.flat_values), tf.int64)
        cells = tf.stack([seen.value_rowids(), items], axis=1)
        scores = tf.tensor_scatter_nd_update(scores, cells, tf.fill(tf.shape(items), -np.inf))
        return {**self._best(scores), "known": known}

    def _similar_items(self, item):
        place = self.items.lookup(item)
        known = place < len(self.item_names)
        own = tf.minimum(place, len(self.item_names) - 1)
        factors = tf.gather(self.item_factors, own, axis=1) / tf.gather(self.item_norms, own)
        cosines = tf.matmul(factors, self.item_factors, transpose_a=True) / self.item_norms
        itself = tf.one_hot(own, len(self.item_names), on_value=True, off_value=False)
        return {**self._best(tf.where(itself | ~known[:, None], -np.inf, cosines)), "known": known}

    def _best(self, scores):
        best = tf.math.top_k(scores, self.k)
        there = tf.math.is_finite(best.values)
        ids = tf.where(there, tf.gather(self.ids, best.indices), "")
        return {"ids": ids, "scores": tf.where(there, best.values, 0.0)}

    def _embed_item(self, *raw):
        inputs, flags = self.content.raw.preprocess(*raw)
        (found,) = self.content.predictions(*(inputs[name] for name in self.content.model.input)).values()
        return {"factors": found[:, :-1], "bias": found[:, -1], **flags}

    def _score_item(self, user, *raw):
        message = "The users and the items differ in their number:"
        rows = tf.shape(user)[0], tf.shape(raw[0])[0]
        with tf.control_dependencies([tf.debugging.Assert(rows[0] == rows[1], [message, *rows])]):
            _, factors, offsets, known = self._user(tf.identity(user))
        item = self._embed_item(*raw)
        score = tf.reduce_sum(factors * item.pop("factors"), axis=1) + item.pop("bias") + offsets
        return {"score": score, "known": known, **item}


def write_recommender(factors, model_dir, k=10, tower=None, examples=None):
    """Write the next version of a SavedModel that recommends.

    Args:
        factors: A fitted `CollectiveMatrixFactorization` or `GivenFactors`.
        model_dir: The model's folder, as for `export_model`.
        k: As for `Recommender`.
        tower: As for `Recommender`.
        examples: Raw inputs of the tower, a few rows of each, or None without one.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.
    """
    recommender = Recommender(factors, k, tower)

    def write(folder):
        write_endpoints(folder, recommender.endpoints(), recommender.resources())
        write_examples(folder, recommender.records(factors.ratings_, examples), folder.parent.name)
        features = [] if tower is None else recommender.content.raw.features
        ids = sum(len(name.encode()) + ID_BYTES for name in recommender.user_names + recommender.item_names)
        words = sum(FEATURES[feature.kind].table_bytes(feature) for feature in features)
        return {
            "variant": "variables",
            "tolerance": TOLERANCES["variables"],
            "vocabulary_bytes": ids + words,
            "constant_bytes": 0,
            "variables": len(recommender.variables) + (0 if tower is None else len(tower[0].variables)),
            "features": {f.name: f.kind for f in features},
            "recommender": {
                "users": len(recommender.user_names),
                "items": len(recommender.item_names),
                "factors": factors.column_factors_.shape[1],
                "k": recommender.k,
            },
        }

    return write_version(model_dir, write)


def names_of(ids, what):
    """Ids as strings, which is how they are asked for."""
    names = [str(name) for name in ids]
    if "" in names:
        raise ValueError(f"a {what}'s id is empty, which in an answer stands for none: give it a name.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two {what} ids are written alike, {twice!r}: served ids are strings.")
    return names


def lookup(names):
    places = tf.range(len(names), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(names, places), len(names))


def variable(value, name):
    return tf.Variable(value, trainable=False, name=name)
