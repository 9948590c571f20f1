"""Count the scans of a JPEG before decoding: each scan costs a pass over all pixels."""

import tensorflow as tf

from kerasfusion.bounds import MOST_SCANS, MOST_SEGMENTS

_SCAN = b"\xff\xda"
_SCAN_KIND, _END_KIND = 0xDA, 0xD9


def has_few_scans(encoded):
    """Check quickly that JPEGs have at most `MOST_SCANS` scans.

    Args:
        encoded: tf.string of any shape.

    Returns:
        bool of the same shape. `False` may be a false alarm, see `has_too_many_scans`.
    """
    # Every scan starts with these bytes, but metadata may contain them too.
    if encoded.shape.rank == 0:
        # Fewer ops for a scalar, because it runs once per image of a batch.
        pieces = tf.raw_ops.StringSplitV2(input=encoded[None], sep=_SCAN, maxsplit=MOST_SCANS + 1).values
        return tf.size(pieces) <= MOST_SCANS + 1
    rows = tf.reshape(encoded, (-1,))
    pieces = tf.raw_ops.StringSplitV2(input=rows, sep=_SCAN, maxsplit=MOST_SCANS + 1).indices[:, 0]
    scans = tf.math.unsorted_segment_sum(tf.ones_like(pieces), pieces, tf.size(rows)) - 1
    return tf.reshape(scans <= MOST_SCANS, tf.shape(encoded))


def has_too_many_scans(encoded):
    """Check whether a JPEG has more than `MOST_SCANS` scans or `MOST_SEGMENTS` segments.

    Args:
        encoded: tf.string scalar, a JPEG.

    Returns:
        bool scalar.
    """
    return tf.cond(has_few_scans(encoded), lambda: False, lambda: _walk(encoded))


# Not inlined, so that it costs an image with few scans a single op.
@tf.function(
    input_signature=[tf.TensorSpec((), tf.string)], autograph=False, experimental_attributes={"_noinline": True}
)
def _walk(encoded):
    """Count scans by the file structure, without those of embedded thumbnails or of data after the image."""
    length = tf.strings.length(encoded)
    # Pad with zeros, which are not a marker.
    data = tf.concat([tf.io.decode_raw(encoded, tf.uint8), tf.zeros(4, tf.uint8)], axis=0)
    kinds = data[1:]
    # Not markers: 0 (data of a scan), 0xFF (fill bytes) and restarts (0xD0 to 0xD7), which do not end a scan.
    ends = (data[:-1] == 0xFF) & (kinds != 0) & (kinds != 0xFF) & (kinds // 8 != 0xD0 // 8)
    markers = tf.concat([tf.cast(tf.where(ends)[:, 0], tf.int32), length[None]], axis=0)

    def step(start, scans, _):
        marker = markers[tf.minimum(tf.searchsorted(markers, start[None])[0], tf.size(markers) - 1)]
        kind, high, low = tf.unstack(tf.cast(data[marker + 1 : marker + 4], tf.int32), 3)
        behind = marker + 2 + tf.maximum(256 * high + low, 2)
        return behind, scans + tf.cast(kind == _SCAN_KIND, tf.int32), (marker < length) & (kind != _END_KIND)

    def may_pass(_, scans, goes_on):
        return goes_on & (scans <= MOST_SCANS)

    _, scans, goes_on = tf.while_loop(may_pass, step, (2, 0, True), maximum_iterations=MOST_SEGMENTS)
    return goes_on | (scans > MOST_SCANS)
