"""The training layer's registry of task types: the wrapper that the batches of a task need."""

from kerasfusion.data.pipeline import shared_feature
from kerasfusion.models import captioning, contrastive, image_major
from kerasfusion.training.distributed_contrastive import AcrossReplicas


def _image_major(model, batches):
    if not batches.image_major:
        return model
    return image_major(model, shared_feature(batches.examples.schema).name)


def _captioning(model, batches):
    # With texts beside the image, each caption has a context of its own.
    texts = batches.examples.schema.of_kind("text")
    return captioning(model) if batches.image_major and not texts else _image_major(model, batches)


def _contrastive(model, batches):
    return AcrossReplicas(contrastive(model))


TASKS = {
    "binary": _image_major,
    "multiclass": _image_major,
    "multilabel": _image_major,
    "regression": _image_major,
    "ordinal": _image_major,
    "box": _image_major,
    "captioning": _captioning,
    "retrieval": _contrastive,
    "embedding_regression": _image_major,
    "segments": _image_major,
}


def wrap_for_batches(model, batches):
    """A model in the training wrapper that its batches need; the model itself where they need none.

    Args:
        model: A plain model.
        batches: The `BatchedDataset` to train on.

    Returns:
        keras.Model
    """
    types = [task.type for task in batches.examples.schema.tasks]
    # A caption may have its embedding beside it, whose batches are the caption's.
    return next((TASKS[name] for name in types if TASKS[name] is not _image_major), _image_major)(model, batches)
