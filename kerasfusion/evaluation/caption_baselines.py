"""Captions without a decoder: the commonest one, and that of the image that looks most alike."""

import collections

import numpy as np
import tensorflow as tf

from kerasfusion.data.tf_options import PREFETCHED, without_autotune
from kerasfusion.evaluation.caption_scores import normalized

BATCH_SIZE = 64
# Images compared at once: 256 beside a million are 1 GB of float32.
QUERIES = 256


def majority_caption(captions):
    """The most frequent of the training captions, the first of several that are.

    Args:
        captions: Sequence of str.

    Returns:
        str: its words.
    """
    return collections.Counter(normalized(captions)).most_common(1)[0][0]


def nearest_captions(features, train_features, train_captions):
    """For each image the caption of the training image that is most like it.

    Args:
        features: float `(n, d)`, features of the images.
        train_features: float `(m, d)`, those of the training images.
        train_captions: Sequence of str `(m,)`, a caption of each.

    Returns:
        list of str `(n,)`. Alike is the cosine; of equally near ones the first is taken.

    Example:

    ```python
    nearest_captions(np.eye(2), np.array([[1.0, 0.2], [0.1, 1.0]]), ["a cat", "a dog"])  # ["a cat", "a dog"]
    ```
    """
    features, train_features = _unit(features), _unit(train_features)
    parts = [features[start : start + QUERIES] for start in range(0, len(features), QUERIES)]
    return [train_captions[place] for part in parts for place in (part @ train_features.T).argmax(axis=1)]


def image_features(model, examples, rows):
    """What a model's own image encoder makes of images.

    Args:
        model: A model with an encoder of the image, such as `kf.models.captioner` makes.
        examples: `Examples` with one image feature.
        rows: int `(n,)`, the rows whose images are wanted.

    Returns:
        float32 `(n, d)`, the mean over the cells of its grid.
    """
    (image,) = examples.schema.of_kind("image")
    encoder, bank = model.encoders[image.name], examples.banks[image.name]

    # Not the pooled vector: a decoder looks at the cells, and what it does not look at was never trained.
    @tf.function(reduce_retracing=True)
    def mean(pixels):
        return tf.reduce_mean(encoder(pixels, training=False)["sequence"], axis=1)

    batches = tf.data.Dataset.from_tensor_slices(examples.arrays[image.name][rows]).batch(BATCH_SIZE)
    images = without_autotune(batches.map(bank.fetch).prefetch(PREFETCHED))
    return np.concatenate([mean(pixels).numpy() for pixels, _ in images])


def _unit(vectors):
    vectors = np.asarray(vectors, "float32")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
