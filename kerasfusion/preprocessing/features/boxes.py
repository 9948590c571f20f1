"""Boxes as they come to boxes inside of the image, zeros where there is none."""

import tensorflow as tf

from kerasfusion.preprocessing.features.base import RawFeature


class Boxes(RawFeature):
    """float32 `(B, N, 4 or 5)` to the same: clipped to the image, and zeros where nothing with an area is left.

    The fifth number, where boxes have categories, is the category's id; one out of range is unknown.
    """

    def read(self, feature, raw, resource, max_pixels):
        corners = tf.clip_by_value(raw[..., :4], 0.0, 1.0)
        known = tf.reduce_all(tf.math.is_finite(raw[..., :4]), axis=-1)
        there = known & (corners[..., 2] > corners[..., 0]) & (corners[..., 3] > corners[..., 1])
        parts = [corners]
        if feature.categories:
            ids, unknown = raw[..., 4:], float(feature.category_names[0].index("[UNKNOWN]"))
            fine = (ids >= 0) & (ids < len(feature.category_names[0])) & (ids == tf.round(ids))
            parts.append(tf.where(tf.math.is_nan(ids), 0.0, tf.where(fine, ids, unknown)))
        return tf.where(there[..., None], tf.concat(parts, axis=-1), 0.0), tf.reduce_any(there, axis=-1)
