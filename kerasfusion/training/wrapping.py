"""Which training wrappers a model is trained in: those asked for, and the one that its batches need."""

from kerasfusion.models import TrainingWrapper, captioning, contrastive, image_major
from kerasfusion.models.training_wrapper import wrappers_of
from kerasfusion.training.distributed_contrastive import AcrossReplicas
from kerasfusion.training.gradient_cache import GradientCache


def wrap_model(model, wrappers, batches, micro_batch=None, changed=False):
    """Wrap a model for training.

    Args:
        model: A model, or a training wrapper of one.
        wrappers: A function from a model to a `TrainingWrapper`, or a list of them, the innermost first.
        batches: The `BatchedDataset` to train on.
        micro_batch: Share of a batch that a contrastive model embeds at once; None, all of it.
        changed: Whether the plain model cannot be trained as it is: features stand in place of its pixels, or its
            optimizer must not come into its file.

    Returns:
        A `TrainingWrapper`; `model` itself where it needs none.

    Raises:
        ValueError: `micro_batch` for a model that is not contrastive.
    """
    for wrapper in wrappers if isinstance(wrappers, list | tuple) else [wrappers]:
        model = wrapper(model)
    if not any(wrapper.takes_batches for wrapper in wrappers_of(model)):
        types = [task.type for task in batches.examples.schema.tasks]
        choose = next((BATCH_WRAPPERS[kind] for kind in types if kind in BATCH_WRAPPERS), _image_major)
        model = choose(model, batches)
    if micro_batch is not None:
        if not any(isinstance(wrapper, AcrossReplicas) for wrapper in wrappers_of(model)):
            raise ValueError(
                "micro_batch_size is for a match, whose loss needs a whole batch: choose a smaller batch_size."
            )
        # Image-major, a batch is counted in images.
        model = GradientCache(model, max(1, round(micro_batch * batches.batch_size)))
    return TrainingWrapper(model) if changed and not isinstance(model, TrainingWrapper) else model


def _contrastive(model, batches):
    return AcrossReplicas(contrastive(model))


def _captioning(model, batches):
    # With texts beside the image, each caption has a context of its own.
    texts = batches.examples.schema.of_kind("text")
    return captioning(model) if batches.image_major and not texts else _image_major(model, batches)


def _image_major(model, batches):
    if not batches.image_major:
        return model
    (image,) = batches.examples.schema.of_kind("image")
    return image_major(model, image.name)


# By the type of a task; all others are trained by rows, image-major where images have many.
BATCH_WRAPPERS = {"retrieval": _contrastive, "captioning": _captioning}
