"""Rows made ready for a model: token ids, image numbers, numbers and labels, as arrays over rows."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from kerasfusion.data.image_store import ImageStore
from kerasfusion.data.labels import read_numbers
from kerasfusion.data.tasks import TASKS
from kerasfusion.preprocessing.text import text_vectorizer
from kerasfusion.schema import Schema


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Some rows of a table in the form that models take, except that images are still numbers of an `ImageStore`.

    Args:
        schema: What the arrays follow.
        frame: The raw rows, for reports, lookups and images of examples.
        text: Text feature -> int32 `(n, L)` token ids.
        numeric: Numeric feature -> float32 `(n, d)`, missing cells filled with the training mean.
        numeric_present: Numeric feature -> bool `(n,)`, False where all cells of the row are missing.
        images: Image feature -> int32 `(n,)`, places in its bank, -1 for a missing image.
        banks: Image feature -> `ImageStore`.
        labels: Task -> labels as the contract has them; empty where the table has no labels.
        weights: Task -> float32 `(n,)` that multiply loss and metrics, 0 where the label is missing.
    """

    schema: Schema
    frame: pd.DataFrame
    text: dict
    numeric: dict
    numeric_present: dict
    images: dict
    banks: dict
    labels: dict
    weights: dict

    def __len__(self):
        return len(self.frame)

    def take(self, rows):
        """The same with these row positions alone, in this order."""
        cut = {
            name: {key: array[rows] for key, array in getattr(self, name).items()}
            for name in ("text", "numeric", "numeric_present", "images", "labels", "weights")
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
        text, images, numeric, present = dict(self.text), dict(self.images), dict(self.numeric), self.numeric_present
        for name in names:
            if name in images:
                images[name] = np.full(len(self), -1, "int32")
            elif name in text:
                text[name] = np.zeros_like(text[name])
            else:
                numeric[name] = np.tile(np.asarray(self.schema[name].mean, "float32"), (len(self), 1))
                present = {**present, name: np.zeros(len(self), bool)}
        return dataclasses.replace(self, text=text, images=images, numeric=numeric, numeric_present=present)

    def without_labels(self):
        """The same rows with no label, so that nothing can learn from it by mistake."""
        return dataclasses.replace(self, labels={}, weights={})

    def fingerprint(self):
        """A hash of all that training sees, the images' paths or bytes standing for their pixels: 64 digits."""
        digest = hashlib.sha256()
        for field in ("text", "numeric", "numeric_present", "images", "labels", "weights"):
            for name, array in sorted(getattr(self, field).items()):
                digest.update(f"{field} {name} {array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        for name, bank in sorted(self.banks.items()):
            digest.update(f"{name} {bank.size}".encode())
            for key in bank.keys:
                digest.update(key if isinstance(key, bytes) else key.encode("utf-8", "surrogateescape"))
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
            name = feature.name
            if feature.kind == "image":
                bank = self.banks[name]
                inputs[f"{name}_bytes"] = [bank.encoded(i) if i >= 0 else b"" for i in self.images[name]]
            elif feature.kind == "text":
                inputs[name] = [text.encode() for text in self.raw(feature)]
            else:
                inputs[name] = self.numeric[name]
        return inputs


def encode_rows(frame, schema, image_index, banks, with_labels=True):
    """Encode rows by a schema that is complete.

    Args:
        frame: A clean table with the schema's columns.
        schema: A `Schema` with vocabularies, classes and statistics.
        image_index: Image feature -> int32 `(n,)` places in its bank, -1 for none.
        banks: Image feature -> `ImageStore`.
        with_labels: Encode the tasks' columns as well.

    Returns:
        Examples
    """
    text, numeric, numeric_present, labels, weights = {}, {}, {}, {}, {}
    for feature in schema.of_kind("text"):
        # Every distinct text is tokenised once: questions repeat by the thousand.
        codes, distinct = pd.factorize(frame[feature.columns[0]].fillna("").astype(str))
        ids = text_vectorizer(feature)(np.asarray(distinct, object)).numpy().astype("int32")
        text[feature.name] = ids[codes]
    for feature in schema.of_kind("numeric"):
        values = np.stack([read_numbers(frame, column) for column in feature.columns], axis=1)
        numeric_present[feature.name] = ~np.isnan(values).all(axis=1)
        filled = np.where(np.isnan(values), np.asarray(feature.mean)[None], values)
        numeric[feature.name] = filled.astype("float32")
    if with_labels:
        for task in schema.tasks:
            found = TASKS[task.type].label_rows(task, frame, schema, image_index, text)
            labels[task.name], weights[task.name] = found
    images = {name: np.asarray(index, "int32") for name, index in image_index.items()}
    return Examples(schema, frame, text, numeric, numeric_present, images, dict(banks), labels, weights)


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
        raise ValueError("join: rows of another schema. Read further tables by kf.data.load_rows(…, data.schema).")
    tasks = {task.name for task in first.schema.tasks}
    if any(set(part.labels) != tasks for part in parts):
        raise ValueError(f"join: some rows were read without {' and '.join(sorted(tasks))}; label them first.")
    joined = {}
    for field in ("text", "numeric", "numeric_present", "labels", "weights"):
        found = [getattr(part, field) for part in parts]
        joined[field] = {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}
    images, banks = {}, {}
    for name, bank in first.banks.items():
        images[name], banks[name] = [part.images[name] for part in parts], bank
        # Parts of one table have their images in common already.
        if any(part.banks[name] is not bank for part in parts):
            starts = np.cumsum([0, *(len(part.banks[name].keys) for part in parts[:-1])])
            images[name] = [np.where(i < 0, i, i + start) for i, start in zip(images[name], starts, strict=True)]
            banks[name] = ImageStore([key for part in parts for key in part.banks[name].keys], bank.size)
        images[name] = np.concatenate(images[name]).astype("int32")
    return Examples(first.schema, pd.concat([part.frame for part in parts]), images=images, banks=banks, **joined)
