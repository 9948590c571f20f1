"""Decoded images as TFRecord files whose records are all of one length, so that any can be read by its number."""

import itertools

import numpy as np
import tensorflow as tf

from kerasfusion.data.image_decoding import decode_chunks, image_sources

SHARD_BYTES = 512 * 1024**2
# A TFRecord has its length and that length's CRC before its data, and the data's CRC behind.
BEFORE, BEHIND = 12, 4


def write_shards(folder, keys, size):
    """Decode images and write them.

    Args:
        folder: An empty folder, `pathlib.Path`.
        keys: Each image once: a file's path (str) or its encoded bytes.
        size: `(height, width)` that images are resized to.

    Returns:
        dict: `shards` (list of dicts with `file`, `bytes` and `changed`, its time of change in ns), `failed` (numbers
        of the images that could not be decoded; they are zeros), and the layout: `images_per_shard`,
        `record_bytes`, and `image_offset` and `fingerprint_offset` from the start of a record.

    Raises:
        OSError, tf.errors.OpError: A file cannot be written.
    """
    layout = record_layout(size)
    per_shard = max(1, SHARD_BYTES // layout["record_bytes"])
    count = -(-len(keys) // per_shard)
    shards, failed = [], []
    records = _records(keys, size, failed)
    for number in range(count):
        file = folder / f"images-{number:05}-of-{count:05}.tfrecord"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for record in itertools.islice(records, per_shard):
                writer.write(record)
        status = file.stat()
        shards.append({"file": file.name, "bytes": status.st_size, "changed": status.st_mtime_ns})
    return {"shards": shards, "failed": failed, "images_per_shard": per_shard, **layout}


def record_layout(size):
    """Bytes of a record, and where in it the pixels and their fingerprint are."""
    image, fingerprint = np.full((*size, 3), 0xAA, np.uint8), np.full(8, 0xBB, np.uint8)
    example = _example(image, fingerprint, True)
    return {
        "record_bytes": BEFORE + len(example) + BEHIND,
        # From the end: the length that stands before the pixels may hold the same byte.
        "image_offset": BEFORE + example.rindex(image.tobytes()),
        "fingerprint_offset": BEFORE + example.rindex(fingerprint.tobytes()),
    }


def _records(keys, size, failed):
    """Each image's example; the numbers of those that cannot be decoded are appended to `failed`."""
    start = 0
    for pixels, present in decode_chunks(*image_sources(keys), size):
        failed += (start + np.flatnonzero(~present)).tolist()
        start += len(pixels)
        fingerprints = tf.fingerprint(pixels.reshape(len(pixels), -1)).numpy()
        yield from map(_example, pixels, fingerprints, present)


def _example(pixels, fingerprint, present):
    """A serialized `tf.train.Example`; its length depends on the size of the pixels alone."""
    values = {
        "image": tf.train.BytesList(value=[pixels.tobytes()]),
        "fingerprint": tf.train.BytesList(value=[fingerprint.tobytes()]),
        "height": tf.train.Int64List(value=[pixels.shape[0]]),
        "width": tf.train.Int64List(value=[pixels.shape[1]]),
        "present": tf.train.Int64List(value=[int(present)]),
    }
    feature = {
        name: tf.train.Feature(**{"bytes_list" if isinstance(value, tf.train.BytesList) else "int64_list": value})
        for name, value in values.items()
    }
    # Deterministic: in the order of their names, so that every record has the same layout.
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)
