"""Features of frozen networks on disk, by the content of what they were computed from."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from kerasfusion.data.errors import DataError

KEY_BYTES = 16


class FeatureCache:
    """Features in float16, one row for each distinct input of one network, in files that are only added.

    Several processes may add at once: what both computed is there twice.

    Args:
        folder: Folder of this network; made when something is added.
        shape: Shape of one row.

    Raises:
        DataError: a file that is damaged.
    """

    def __init__(self, folder, shape):
        self.folder = Path(folder)
        self.shape = tuple(shape)
        self._parts = []
        self._places = {}
        for file in sorted(self.folder.glob("*.keys.npy")):
            self._open(file)

    def _open(self, file):
        rows = file.with_name(file.name.replace(".keys.npy", ".npy"))
        try:
            keys = np.load(file)
            features = np.load(rows, mmap_mode="r")
            if features.shape != (len(keys), *self.shape) or features.dtype != np.float16:
                raise ValueError(f"it holds {features.dtype} {features.shape}")
        except (OSError, EOFError, ValueError) as error:
            raise DataError(
                f"The feature cache is damaged: {rows}: {error}. Delete the folder {self.folder} and train again."
            ) from error
        part = len(self._parts)
        self._parts.append(features)
        self._places.update((key.tobytes(), (part, row)) for row, key in enumerate(keys))

    def places(self, keys):
        """Part and row of each key, int64 `(n, 2)`; -1 where there is none."""
        return np.array([self._places.get(key, (-1, -1)) for key in keys], "int64").reshape(-1, 2)

    def read(self, places):
        """Rows by part and row, as from `places`: float16 `(n, …)`, zeros for -1."""
        found = np.zeros((len(places), *self.shape), np.float16)
        for part in np.unique(places[:, 0]):
            if part >= 0:
                here = places[:, 0] == part
                found[here] = self._parts[part][places[here, 1]]
        return found

    def add(self, keys, features):
        """Write rows to a file of their own.

        Args:
            keys: list of bytes, as from `content_key`.
            features: `(n, …)`, converted to float16.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix="part-", suffix=".tmp", dir=self.folder)
            os.close(handle)
            rows = Path(temporary).with_suffix(".npy")
            file = Path(temporary).with_suffix(".keys.npy")
            np.save(rows, np.asarray(features, np.float16))
            with open(temporary, "wb") as out:
                np.save(out, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES))
            # The keys last: rows without them are not read.
            os.replace(temporary, file)
        except OSError as error:
            raise DataError(
                f"The feature cache {self.folder} cannot be written: {error}. Make room, or choose another folder "
                "(cache_dir=…, --cache-dir)."
            ) from error
        self._open(file)


def content_key(array):
    """A key for the content of an array: 16 bytes."""
    digest = hashlib.blake2b(f"{array.dtype} {array.shape}".encode(), digest_size=KEY_BYTES)
    digest.update(np.ascontiguousarray(array))
    return digest.digest()
