"""A frozen network sees each image once, and training goes on from what it made of it."""

import dataclasses
import logging
import math
import time

import numpy as np
import tensorflow as tf

from kerasfusion.data.feature_store import FeatureStore
from kerasfusion.data.tf_options import PREFETCHED, without_autotune
from kerasfusion.models import EncodedModel, plain_model

logger = logging.getLogger(__name__)

# Features are kept in memory up to this many bytes, beside the pixels: in float32, in float16 where only that fits,
# and beyond not at all.
MEMORY_LIMIT = 2 * 1024**3

BATCH_SIZE = 64
# Between two lines about how far it is.
SECONDS = 10.0


def frozen_features(model, splits, memory_limit=MEMORY_LIMIT):
    """Put features in the place of pixels, where a model begins with a frozen network.

    That is where an encoder with a `frozen_backbone`, such as one of `keras.applications` with given weights, is all
    that reads an image. Batches then hold `<image>_features` in place of `<image>`. What is trained has to be a
    `TrainingWrapper` of the model, as the plain model takes pixels and nothing else.

    Args:
        model: A plain model, as it is saved and exported.
        splits: List of `Examples`: those to train and to validate on.
        memory_limit: Most bytes of features of one input.

    Returns:
        list of `Examples`, with a `FeatureStore` instead of an `ImageStore` for each image that enters a frozen
        network; `splits` itself where none does, or the features are too large.
    """
    found = [dict(split.banks) for split in splits]
    changed = False
    plain = plain_model(model)
    cacheable = plain.cacheable() if isinstance(plain, EncodedModel) else {}
    for feature in splits[0].schema.stored:
        encoder = cacheable.get(feature.name)
        if encoder is None:
            continue
        shown = [np.unique(split.arrays[feature.name]) for split in splits]
        # The last one, zeros, stands for a missing image.
        places = [np.append(index[index >= 0], -1).astype("int32") for index in shown]
        images = sum(len(index) - 1 for index in places)
        shape = encoder.features(splits[0].banks[feature.name].fetch(places[0][-1:])[0]).shape[1:]
        values = sum(len(index) for index in places) * math.prod(shape)
        precision = next((p for p in ("float32", "float16") if values * np.dtype(p).itemsize <= memory_limit), None)
        what = f"{encoder.name}: what its frozen layers make of {images:,} images"
        if precision is None:
            logger.info(
                f"  {what} would take {values * 2 / 2**30:.1f} GiB in float16, more than the limit of "
                f"{memory_limit / 2**30:.1f}: it is computed anew in every epoch"
            )
            continue
        size = f"{values * np.dtype(precision).itemsize / 2**20:,.0f} MiB, {precision}"
        logger.info(f"  {what} is computed once and kept in memory ({size})")
        count = _Count(images)
        for banks, index in zip(found, places, strict=True):
            features = np.zeros((len(index), *shape), precision)
            banks[feature.name] = _fill(features, encoder, banks[feature.name], index, count)
        changed = True
    if not changed:
        return splits
    return [dataclasses.replace(split, banks=banks) for split, banks in zip(splits, found, strict=True)]


def _fill(features, encoder, bank, places, count):
    present = np.zeros(len(places), bool)
    network = tf.function(encoder.features, reduce_retracing=True, autograph=False)
    pixels = tf.data.Dataset.from_tensor_slices(places).batch(BATCH_SIZE).map(bank.fetch).prefetch(PREFETCHED)
    done = 0
    for batch, there in without_autotune(pixels):
        rows = slice(done, done + len(batch))
        features[rows], present[rows] = network(batch).numpy(), there.numpy()
        done = rows.stop
        count.add(len(batch))
    return FeatureStore(places, features, present)


class _Count:
    """Logs every now and then how far it is."""

    def __init__(self, total):
        self.total = total
        self.done, self.said = 0, time.monotonic()

    def add(self, count):
        self.done += count
        if time.monotonic() - self.said > SECONDS and self.done < self.total:
            logger.info(f"    {self.done:,} of {self.total:,} images")
            self.said = time.monotonic()
