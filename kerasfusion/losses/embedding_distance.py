import keras
from keras import ops

DISTANCES = ("cosine", "squared")


@keras.saving.register_keras_serializable("kerasfusion")
class EmbeddingDistance(keras.losses.Loss):
    """Distance of vectors from unit-length targets: `1 - cos(y_true, y_pred)`, or `|y_true - y_pred|²`.

    Args:
        distance: `"cosine"` or `"squared"`. Defaults to `"cosine"`.

    Call arguments:
        y_true: float `(B, d)`, of unit length.
        y_pred: float `(B, d)`.

    Returns:
        float32 scalar; `(B,)` with `reduction=None`.

    Raises:
        ValueError: for an unknown distance.

    Example:

    ```python
    target = keras.ops.normalize(keras.random.normal((2, 16)), axis=-1)
    loss = kf.losses.EmbeddingDistance("cosine")(target, keras.random.normal((2, 16)))
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
