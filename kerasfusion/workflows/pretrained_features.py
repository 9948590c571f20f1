"""Classical baselines on pretrained encoders: frozen features, and a linear model."""

import functools
import logging

import numpy as np

from kerasfusion.encoders import EfficientNetLite0Encoder, MiniLMEncoder
from kerasfusion.evaluation.frozen_features import pooled_features
from kerasfusion.evaluation.linear_baseline import NAMES, LinearBaseline
from kerasfusion.evaluation.stored_baseline import as_bytes, as_text
from kerasfusion.pretrained import available, bert_folder, read_vocabulary

logger = logging.getLogger(__name__)

# Of more images or texts than this, over all splits, the baseline is left out: on two cores they take over a minute.
MOST_ENCODED = 4_000
# The same where a folder keeps their features for later runs.
MOST_CACHED = 20_000


class PretrainedFeatures(LinearBaseline):
    """Frozen features of all images or texts of a row, and a linear model for each task.

    Each image or text gives a vector of length 1 and one number that is 1 where it is missing, and the vector 0.

    Args:
        train: `Examples` with at least one feature of the kind.
        validation: `Examples` that choose the strength of the regularization.

    Attributes:
        kind: str, the kind of the features.
        weights: str, a key of `kf.pretrained.PACKAGES`.
        features: list of str, the features' names.
        models: See `LinearBaseline`.
    """

    kind: str
    weights: str

    def __init__(self, train, validation):
        self.features = [feature.name for feature in train.schema.of_kind(self.kind)]
        self.fit(train, validation)

    @classmethod
    def problem(cls):
        return available()[cls.weights].problem

    @classmethod
    def suits(cls, data):
        features = data.schema.of_kind(cls.kind)
        count = sum(count_distinct(feature, data.splits.values()) for feature in features)
        most = MOST_ENCODED if data.splits["train"].cache_dir is None else MOST_CACHED
        if count > most:
            logger.info(
                f"Without the baseline {cls.name!r}: {count:,} {cls.kind}s, more than {most:,} (with cache_dir, "
                f"--cache-dir: {MOST_CACHED:,})"
            )
        return 0 < count <= most

    def reads(self, examples):
        return {f.name for f in examples.schema.of_kind(self.kind)} >= set(self.features)

    def encoder(self, feature):
        """The encoder of a feature."""
        raise NotImplementedError

    def vectors(self, *splits):
        parts, rows = [], []
        for name in self.features:
            feature = splits[0].schema[name]
            found = pooled_features(self.encoder(feature), feature, list(splits))
            features, present = (np.concatenate([part[i] for part in found]) for i in range(2))
            starts = np.cumsum([0, *(len(part[0]) for part in found[:-1])])
            rows.append(np.concatenate([part[2] + start for part, start in zip(found, starts, strict=True)]))
            length = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
            parts.append(np.concatenate([features / length * present[:, None], ~present[:, None]], axis=1))
        distinct, places = np.unique(np.stack(rows, axis=1), axis=0, return_inverse=True)
        vectors = [part[distinct[:, column]] for column, part in enumerate(parts)]
        ends = np.cumsum([len(split) for split in splits])[:-1]
        return np.concatenate(vectors, axis=1, dtype="float32"), *np.split(places.reshape(-1), ends)

    def arrays(self):
        return {"features": as_bytes("\n".join(self.features))}

    def restore(self, arrays):
        self.features = as_text(arrays["features"]).split("\n")


class ImageFeatures(PretrainedFeatures):
    """EfficientNet-Lite0's features of all image features, and a linear model for each task.

    Args:
        train, validation: See `PretrainedFeatures`.

    Raises:
        ImportError: the package with the weights is not installed.

    Example:

    ```python
    baseline = kf.workflows.ImageFeatures(data.splits["train"], data.splits["validation"])
    baseline.predict(data.splits["test"])["label"]["probabilities"]  # (n, C)
    ```
    """

    name = NAMES["image_features"]
    kind = "image"
    weights = "efficientnet_lite0"

    def encoder(self, feature):
        return image_encoder()


class TextFeatures(PretrainedFeatures):
    """MiniLM's sentence embeddings of all text features, and a linear model for each task.

    The texts' token ids have to be MiniLM's already (`kf.data.load(…, tokenizer="minilm")`).

    Args:
        train, validation: See `PretrainedFeatures`.

    Raises:
        ImportError: the package with the weights is not installed.
        ValueError: the texts are tokenized otherwise.
    """

    name = NAMES["text_features"]
    kind = "text"
    weights = "minilm"

    @classmethod
    def suits(cls, data):
        return all(
            feature.tokenizer == "wordpiece" and feature.vocabulary == minilm_vocabulary()
            for feature in data.schema.of_kind("text")
        ) and super().suits(data)

    def encoder(self, feature):
        return text_encoder(feature.vocabulary_size)


@functools.lru_cache(maxsize=1)
def image_encoder():
    """EfficientNet-Lite0, read once."""
    return EfficientNetLite0Encoder(units=None, global_pool=True, name="efficientnet_lite0")


@functools.lru_cache(maxsize=1)
def text_encoder(vocabulary_size):
    """MiniLM, read once."""
    return MiniLMEncoder(vocabulary_size, units=None, global_pool=True, name="minilm")


@functools.lru_cache(maxsize=1)
def minilm_vocabulary():
    return read_vocabulary(bert_folder("minilm"))[0]


def count_distinct(feature, splits):
    """How many different images or texts of a feature some splits have."""
    return len(np.unique(np.concatenate([split.arrays[feature.name] for split in splits]), axis=0))
