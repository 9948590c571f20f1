"""What a dual encoder makes of the rows: every text and every distinct image through its branch once."""

import numpy as np
from keras import ops

from kerasfusion.data.feature_store import FeatureStore
from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.models import get_tower

BATCH_SIZE = 256


def embed_texts(model, examples):
    """Embed the text of every row.

    Args:
        model: What `kf.models.dual_encoder` made.
        examples: `Examples`, perhaps from `frozen_features`.

    Returns:
        float32 `(n, d)`, rows of length 1.
    """
    return _embed(model, examples, "text")[0]


def embed_images(model, examples):
    """Embed every distinct image of the rows, however many texts it has.

    Args:
        model: What `kf.models.dual_encoder` made.
        examples: `Examples`, perhaps from `frozen_features`.

    Returns:
        tuple: int32 `(m,)`, their places in the bank, rising; float32 `(m, d)`, rows of length 1. Images that
        cannot be read are left out.
    """
    (feature,) = examples.schema.of_kind("image")
    index = examples.arrays[feature.name]
    rows = np.flatnonzero(index >= 0)
    images, first = np.unique(index[rows], return_index=True)
    embeddings, there = _embed(model, examples.take(rows[first]), "image")
    return images[there], embeddings[there]


def _embed(model, examples, kind):
    """Embeddings, and which rows have something to embed."""
    (feature,) = examples.schema.of_kind(kind)
    branch = get_tower(model, feature)
    embed = branch.predict_on_batch
    if isinstance(examples.banks.get(feature.name), FeatureStore):

        def embed(x):
            return ops.convert_to_numpy(model.embed(x)[kind])

    parts, there = [np.zeros((0, branch.output_shape[-1]), "float32")], [np.zeros(0, bool)]
    if len(examples):
        batches = BatchedDataset(examples.with_features(examples.schema.only(kind)), BATCH_SIZE).dataset()
        for x in batches.map(lambda x, *_: x).as_numpy_iterator():
            parts.append(embed(x))
            there.append(x[f"{feature.name}_present"])
    return np.concatenate(parts), np.concatenate(there)
