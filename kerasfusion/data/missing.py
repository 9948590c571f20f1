"""Modalities taken away from rows: in training from some of them, in an evaluation from as many as asked for."""

import tensorflow as tf

from kerasfusion.data.features import FEATURES


def take_away(x, features, lost):
    """Make features missing in some rows: they look exactly as those that were never there.

    Args:
        x: dict of a batch's inputs, as the pipeline makes them.
        features: The `Feature`s to take away.
        lost: bool in the shape of their `<name>_present`: where.

    Returns:
        dict: `x`, with `<name>_present` False and zeros there (numbers: the training split's mean).
    """
    changed = dict(x)
    for feature in features:
        name, value = feature.name, x[feature.name]
        missing = tf.constant(FEATURES[feature.kind].missing(feature), value.dtype)
        where = tf.reshape(lost, tf.concat([tf.shape(lost), [1] * (value.shape.rank - lost.shape.rank)], 0))
        changed[name] = tf.where(where, missing, value)
        changed[f"{name}_present"] = x[f"{name}_present"] & ~lost
    return changed


def drop_modalities(x, schema, real, random, rate, together="image"):
    """Take one modality away from some rows of a training batch, as ModDrop does (arXiv 1501.00102).

    A modality is everything of one kind, as it is for the single-modality baselines: a row with two texts and a
    image loses both texts or the image. A row that has two modalities or more loses one of them, each as likely
    as the others, with probability `rate`; the last one always stays. In image-major batches an image goes for all
    of its texts or for none, and stays where one of them would be left with nothing; all else goes row by row.

    Args:
        x: dict of a batch's inputs, each `(B, …)`; image-major the image `(B, …)` and all else `(B, K, …)`.
        schema: Their `Schema`.
        real: bool `(B,)` or `(B, K)`, False for rows that only fill up the batch.
        random: float32 `(B, 1 + K)` in [0, 1), with K = 1 for plain batches: a number for the image, one per row.
        rate: The probability, below 1.
        together: The kind that image-major batches have one of for several rows; else `"image"`.

    Returns:
        dict: `x`, with a modality less in some rows.
    """
    kinds = schema.kinds
    flat = tf.reshape(real, (tf.shape(random)[0], -1))  # (B, K)
    has = []
    for kind in kinds:
        present = tf.stack([x[f"{feature.name}_present"] for feature in schema.of_kind(kind)])
        present = tf.reshape(tf.reduce_any(present, axis=0), (tf.shape(random)[0], -1))
        has.append(tf.broadcast_to(present, tf.shape(flat)))
    has = tf.stack(has, axis=-1)  # (B, K, M)
    several = tf.reduce_sum(tf.cast(has, tf.float32), axis=-1)
    total = tf.where(several > 1, rate, 0.0)

    is_image = tf.constant([kind == together for kind in kinds])
    image = tf.reduce_any(has & is_image, axis=-1)
    share = tf.reduce_min(tf.where(flat, total / tf.maximum(several, 1.0), 1.0), axis=1, keepdims=True)
    gone = image[:, :1] & (random[:, :1] < share)

    # Given that the image stays, the others are as likely to go as makes up the whole.
    share = tf.where(image, share, 0.0)
    rest = tf.where(gone, 0.0, (total - share) / (1.0 - share))
    others = tf.cast(has & ~is_image, tf.float32)
    count = tf.reduce_sum(others, axis=-1)
    wanted = tf.minimum(tf.floor(random[:, 1:] / rest * count), count - 1.0)
    chosen = (others > 0) & (tf.cumsum(others, axis=-1) - 1.0 == wanted[..., None])
    lost = chosen & (random[:, 1:] < rest)[..., None]

    for place, kind in enumerate(kinds):
        where = gone[:, 0] if kind == together else tf.reshape(lost[..., place], tf.shape(real))
        x = take_away(x, schema.of_kind(kind), where)
    return x
