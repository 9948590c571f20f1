"""Rows made ready for a model: token ids, image numbers, numbers and labels, as arrays over rows."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from kerasfusion.data.features import FEATURES
from kerasfusion.data.tasks import TASKS
from kerasfusion.schema import Schema


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Some rows of a table in the form that models take, except that images are still numbers of an `ImageStore`.

    Args:
        schema: What the arrays follow.
        frame: The raw rows, for reports, lookups and images of examples.
        arrays: Feature -> array `(n, …)`. Text: int32 `(n, L)` token ids. Numeric: float32 `(n, d)`, missing cells
            filled with the training mean. Image: int32 `(n,)`, places in its bank, -1 for a missing image.
        present: Feature -> bool `(n,)`, False where the row lacks it; of numbers, where all cells are missing.
        banks: Image feature -> `ImageStore`.
        labels: Task -> labels as the contract has them; empty where the table has no labels.
        weights: Task -> float32 `(n,)` that multiply loss and metrics, 0 where the label is missing.
        cache_dir: Folder where features of frozen networks are kept, or None.
    """

    schema: Schema
    frame: pd.DataFrame
    arrays: dict
    present: dict
    banks: dict
    labels: dict
    weights: dict
    # Feature -> kind of all arrays, also of those that the schema leaves out.
    kinds: dict = dataclasses.field(default_factory=dict)
    cache_dir: Path | None = None

    def __post_init__(self):
        kinds = {**self.kinds, **{feature.name: feature.kind for feature in self.schema.features}}
        object.__setattr__(self, "kinds", kinds)

    def __len__(self):
        return len(self.frame)

    def take(self, rows):
        """The same with these row positions alone, in this order."""
        cut = {
            name: {key: array[rows] for key, array in getattr(self, name).items()}
            for name in ("arrays", "present", "labels", "weights")
        }
        return dataclasses.replace(self, frame=self.frame.iloc[rows], **cut)

    def weighted(self, weight):
        """The same with the weights of every task multiplied by those of the rows, float32 `(n,)`."""
        weights = {task: own * weight for task, own in self.weights.items()}
        return dataclasses.replace(self, weights=weights)

    def with_features(self, schema):
        """The same for a schema with fewer features or tasks."""
        return dataclasses.replace(self, schema=schema)

    def without(self, *names):
        """The same rows with these features missing."""
        arrays, present = dict(self.arrays), dict(self.present)
        for name in names:
            feature, array = self.schema[name], arrays[name]
            missing = -1 if feature.traits.stored else FEATURES[feature.kind].missing(feature)
            arrays[name] = np.broadcast_to(np.asarray(missing, array.dtype), array.shape).copy()
            present[name] = np.zeros(len(self), bool)
        return dataclasses.replace(self, arrays=arrays, present=present)

    def without_labels(self):
        """The same rows with no label, so that nothing can learn from it by mistake."""
        return dataclasses.replace(self, labels={}, weights={})

    def fingerprint(self):
        """A hash of all that training sees, the images' paths or bytes standing for their pixels: 64 digits."""
        digest = hashlib.sha256()
        parts = []
        for kind, entry in FEATURES.items():
            names = [name for name in sorted(self.arrays) if self.kinds[name] == kind]
            for label, field in entry.hashed:
                parts += [(label, name, getattr(self, field)[name]) for name in names]
        for field in ("labels", "weights"):
            parts += [(field, name, array) for name, array in sorted(getattr(self, field).items())]
        for label, name, array in parts:
            digest.update(f"{label} {name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        for name, bank in sorted(self.banks.items()):
            digest.update(f"{name} {bank.size}".encode())
            for key in bank.keys:
                # A video is a tuple of its frames.
                for part in key if isinstance(key, tuple) else (key,):
                    digest.update(part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def raw(self, feature):
        """The strings of a text feature, "" where there is none."""
        return self.frame[feature.columns[0]].fillna("").astype(str).to_numpy(object)

    def raw_inputs(self):
        """The rows as the signature `serving_default` of an exported model takes them.

        Returns:
            dict: for an image feature `<feature>_bytes`, a list of encoded images, `b""` where it is missing; for a
            text feature a list of bytes; for a numeric feature float32 `(n, d)`.

        Example:

        ```python
        few = data.splits["test"].take(np.arange(4))
        kf.serving.export_model(model, data.schema, "saved_models/pets", few.raw_inputs())
        ```
        """
        inputs = {}
        for feature in self.schema.features:
            inputs |= FEATURES[feature.kind].raw_inputs(feature, self)
        return inputs


def encode_rows(frame, schema, places, banks, with_labels=True):
    """Encode rows by a schema that is complete.

    Args:
        frame: A clean table with the schema's columns.
        schema: A `Schema` with vocabularies, classes and statistics.
        places: Feature whose cells are files, such as an image -> int32 `(n,)` places in its bank, -1 for none.
        banks: The same features -> `ImageStore`.
        with_labels: Encode the tasks' columns as well.

    Returns:
        Examples
    """
    arrays, present, labels, weights = {}, {}, {}, {}
    for name, index in places.items():
        arrays[name] = np.asarray(index, "int32")
        present[name] = arrays[name] >= 0
    stored = {name: (places[name], banks[name]) for name in places}
    for feature in schema.features:
        if not feature.traits.stored:
            arrays[feature.name], present[feature.name] = FEATURES[feature.kind].encode(frame, feature, stored)
    if with_labels:
        for task in schema.tasks:
            found = TASKS[task.type].label_rows(task, frame, schema, arrays)
            labels[task.name], weights[task.name] = found
    return Examples(schema, frame, arrays, present, dict(banks), labels, weights)


def concatenate(parts):
    """Rows of several tables one after the other, to train on all of them.

    Args:
        parts: List of `Examples` of the same schema, with labels.

    Returns:
        Examples

    Raises:
        ValueError: They do not follow the same schema, or some have no labels.

    Example:

    ```python
    more, _ = kf.data.load_rows("more.csv", data.schema)
    train = kf.data.concatenate([data.splits["train"], more])
    ```
    """
    first = parts[0]
    if any(part.schema != first.schema for part in parts):
        raise ValueError(
            "concatenate: rows of another schema. Read further tables by kf.data.load_rows(…, data.schema)."
        )
    tasks = {task.name for task in first.schema.tasks}
    if any(set(part.labels) != tasks for part in parts):
        raise ValueError(f"concatenate: some rows were read without {' and '.join(sorted(tasks))}; label them first.")
    joined = {}
    for field in ("arrays", "present", "labels", "weights"):
        found = [getattr(part, field) for part in parts]
        joined[field] = {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}
    banks = {}
    for name, bank in first.banks.items():
        banks[name] = bank
        # Parts of one table have their images in common already.
        if any(part.banks[name] is not bank for part in parts):
            starts = np.cumsum([0, *(len(part.banks[name].keys) for part in parts[:-1])])
            places = [part.arrays[name] for part in parts]
            places = [np.where(i < 0, i, i + start) for i, start in zip(places, starts, strict=True)]
            joined["arrays"][name] = np.concatenate(places).astype("int32")
            banks[name] = bank.with_keys([key for part in parts for key in part.banks[name].keys])
    return Examples(
        first.schema,
        pd.concat([part.frame for part in parts]),
        banks=banks,
        kinds=first.kinds,
        cache_dir=first.cache_dir,
        **joined,
    )
