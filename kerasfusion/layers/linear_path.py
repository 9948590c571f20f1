import keras
from keras import ops

from kerasfusion.layers.ngrams import distinct_ngrams

TINY = 1e-12


@keras.saving.register_keras_serializable("kerasfusion")
class LinearPath(keras.layers.Layer):
    """Linear model of n-grams and of frozen features, whose predictions are mixed with a network's.

    `y = b + Σ_f (A_f t_f + B_f [h_f / |h_f|, m_f])`: `t_f` are the weighted, hashed n-grams of a text, scaled to
    length 1, `h_f` the features that a frozen encoder pooled, and `m_f` is 1 where the feature is missing; `t_f` and
    `h_f` are then 0. The weights are not trained with the network. `kf.training.fit_linear_path` fits them
    afterwards; until then the share of the linear model in the mixture is 0.

    Args:
        outputs: dict task -> int, width of the task's logits.
        texts: sequence of str, text features whose n-grams are read.
        max_n: int, tokens of the longest n-grams. Defaults to 2.
        buckets: int, rows of `A`; n-grams with equal hashes share a row. Defaults to `2**12`.

    Call arguments:
        inputs: dict feature -> dict with `ids`, int32 `(B, L)`, `features`, float `(B, d)`, or both.
        present: Optional dict feature -> bool `(B,)`.

    Returns:
        float32 `(B, n + k)`: the logits of all `k` tasks, one behind the other, `n` together, and the tasks' shares.

    Example:

    ```python
    layer = LinearPath({"label": 3})
    layer({"image": {"features": keras.random.normal((2, 1280))}})  # (2, 4)
    ```
    """

    def __init__(self, outputs, texts=(), max_n=2, buckets=2**12, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.outputs = dict(outputs)
        self.texts = tuple(texts)
        self.max_n = max_n
        self.buckets = buckets

    def build(self, inputs_shape, present_shape=None):
        width = sum(self.outputs.values())
        self.term_weights, self.ngram_kernels, self.feature_kernels = {}, {}, {}

        def weight(name, shape, initializer="zeros"):
            return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

        for name, shapes in inputs_shape.items():
            if "ids" in shapes:
                # The last row is that of n-grams that do not count.
                self.term_weights[name] = weight(f"{name}_term_weights", (self.buckets + 1,), "ones")
                self.ngram_kernels[name] = weight(f"{name}_ngrams", (self.buckets + 1, width))
            if "features" in shapes:
                self.feature_kernels[name] = weight(f"{name}_features", (shapes["features"][-1] + 1, width))
        self.bias = weight("bias", (width,))
        self.shares = weight("shares", (len(self.outputs),))

    def call(self, inputs, present=None):
        logits, shares = self.bias[None], self.shares[None]
        for name, given in inputs.items():
            if name in self.ngram_kernels:
                rows, weights = self.weigh_ngrams(name, given["ids"])
                if present is not None and name in present:
                    weights = weights * ops.cast(present[name], "float32")[:, None]
                found = ops.take(self.ngram_kernels[name], rows, axis=0)
                logits = logits + ops.squeeze(ops.matmul(weights[:, None], found), 1)
            if name in self.feature_kernels:
                vectors = self.scale_features(given["features"], (present or {}).get(name))
                logits = logits + ops.matmul(vectors, self.feature_kernels[name])
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
        }
