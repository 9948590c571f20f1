import keras
from keras import ops

from kerasfusion.heads.base import Head
from kerasfusion.heads.detection import DetectionHead
from kerasfusion.losses.box_maps import peaks
from kerasfusion.metrics import BoxAccuracy


@keras.saving.register_keras_serializable("kerasfusion")
class BoxHead(DetectionHead):
    """Find one box in an image: a `DetectionHead` of one class, whose highest peak is the answer.

    Labels are float `(B, 4)`: left, top, right and bottom as fractions of the image.

    Args:
        grid_size: tuple `(h, w)`, cells of the maps where the representation is a vector, which one dense layer
            turns into all of them. A representation that is a grid has its own. Defaults to `(8, 8)`.
        hidden_dim: See `DetectionHead`; not used for a vector.

    Call arguments:
        representation: float `(B, h, w, d)`, as from `kf.fusion.GroundingFusion`, or `(B, d)`, as from any fusion.

    Returns:
        float32 `(B, h, w, 5)`: logits of the heat map, then distances to the box's edges, in cells.

    Example:

    ```python
    head = BoxHead()
    found = head.predictions(head(keras.random.normal((2, 16))))
    found["value"]  # (2, 4), the box
    found["score"]  # (2,), 0 to 1
    ```
    """

    def __init__(self, grid_size=(8, 8), hidden_dim=0, **kwargs):
        super().__init__(1, 1, hidden_dim, **kwargs)
        self.grid_size = tuple(grid_size)

    def build(self, representation_shape):
        if len(representation_shape) == 2:
            self.hidden = None
            height, width = self.grid_size
            self.dense.units = height * width * self.outputs
        super().build(representation_shape)

    def maps(self, cells):
        if len(cells.shape) == 2:
            cells = ops.reshape(self.dense(cells), (-1, *self.grid_size, self.outputs))
            return cells + self.start()
        return super().maps(cells)

    def metrics_for(self):
        return [BoxAccuracy()]

    def predictions(self, logits):
        boxes, scores, _ = peaks(logits, 1)
        return {"value": boxes[:, 0], "score": scores[:, 0]}

    def get_config(self):
        own = {"grid_size": self.grid_size, "hidden_dim": self.hidden_dim}
        config = Head.get_config(self)
        config.pop("outputs")
        return {**config, **own}
