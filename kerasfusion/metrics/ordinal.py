import keras
from keras import ops


def median_class(logits):
    """The median class of logits of `P(y > k)`, `(..., C - 1)`: the number of those above 0, int32 `(...)`."""
    return ops.sum(ops.cast(ops.greater(logits, 0), "int32"), axis=-1)


def _rows(y_true, y_pred, sample_weight):
    """Labels, median classes and weights, each flat."""
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
    decided = ops.reshape(median_class(y_pred), (-1,))
    if sample_weight is None:
        return labels, decided, ops.ones(ops.shape(labels), "float32")
    return labels, decided, ops.reshape(ops.cast(sample_weight, "float32"), (-1,))


@keras.saving.register_keras_serializable("kerasfusion")
class OrdinalMeanAbsoluteError(keras.metrics.Mean):
    """Mean distance, in classes, of the median class from the label.

    Args:
        name: str. Defaults to `"mae"`.

    Call arguments:
        y_true: int `(B,)`, place of the class in the order.
        y_pred: float `(B, C - 1)`, logits of `P(y > k)`.

    Example:

    ```python
    metric = OrdinalMeanAbsoluteError()
    metric.update_state([0, 2], [[1.0, -1.0], [1.0, 1.0]])  # decides for 1 and 2
    metric.result()  # 0.5
    ```
    """

    def __init__(self, name="mae", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, decided, weights = _rows(y_true, y_pred, sample_weight)
        return super().update_state(ops.cast(ops.abs(labels - decided), "float32"), weights)


@keras.saving.register_keras_serializable("kerasfusion")
class QuadraticWeightedKappa(keras.metrics.Metric):
    """Cohen's kappa with quadratic weights: agreement of ordered classes beyond chance.

    `κ = 1 - Σ_ij (i - j)² O_ij / Σ_ij (i - j)² E_ij`, where `O` counts labels and decisions and `E` is the product of
    their totals divided by the number of rows (Cohen, "Weighted kappa", Psychological Bulletin, 1968). 1 where all
    agree, 0 at chance.

    Args:
        classes: int, number of classes.
        name: str. Defaults to `"kappa"`.

    Call arguments:
        y_true: int `(B,)`, place of the class in the order.
        y_pred: float `(B, classes - 1)`, logits of `P(y > k)`; the median class is decided for.

    Example:

    ```python
    metric = QuadraticWeightedKappa(3)
    metric.update_state([0, 1, 2], [[-1.0, -2.0], [1.0, -1.0], [2.0, 1.0]])
    metric.result()  # 1.0
    ```
    """

    def __init__(self, classes, name="kappa", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.counts = self.add_weight(shape=(classes, classes), initializer="zeros", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, decided, weights = _rows(y_true, y_pred, sample_weight)
        labels = ops.one_hot(labels, self.classes) * weights[:, None]
        self.counts.assign_add(ops.matmul(ops.transpose(labels), ops.one_hot(decided, self.classes)))

    def result(self):
        places = ops.arange(self.classes, dtype="float32")
        distance = ops.square(places[:, None] - places[None, :])
        counts = ops.convert_to_tensor(self.counts)
        total = ops.maximum(ops.sum(counts), 1e-7)
        expected = ops.sum(counts, axis=1)[:, None] * ops.sum(counts, axis=0)[None, :] / total
        # Rows of one class, all decided for it, leave nothing to agree on by chance.
        chance = ops.maximum(ops.sum(distance * expected), 1e-7)
        return 1.0 - ops.sum(distance * counts) / chance

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
