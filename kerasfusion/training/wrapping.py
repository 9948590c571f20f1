"""Which training wrappers a model is trained in: those asked for, and the one that its batches need."""

from kerasfusion.models import TrainingWrapper
from kerasfusion.models.training_wrapper import wrappers_of
from kerasfusion.training.distributed_contrastive import AcrossReplicas
from kerasfusion.training.gradient_cache import GradientCache
from kerasfusion.training.tasks import wrap_for_batches


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
        model = wrap_for_batches(model, batches)
    if micro_batch is not None:
        if not any(isinstance(wrapper, AcrossReplicas) for wrapper in wrappers_of(model)):
            raise ValueError(
                "micro_batch_size is for a match, whose loss needs a whole batch: choose a smaller batch_size."
            )
        # Image-major, a batch is counted in images.
        model = GradientCache(model, max(1, round(micro_batch * batches.batch_size)))
    return TrainingWrapper(model) if changed and not isinstance(model, TrainingWrapper) else model
