import keras
from keras import ops

DISTANCES = ("cosine", "squared")


@keras.saving.register_keras_serializable("kerasfusion")
class EmbeddingDistance(keras.losses.Loss):
    """How far vectors are from labels of length 1: 1 − cos, or the squared distance.

    Args:
        distance: `"cosine"` or `"squared"`.

    Call arguments:
        y_true: float `(B, d)`, of length 1.
        y_pred: float `(B, d)`.

    Raises:
        ValueError: an unknown distance.

    Example:

    ```python
    loss = kf.losses.EmbeddingDistance("cosine")(sentence_vectors, fused)
    ```
    """

    def __init__(self, distance="cosine", name="context_distance", **kwargs):
        super().__init__(name=name, **kwargs)
        if distance not in DISTANCES:
            raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}.")
        self.distance = distance

    def call(self, y_true, y_pred):
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        if self.distance == "cosine":
            return 1 - ops.sum(y_true * ops.normalize(y_pred, axis=-1), axis=-1)
        return ops.sum(ops.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "distance": self.distance}
