"""Several captions of one image: the image is encoded once, its captions are taught together."""

from kerasfusion.models.captioner import as_captioner
from kerasfusion.models.image_major import as_rows
from kerasfusion.models.training_wrapper import TrainingWrapper, plain_model


def captioning(model):
    """Wrap a captioner that reads nothing but images, for image-major batches.

    Same layers, same weights. Unlike `image_major` it repeats nothing: a decoder takes K texts of one context, so
    that also what it looks at in the image is computed once.

    Args:
        model: A `Captioner` of a schema without texts, or a training wrapper of one.

    Returns:
        CaptionTrainer: takes `image` `(B, H, W, 3)`, `caption` int32 `(B, K, T)`; gives logits `(B, K, T, V)`.
        `compile` and `fit` take labels `(B, K, T)` and weights `(B, K)`.

    Example:

    ```python
    wrapper = kf.models.captioning(model)
    wrapper.compile(optimizer, {"caption": model.head.loss()})
    wrapper.fit(image_major_batches)
    ```
    """
    return CaptionTrainer(model)


class CaptionTrainer(TrainingWrapper):
    """What `captioning` returns."""

    takes_batches = True

    def __init__(self, model):
        task = as_captioner(plain_model(model)).task
        super().__init__(model, name=f"{model.name}_captioning")
        self.task = task

    def forward(self, trainer, inputs):
        outputs = super().forward(trainer, inputs)
        # Whatever else is predicted stands for all captions of the image: (B, 1, …).
        return {task: out if task == self.task else out[:, None] for task, out in outputs.items()}

    def arrange(self, y, y_pred, sample_weight):
        return super().arrange(*as_rows(y, y_pred, sample_weight))
