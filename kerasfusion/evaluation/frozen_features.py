"""Cache frozen-backbone features so that each image and each text is encoded once."""

import dataclasses
import hashlib
import json
import logging
import math
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerasfusion.data.feature_cache import FeatureCache, content_key
from kerasfusion.data.feature_store import FeatureStore, TokenStore
from kerasfusion.data.tf_options import PREFETCHED, without_autotune
from kerasfusion.models import EncodedModel, plain_model

logger = logging.getLogger(__name__)

# Features are kept in memory up to this many bytes, beside the pixels: in float32, in float16 where only that fits,
# and beyond not at all, unless there is a folder for them.
MEMORY_LIMIT = 2 * 1024**3

BATCH_SIZE = 64
# Between two lines about how far it is.
SECONDS = 10.0
# Rows are written together up to this many bytes: what an interruption loses.
PART_BYTES = 64 * 1024**2
# Settings of an encoder that its features do not depend on.
_BEHIND_FEATURES = ("name", "units", "dropout", "trainable", "weights")


def frozen_features(model, splits, memory_limit=MEMORY_LIMIT, kinds=("image", "text", "video")):
    """Put features in the place of pixels and token ids, where a model begins with a frozen network.

    That is where an encoder with a `frozen_backbone`, such as one of `keras.applications` or a BERT with given
    weights, is all that reads an image or a text. Batches then hold `<feature>_features` in place of `<feature>`.
    What is trained has to be a `TrainingWrapper` of the model, as the plain model takes pixels and ids and nothing
    else.

    With a `cache_dir` in the examples, features are kept on disk in float16, by the content of what they are computed
    from, and found there again by later calls.

    Args:
        model: A plain model, as it is saved and exported.
        splits: List of `Examples`: those to train and to validate on.
        memory_limit: Most bytes of features of one input in memory.
        kinds: Kinds of features to look at.

    Returns:
        list of `Examples`, with a `FeatureStore` for each image and text that enters a frozen network (`arrays` then
        holds its places, int32 `(n,)`); `splits` itself where none does, or the features are too large.
    """
    plain = plain_model(model)
    cacheable = plain.cacheable() if isinstance(plain, EncodedModel) else {}
    changed = splits
    for feature in splits[0].schema.features:
        if feature.name in cacheable and feature.kind in kinds:
            read_ids = feature.name in _read_beside(plain)
            found = _feature_stores(cacheable[feature.name], feature, splits, memory_limit, read_ids)
            if found is not None:
                changed = [_replaced(split, feature.name, *own) for split, own in zip(changed, found, strict=True)]
    return changed


def pooled_features(encoder, feature, splits):
    """Encode each image or text of some splits once, by the frozen layers of an encoder that pools them.

    As for `frozen_features`, with a `cache_dir` in the examples they are kept there and found again.

    Args:
        encoder: Encoder layer with a `frozen_backbone` and `global_pool`. It may not be built yet.
        feature: The `Feature`, whose kind is that of the encoder.
        splits: List of `Examples`.

    Returns:
        list: for each split float32 `(m, d)`, the features of its distinct images or texts, bool `(m,)`, whether
        there is one that can be read, and int `(n,)`, the place of each row among them.
    """
    if not encoder.built:
        encoder(keras.Input(feature.input_shape, dtype=feature.traits.dtype))
    found = []
    for split, (store, own) in zip(splits, _feature_stores(encoder, feature, splits, math.inf), strict=True):
        distinct, places = np.unique(split.arrays[feature.name] if own is None else own, return_inverse=True)
        features, present = store.fetch(tf.constant(distinct, tf.int32))
        features = tf.cast(tf.reshape(features, (len(distinct), -1)), tf.float32)
        found.append((features.numpy(), present.numpy(), places.reshape(-1)))
    return found


def _read_beside(model):
    """The texts whose token ids a model reads beside their features."""
    linear = getattr(model, "linear", None)
    return {*getattr(model, "wide", {}), *(() if linear is None else linear.texts)}


def _replaced(split, name, store, places):
    """The examples with a feature's store; of a text, also with its places."""
    arrays = split.arrays if places is None else {**split.arrays, name: places}
    return dataclasses.replace(split, banks={**split.banks, name: store}, arrays=arrays)


def _feature_stores(encoder, feature, splits, memory_limit, read_ids=False):
    """Of each split, the `FeatureStore` and a text's places; None where features are too large to be kept."""
    if not feature.traits.stored:
        bank, shown = _distinct_texts([split.arrays[feature.name] for split in splits])
        banks = [bank] * len(splits)
    else:
        banks = [split.banks[feature.name] for split in splits]
        shown = [split.arrays[feature.name] for split in splits]
    # The last one, zeros, stands for a missing image or text. Texts are sorted by their length.
    places = [np.append(np.unique(index[index >= 0]), -1).astype("int32") for index in shown]
    count = sum(len(index) - 1 for index in places)
    shape = tuple(encoder.features(banks[0].fetch(places[0][-1:])[0]).shape[1:])
    values = sum(len(index) for index in places) * math.prod(shape)
    folder = splits[0].cache_dir
    sizes = ("float16",) if folder is not None else ("float32", "float16")
    precision = next((p for p in sizes if values * np.dtype(p).itemsize <= memory_limit), None)
    what = f"{encoder.name}: what its frozen layers make of {count:,} {feature.kind}s"
    if precision is None and folder is None:
        logger.info(
            f"  {what} would take {values * 2 / 2**30:.1f} GiB in float16, more than the limit of "
            f"{memory_limit / 2**30:.1f}: it is recomputed in every epoch; cache_dir (--cache-dir) would keep it "
            "on disk"
        )
        return None
    size = f"{values * np.dtype(precision or 'float16').itemsize / 2**20:,.0f} MiB, {precision or 'float16'}"
    cache = None
    if folder is not None:
        cache = FeatureCache(Path(folder) / "features" / _digest(encoder), shape)
    kept = "memory" if cache is None else cache.folder
    progress = _Progress(count, f"{feature.kind}s", f"  {what} is computed once and kept in {kept} ({size})")
    stores = [
        _fill(encoder, bank, index, shape, precision, cache, progress)
        for bank, index in zip(banks, places, strict=True)
    ]
    if read_ids:
        for store in stores:
            store.tokens = banks[0]
    return list(zip(stores, [None] * len(splits) if feature.traits.stored else shown, strict=True))


def _distinct_texts(ids):
    """A `TokenStore` of all texts, the shortest first, and of each split the place of each row."""
    distinct, inverse = np.unique(np.concatenate(ids), axis=0, return_inverse=True)
    order = np.argsort((distinct != 0).sum(axis=1), kind="stable")
    places = np.empty(len(order), "int32")
    places[order] = np.arange(len(order))
    ends = np.cumsum([len(rows) for rows in ids])[:-1]
    return TokenStore(distinct[order]), np.split(places[inverse.reshape(-1)], ends)


def _fill(encoder, bank, places, shape, precision, cache, progress):
    """Compute what is not known yet, and return it all as a `FeatureStore`."""
    present, keys, added = np.zeros(len(places), bool), [], _Part(cache)
    features = None if precision is None else np.zeros((len(places), *shape), precision)
    network = tf.function(encoder.features, reduce_retracing=True, autograph=False)
    inputs = tf.data.Dataset.from_tensor_slices(places).batch(BATCH_SIZE).map(bank.fetch).prefetch(PREFETCHED)
    done = 0
    for batch, there in without_autotune(inputs):
        rows = slice(done, done + len(batch))
        present[rows] = there.numpy()
        batch = _without_padding(batch.numpy())
        if cache is None:
            progress.begin()
            features[rows] = _padded(network(batch).numpy(), shape)
        else:
            found = [_key(row) for row in batch]
            new = np.flatnonzero(cache.places(found)[:, 0] < 0)
            if len(new):
                progress.begin()
                added.add([found[i] for i in new], _padded(network(batch[new]).numpy(), shape))
            keys += found
        done += len(batch)
        progress.add(len(batch))
    if cache is None:
        return FeatureStore(places, features, present)
    added.write()
    stored = cache.places(keys)
    if features is None:
        return FeatureStore(places, lambda rows: cache.read(stored[rows]), present, shape)
    for start in range(0, len(places), BATCH_SIZE):
        features[start : start + BATCH_SIZE] = cache.read(stored[start : start + BATCH_SIZE])
    return FeatureStore(places, features, present)


def _key(row):
    """The key of an image's pixels, or of a text's token ids whatever padding is behind them."""
    return content_key(row if row.ndim > 1 else row[: np.count_nonzero(row)])


def _without_padding(batch):
    """Token ids up to the longest text of the batch; pixels as they are."""
    if batch.ndim > 2:
        return batch
    used = np.flatnonzero((batch != 0).any(axis=0))
    return batch[:, : max(1, used[-1] + 1 if len(used) else 1)]


def _padded(features, shape):
    """Features of shorter texts with zeros behind them."""
    missing = shape[0] - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing), *[(0, 0)] * (features.ndim - 2))) if missing else features


def _digest(encoder):
    """A name for all that an encoder's features depend on besides their input: its settings and frozen weights."""
    settings = {name: value for name, value in encoder.get_config().items() if name not in _BEHIND_FEATURES}
    digest = hashlib.sha256(f"{type(encoder).__name__} {json.dumps(settings, sort_keys=True, default=str)}".encode())
    for weight in encoder.weights:
        if not weight.trainable and "projection" not in weight.path.split("/"):
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)))
    return digest.hexdigest()[:24]


class _Part:
    """Rows to be written to a cache together."""

    def __init__(self, cache):
        self.cache = cache
        self.keys, self.rows = [], []

    def add(self, keys, rows):
        self.keys += keys
        self.rows.append(rows.astype(np.float16))
        if sum(part.nbytes for part in self.rows) >= PART_BYTES:
            self.write()

    def write(self):
        if self.keys:
            self.cache.add(self.keys, np.concatenate(self.rows))
            self.keys, self.rows = [], []


class _Progress:
    """Log what is computed, once it is certain that something is, and every now and then how far it is."""

    def __init__(self, total, unit, message):
        self.total, self.unit, self.message = total, unit, message
        self.done, self.said = 0, time.monotonic()

    def begin(self):
        if self.message:
            logger.info(self.message)
            self.message = None

    def add(self, count):
        self.done += count
        if time.monotonic() - self.said > SECONDS and self.done < self.total:
            logger.info(f"    {self.done:,} of {self.total:,} {self.unit}")
            self.said = time.monotonic()
