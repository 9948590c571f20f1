import keras
from keras import ops

from kerasfusion.losses.box_maps import bumps, edge_distances


@keras.saving.register_keras_serializable("kerasfusion")
class CenterPointLoss(keras.losses.Loss):
    """Detect objects as points: a focal loss on heat maps of their centers, and the distances to their edges.

        L = 1/n [Σ_cells F(p, b) + w Σ_i Σ_cells b_i |d - d_i|₁ / Σ_cells b_i]
        F = -(1 - p)² log p where b = 1,  -(1 - b)⁴ p² log(1 - p) elsewhere

    `b_i` is a bump over the center of box `i`, 1 in its cell, `b` the largest of those of a class, and `n` the number
    of boxes (CenterNet, arXiv 1904.07850). A box is four distances `d` from the cell's center to its edges, in cells,
    learned around the center (FCOS, arXiv 1904.01355).

    Args:
        classes: int, number of heat maps.
        box_weight: float, weight `w` of the distances. Defaults to 0.5.

    Call arguments:
        y_true: float `(B, N, 5)`: left, top, right and bottom as fractions of the image, and the number of the class.
            A box without an area is padding. With one class also `(B, 4)`, one box of each image.
        y_pred: float `(B, h, w, classes + 4)`: logits of the heat maps, then distances.

    Returns:
        float scalar; `(B,)` with `reduction=None`.

    Raises:
        ValueError: if `y_pred` has another number of channels.

    Example:

    ```python
    boxes = keras.ops.array([[[0.1, 0.1, 0.4, 0.4, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]]])
    loss = kf.losses.CenterPointLoss(classes=3)(boxes, keras.random.normal((1, 8, 8, 7)))
    ```
    """

    def __init__(self, classes=1, box_weight=0.5, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.box_weight = box_weight

    def call(self, y_true, y_pred):
        height, width, channels = y_pred.shape[-3:]
        if channels != self.classes + 4:
            raise ValueError(f"CenterPointLoss: {self.classes} classes need {self.classes + 4} maps, not {channels}.")
        y_true = ops.cast(y_true, "float32")
        if len(y_true.shape) == 2:
            y_true = ops.pad(y_true[:, None, :], ((0, 0), (0, 0), (0, 1)))
        heat, distances = y_pred[..., : self.classes], y_pred[..., self.classes :]
        own = bumps(y_true[..., :4], height, width)
        kinds = ops.one_hot(ops.cast(y_true[..., 4], "int32"), self.classes, dtype=own.dtype)
        wanted = ops.max(own[..., None] * kinds[:, :, None, None, :], axis=1)
        number = ops.maximum(ops.sum(ops.cast(ops.max(own, axis=(2, 3)) > 0, "float32"), axis=1), 1.0)
        error = ops.sum(ops.abs(distances[:, None] - edge_distances(y_true[..., :4], height, width)), axis=-1)
        error = ops.sum(own * error, axis=(2, 3)) / ops.maximum(ops.sum(own, axis=(2, 3)), 1e-6)
        return (ops.sum(_focal(heat, wanted), axis=(1, 2, 3)) + self.box_weight * ops.sum(error, axis=1)) / number

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "box_weight": self.box_weight}


def _focal(logits, wanted):
    probability = ops.sigmoid(logits)
    found = -ops.square(1 - probability) * ops.log_sigmoid(logits)
    missed = -((1 - wanted) ** 4) * ops.square(probability) * ops.log_sigmoid(-logits)
    return ops.where(wanted >= 1, found, missed)
