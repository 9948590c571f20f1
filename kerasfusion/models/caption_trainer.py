"""Several captions of one image: the image is encoded once, its captions are taught together."""

from kerasfusion.models.graph import Rerun
from kerasfusion.models.image_major import as_rows


def captioning(model):
    """The training twin of a captioner that reads nothing but images, for image-major batches.

    Same layers, same weights. Unlike `image_major` it repeats nothing: a decoder takes K texts of one context, so
    that also what it looks at in the image is computed once.

    Args:
        model: What `captioner` made, of a schema without texts.

    Returns:
        keras.Model: takes `image` `(B, H, W, 3)`, `caption` int32 `(B, K, T)`; gives logits `(B, K, T, V)`. `compile`
        and `fit` take labels `(B, K, T)` and weights `(B, K)`.

    Example:

    ```python
    twin = kf.models.captioning(model)
    twin.compile(optimizer, {"caption": head.loss()})
    twin.fit(image_major_batches)
    ```
    """
    return CaptionTrainer(model)


class CaptionTrainer(Rerun):
    """What `captioning` returns. It holds no weights of its own and is never saved: the plain model is."""

    def call(self, inputs, training=None):
        outputs = super().call(inputs, training=training)
        # Whatever else is predicted stands for all captions of the image: (B, 1, …).
        return {task: out if task in self.plain.input else out[:, None] for task, out in outputs.items()}

    # Losses and metrics see rows, as on the plain model.

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, *as_rows(y, y_pred, sample_weight), training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, *as_rows(y, y_pred, sample_weight))
