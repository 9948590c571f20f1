"""Images decoded once and kept on disk: for sets whose pixels do not fit into memory."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from kerasfusion.data.errors import DataError
from kerasfusion.data.image_shards import record_layout, write_shards
from kerasfusion.files import folder_lock, temporary_folder, write_json

# A part of the fingerprint: caches of another format are written anew.
FORMAT = 1
MANIFEST = "index.json"
_SHARD = re.compile(r"images-\d{5,}-of-\d{5,}\.tfrecord")
_ENTRIES = {"source", "shards", "failed", "images_per_shard", "record_bytes", "image_offset", "fingerprint_offset"}


class ImageCache:
    """Decoded images in TFRecord files, read by number.

    Each file holds `tf.train.Example`s with the features `image` (raw uint8 pixels), `height`, `width`, `present`
    (0 where an image could not be decoded) and `fingerprint` (FarmHash64 of the pixels). Its records have one
    length, so that a batch is one NumPy gather from each memory-mapped file that it touches, and nothing is done
    image by image in Python; the pixels are compared with their fingerprints every time. What of the files stays
    in memory is for the operating system to say.

    The manifest `index.json` holds a fingerprint of the source: path, size and time of change of every file, the
    contents of images given as bytes, and the size in pixels. The folder gets its name when it is complete.

    Args:
        folder: The cache's folder. Where it holds a cache of other images, it is rewritten.
        keys: Each image once: a file's path (str) or its encoded bytes.
        size: `(height, width)` that images are resized to.

    Attributes:
        failed: bool `(number of images,)`, True where decoding failed.
        state: `"reused"`, `"written"`, or `"rewritten"` where the folder held other images.
        bytes: Size of the TFRecord files.

    Raises:
        DataError: The folder cannot be written, holds something else, or a file in it is damaged.
    """

    def __init__(self, folder, keys, size):
        self.folder = Path(folder).absolute()
        self.size = tuple(size)
        source = _fingerprint(keys, self.size)
        manifest = _read_manifest(self.folder)
        if manifest is not None and manifest["source"] == source:
            self.state = "reused"
            _check_shards(self.folder, manifest)
        else:
            self.state = "written" if manifest is None else "rewritten"
            manifest = _write(self.folder, list(keys), self.size, source)
        self.bytes = sum(shard["bytes"] for shard in manifest["shards"])
        self.failed = np.zeros(len(keys), bool)
        self.failed[manifest["failed"]] = True
        # One more, at place -1, stands for "missing".
        self._present = tf.constant(np.append(~self.failed, False))
        self._files = tf.constant([str(self.folder / shard["file"]) for shard in manifest["shards"]], tf.string)
        self._shards = [
            np.memmap(self.folder / shard["file"], np.uint8, "r").reshape(-1, manifest["record_bytes"])
            for shard in manifest["shards"]
        ]
        self._per_shard = manifest["images_per_shard"]
        self._pixel_bytes = self.size[0] * self.size[1] * 3
        self._image = slice(manifest["image_offset"], manifest["image_offset"] + self._pixel_bytes)
        self._fingerprint = slice(manifest["fingerprint_offset"], manifest["fingerprint_offset"] + 8)

    def fetch(self, index):
        """Pixels of some images, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 `(B,)`, places in `keys`; -1 for none.

        Returns:
            tuple: uint8 `(B, height, width, 3)` and bool `(B,)`, False (and zeros) where there is no image.

        Raises:
            tf.errors.InvalidArgumentError: when run, if a record is damaged; the message names the file.
        """
        index = tf.ensure_shape(index, (None,))
        pixels, fingerprints = tf.numpy_function(self._gather, [index], [tf.uint8, tf.uint8])
        pixels = tf.ensure_shape(pixels, (None, self._pixel_bytes))
        fingerprints = tf.ensure_shape(fingerprints, (None, 8))
        damaged = tf.reduce_any(tf.fingerprint(pixels) != fingerprints, axis=1) & (index >= 0)
        files = tf.gather(self._files, tf.boolean_mask(index, damaged) // self._per_shard)
        advice = f"The image cache is damaged. Delete the folder {self.folder} and load again. Damaged files:"
        check = tf.debugging.Assert(~tf.reduce_any(damaged), [advice, files])
        with tf.control_dependencies([] if tf.executing_eagerly() else [check]):
            pixels = tf.reshape(pixels, (-1, *self.size, 3))
        return pixels, tf.gather(self._present, tf.where(index < 0, len(self.failed), index))

    def _gather(self, index):
        """Pixels `(B, height * width * 3)` and fingerprints `(B, 8)`, zeros where `index` is -1."""
        pixels = np.zeros((len(index), self._pixel_bytes), np.uint8)
        fingerprints = np.zeros((len(index), 8), np.uint8)
        shard, record = np.divmod(index, self._per_shard)
        for number in np.unique(shard[index >= 0]):
            rows = np.flatnonzero(shard == number)
            pixels[rows] = self._shards[number][record[rows], self._image]
            fingerprints[rows] = self._shards[number][record[rows], self._fingerprint]
        return pixels, fingerprints


def _fingerprint(keys, size):
    """A hash of all that the pixels follow from."""
    found = hashlib.blake2b(f"{FORMAT} {size} {len(keys)}".encode(), digest_size=16)
    for key in keys:
        if isinstance(key, bytes):
            found.update(hashlib.blake2b(key, digest_size=16).digest())
            continue
        try:
            status = os.stat(key)
            version = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            version = "missing"
        found.update(f"\n{key}\t{version}".encode(errors="surrogateescape"))
    return found.hexdigest()


def _read_manifest(folder):
    """The manifest; None where there is no cache."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest.keys() >= _ENTRIES and all(_SHARD.fullmatch(shard["file"]) for shard in manifest["shards"]):
            return manifest
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        pass
    raise DataError(
        f"{folder} is no image cache (it has no readable {MANIFEST} of one). Delete it, or choose another folder "
        "(cache_dir=…, --cache-dir)."
    )


def _check_shards(folder, manifest):
    for shard in manifest["shards"]:
        file = folder / shard["file"]
        size = file.stat().st_size if file.exists() else 0
        if size != shard["bytes"]:
            raise _damaged(file, f"it has {size:,} bytes instead of {shard['bytes']:,}")
        # All of it is read only where somebody wrote to it since.
        if file.stat().st_mtime_ns != shard["changed"]:
            try:
                for _ in tf.data.TFRecordDataset(str(file)):
                    pass
            except tf.errors.DataLossError as error:
                raise _damaged(file, error.message) from None


def _damaged(file, reason):
    return DataError(f"The image cache is damaged: {file}: {reason}. Delete the folder {file.parent} and load again.")


def _write(folder, keys, size, source):
    """Write a folder under another name and rename it when it is complete; returns its manifest."""
    needed = len(keys) * record_layout(size)["record_bytes"]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Before the new one is written: the disk may not have room for both.
        _remove_cache(folder)
        with temporary_folder(folder.parent) as part:
            manifest = {"source": source, **write_shards(part, keys, size)}
            write_json(part / MANIFEST, manifest)
            with folder_lock(folder.parent, wait=True):
                # Another process may have written one meanwhile.
                _remove_cache(folder)
                os.replace(part, folder)
    except (OSError, tf.errors.OpError) as error:
        raise DataError(
            f"The image cache {folder} cannot be written: {error}. It takes {needed:,} bytes. Make room, or choose "
            "another folder (cache_dir=…, --cache-dir)."
        ) from error
    return manifest


def _remove_cache(folder):
    """Delete a cache's own files and its folder; refuse where the folder holds anything else."""
    found = list(folder.iterdir()) if folder.exists() else []
    foreign = sorted(path.name for path in found if path.name != MANIFEST and not _SHARD.fullmatch(path.name))
    if foreign:
        raise DataError(
            f"The image cache {folder} is of other images and cannot be replaced, because the folder holds other "
            f"files too: {', '.join(foreign[:5])}. Move them, or choose another folder (cache_dir=…, --cache-dir)."
        )
    # The manifest last: without it, what is left of an interrupted removal is no cache.
    for path in sorted(found, key=lambda path: path.name == MANIFEST):
        path.unlink()
    if found:
        folder.rmdir()
