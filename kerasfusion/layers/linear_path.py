import keras
from keras import ops

from kerasfusion.layers.ngrams import distinct_ngrams

TINY = 1e-12
# Standard deviations from which a statistic is cut off: one typing error must not decide a prediction.
FAR = 5.0
# The id of a category that training did not meet, in every column.
UNKNOWN = 1


@keras.saving.register_keras_serializable("kerasfusion")
class LinearPath(keras.layers.Layer):
    """Linear model of n-grams, frozen features, numbers and categories, mixed with a network's predictions.

        y = b + Σ_f (A_f t_f + B_f [h_f / |h_f|; m_f] + C_f [s_f / √d; m_f] + D_f c_f / √n)

    `t_f` are the weighted, hashed n-grams of a text, scaled to length 1; `h_f` the features that a frozen encoder
    pooled; `s_f` the `d` numbers that another encoder describes its input by, standardized and cut off at ±5; `c_f`
    the `n` categories of a row, of which an unknown one counts as 0; `m_f` is 1 where the feature is missing, and
    `t_f`, `h_f`, `s_f` and `c_f` are then 0. The weights are not trained with the network.
    `kf.training.fit_linear_path` fits them afterwards; until then the share of the linear model in the mixture is 0.

    Args:
        outputs: dict task -> int, width of the task's logits.
        texts: sequence of str, text features whose n-grams are read.
        max_n: int, tokens of the longest n-grams. Defaults to 2.
        buckets: int, rows of `A`; n-grams with equal hashes share a row. Defaults to `2**12`.
        described: sequence of str, features whose encoder's `describe` is read, such as numbers and signals.
        categories: dict feature -> sequence of int, number of ids of each of its columns.

    Call arguments:
        inputs: dict feature -> dict with some of `ids`, int32 `(B, L)`; `features`, float `(B, d)`; `statistics`,
            float `(B, d)`; and `categories`, int32 `(B, n)`.
        present: Optional dict feature -> bool `(B,)`.

    Returns:
        float32 `(B, n + k)`: the logits of all `k` tasks, one behind the other, `n` together, and the tasks' shares.

    Example:

    ```python
    layer = LinearPath({"label": 3}, described=["prices"])
    layer({
        "image": {"features": keras.random.normal((2, 1280))},
        "prices": {"statistics": keras.ops.array([[31.0], [64.0]])},
    })  # (2, 4)
    ```
    """

    def __init__(self, outputs, texts=(), max_n=2, buckets=2**12, described=(), categories=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.outputs = dict(outputs)
        self.texts = tuple(texts)
        self.max_n = max_n
        self.buckets = buckets
        self.described = tuple(described)
        self.categories = {name: tuple(int(size) for size in sizes) for name, sizes in (categories or {}).items()}

    def build(self, inputs_shape, present_shape=None):
        width = sum(self.outputs.values())
        self.term_weights, self.ngram_kernels, self.feature_kernels = {}, {}, {}
        self.centers, self.scales, self.statistic_kernels, self.category_kernels = {}, {}, {}, {}

        def weight(name, shape, initializer="zeros"):
            return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

        for name, shapes in inputs_shape.items():
            if "ids" in shapes:
                # The last row is that of n-grams that do not count.
                self.term_weights[name] = weight(f"{name}_term_weights", (self.buckets + 1,), "ones")
                self.ngram_kernels[name] = weight(f"{name}_ngrams", (self.buckets + 1, width))
            if "features" in shapes:
                self.feature_kernels[name] = weight(f"{name}_features", (shapes["features"][-1] + 1, width))
            if "statistics" in shapes:
                count = shapes["statistics"][-1]
                self.centers[name] = weight(f"{name}_centers", (count,))
                self.scales[name] = weight(f"{name}_scales", (count,), "ones")
                self.statistic_kernels[name] = weight(f"{name}_statistics", (count + 1, width))
            if "categories" in shapes:
                self.category_kernels[name] = weight(f"{name}_categories", (sum(self.categories[name]), width))
        self.bias = weight("bias", (width,))
        self.shares = weight("shares", (len(self.outputs),))

    def call(self, inputs, present=None):
        logits, shares = self.bias[None], self.shares[None]
        for name, given in inputs.items():
            there = (present or {}).get(name)
            if name in self.ngram_kernels:
                rows, weights = self.weigh_ngrams(name, given["ids"])
                logits = logits + _look_up(self.ngram_kernels[name], rows, weights, there)
            if name in self.feature_kernels:
                vectors = self.scale_features(given["features"], there)
                logits = logits + ops.matmul(vectors, self.feature_kernels[name])
            if name in self.statistic_kernels:
                vectors = self.scale_statistics(name, given["statistics"], there)
                logits = logits + ops.matmul(vectors, self.statistic_kernels[name])
            if name in self.category_kernels:
                rows, weights = self.weigh_categories(name, given["categories"])
                logits = logits + _look_up(self.category_kernels[name], rows, weights, there)
        return ops.concatenate([logits, ops.zeros_like(logits[:, :1]) + shares], axis=1)

    def weigh_ngrams(self, name, ids):
        """Return row int32 `(B, G)` and weight float32 `(B, G)` of every n-gram of a text feature."""
        rows, counted = distinct_ngrams(ids, self.max_n, self.buckets)
        weights = ops.cast(counted, "float32") * ops.take(self.term_weights[name], rows, axis=0)
        length = ops.sqrt(ops.sum(ops.square(weights), axis=1, keepdims=True))
        return rows, weights / ops.maximum(length, TINY)

    def scale_features(self, features, present=None):
        """Return float32 `(B, d + 1)`: the features at length 1, and whether they are missing."""
        features = ops.cast(features, "float32")
        length = ops.sqrt(ops.sum(ops.square(features), axis=1, keepdims=True))
        there = ops.ones_like(length) if present is None else ops.cast(present, "float32")[:, None]
        return ops.concatenate([features / ops.maximum(length, TINY) * there, 1.0 - there], axis=1)

    def weigh_categories(self, name, ids):
        """Return row int32 `(B, n)` and weight float32 `(B, n)` of every column's category."""
        sizes = self.categories[name]
        ids = ops.cast(ids, "int32")
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        known = ops.cast(ids != UNKNOWN, "float32")
        return ids + ops.convert_to_tensor(starts, dtype="int32"), known / len(sizes) ** 0.5

    def scale_statistics(self, name, statistics, present=None):
        """Return float32 `(B, d + 1)`: the statistics of mean 0 and length about 1, and whether they are missing."""
        statistics = ops.cast(statistics, "float32")
        known = ops.logical_not(ops.isnan(statistics))
        scaled = ops.clip((statistics - self.centers[name]) / self.scales[name], -FAR, FAR)
        scaled = ops.where(known, scaled, 0.0) / statistics.shape[1] ** 0.5
        there = ops.cast(ops.any(known, axis=1), "float32") if present is None else ops.cast(present, "float32")
        return ops.concatenate([scaled * there[:, None], 1.0 - there[:, None]], axis=1)

    def compute_output_shape(self, inputs_shape, present_shape=None):
        (first, *_) = next(iter(inputs_shape.values())).values()
        return (first[0], sum(self.outputs.values()) + len(self.outputs))

    def get_config(self):
        return {
            **super().get_config(),
            "outputs": self.outputs,
            "texts": self.texts,
            "max_n": self.max_n,
            "buckets": self.buckets,
            "described": self.described,
            "categories": self.categories,
        }


def _look_up(kernel, rows, weights, present):
    """The weighted sum of a kernel's rows, `(B, width)`."""
    if present is not None:
        weights = weights * ops.cast(present, "float32")[:, None]
    return ops.squeeze(ops.matmul(weights[:, None], ops.take(kernel, rows, axis=0)), 1)
