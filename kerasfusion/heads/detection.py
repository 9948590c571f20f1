import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import CenterPointLoss
from kerasfusion.losses.box_maps import START, peaks


@keras.saving.register_keras_serializable("kerasfusion")
class DetectionHead(Head):
    """Detect objects without anchors: a heat map of centers per class, and a box at every cell (arXiv 1904.07850).

    Labels are float `(B, N, 5)`, see `kf.losses.CenterPointLoss`.

    Args:
        classes: int, number of classes.
        max_boxes: int, boxes of an image in `predictions`. Defaults to 10.
        hidden_dim: int, channels of the 3 x 3 convolution before the maps; 0 leaves it out. Defaults to 64.

    Call arguments:
        representation: float `(B, h, w, d)`, an image encoder's grid.

    Returns:
        float32 `(B, h, w, classes + 4)`: logits of the heat maps, then distances to the box's edges, in cells.

    Example:

    ```python
    head = DetectionHead(classes=3, max_boxes=5)
    maps = head(keras.random.normal((2, 8, 8, 16)))
    found = head.predictions(maps)  # boxes (2, 5, 4), scores (2, 5), classes (2, 5)
    ```
    """

    def __init__(self, classes, max_boxes=10, hidden_dim=64, **kwargs):
        super().__init__(classes + 4, **kwargs)
        self.classes = classes
        self.max_boxes = max_boxes
        self.hidden_dim = hidden_dim
        self.hidden = None
        if hidden_dim:
            self.hidden = keras.layers.Conv2D(
                hidden_dim, 3, padding="same", activation="relu", dtype="float32", name="hidden"
            )

    def build(self, representation_shape):
        if self.hidden is not None:
            self.hidden.build(representation_shape)
            representation_shape = (*representation_shape[:-1], self.hidden_dim)
        self.dense.build(representation_shape)

    def call(self, representation):
        return self.maps(representation if self.hidden is None else self.hidden(representation))

    def maps(self, cells):
        """The maps of cells `(B, h, w, d)`."""
        return self.dense(cells) + self.start()

    def start(self):
        """What the maps start from: few centers, and boxes of two cells."""
        return ops.concatenate([ops.full((self.classes,), START), ops.ones((4,))])

    def loss(self):
        return CenterPointLoss(self.classes, reduction=MEAN)

    def metrics_for(self):
        return []

    def average(self, logits, weights):
        return ops.sum(logits * ops.reshape(weights, (*ops.shape(weights)[:2], 1, 1, 1)), axis=0)

    def predictions(self, logits):
        boxes, scores, classes = peaks(logits, self.max_boxes)
        return {"boxes": boxes, "scores": scores, "classes": classes}

    def get_config(self):
        config = super().get_config()
        config.pop("outputs")
        own = {name: getattr(self, name) for name in ("classes", "max_boxes", "hidden_dim")}
        return {**config, **own}
