"""Contrastive head: the cosine similarity of an image and a text."""

import math

import keras
from keras import ops

from kerasfusion.losses import InfoNCELoss, MarginContrastiveLoss, SigmoidContrastiveLoss, TripletLoss
from kerasfusion.metrics import InBatchRecall

MATCH_LOSSES = {
    "info_nce": InfoNCELoss,
    "siglip": SigmoidContrastiveLoss,
    "triplet": TripletLoss,
    "cosine_margin": MarginContrastiveLoss,
}

# Where the learned scale of the cosines starts (its inverse is the temperature), and the bias: CLIP's and
# SigmoidContrastiveLoss's.
SCALES = {"info_nce": (1 / 0.07, None), "siglip": (10.0, -10.0)}
# CLIP's bound: a temperature below 0.01 makes training unstable.
LARGEST_SCALE = 100.0


@keras.saving.register_keras_serializable("kerasfusion")
class ContrastiveHead(keras.layers.Layer):
    """Cosine similarity of image and text embeddings, and the contrastive loss that trains them.

    Args:
        loss: str or dict, `"info_nce"`, `"siglip"`, `"triplet"` or `"cosine_margin"`, or `{"name": ..., **arguments}`
            of that loss. The first two multiply the cosines by a learned scale of at most 100; `"siglip"` adds a
            learned bias. Defaults to `"info_nce"`.

    Call arguments:
        embeddings: dict `"image"` and `"text"` -> float `(B, d)` of unit length.

    Returns:
        float32 `(B, 1)`: the cosine similarity of each row's image and text.

    Raises:
        ValueError: for an unknown loss.

    Example:

    ```python
    images, texts = (keras.ops.normalize(keras.random.normal((4, 8)), axis=-1) for _ in range(2))
    head = ContrastiveHead("siglip")
    cosines = head({"image": images, "text": texts})  # (4, 1)
    loss = head.loss()(keras.ops.eye(4), head.scores(images, texts))
    ```
    """

    def __init__(self, loss="info_nce", **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.objective = {"name": loss} if isinstance(loss, str) else dict(loss)
        if self.objective["name"] not in MATCH_LOSSES:
            raise ValueError(
                f"ContrastiveHead: there is no loss {self.objective['name']!r}; "
                f"choose one of {', '.join(MATCH_LOSSES)}."
            )
        self.log_scale = self.bias = None

    def build(self, embeddings_shape):
        scale, bias = SCALES.get(self.objective["name"], (None, None))
        if scale is not None:
            start = keras.initializers.Constant(math.log(scale))
            self.log_scale = self.add_weight(shape=(), initializer=start, constraint=_bounded, name="log_scale")
        if bias is not None:
            self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(bias), name="bias")

    def compute_output_shape(self, embeddings_shape):
        return (embeddings_shape["image"][0], 1)

    def call(self, embeddings):
        image, text = (ops.cast(embeddings[name], "float32") for name in ("image", "text"))
        return ops.sum(image * text, axis=-1, keepdims=True)

    def scores(self, images, texts):
        """Scores of all pairs, as the loss takes them: float `(N, d)`, `(M, d)` -> float32 `(N, M)`."""
        scores = ops.matmul(ops.cast(images, "float32"), ops.transpose(ops.cast(texts, "float32")))
        if self.log_scale is not None:
            scores = scores * ops.exp(self.log_scale)
        return scores if self.bias is None else scores + self.bias

    def loss(self):
        """Return the loss on `scores`; its labels are `(N, M)`, see `kf.losses`."""
        arguments = {key: value for key, value in self.objective.items() if key != "name"}
        return MATCH_LOSSES[self.objective["name"]](**arguments)

    def metrics_for(self):
        """Return new metrics on `scores`."""
        return [InBatchRecall()]

    def predictions(self, cosines):
        """Convert cosines to predictions: `similarity` float32 `(B,)`."""
        return {"similarity": cosines[:, 0]}

    def get_config(self):
        return {**super().get_config(), "loss": self.objective}


def _bounded(log_scale):
    return ops.minimum(log_scale, math.log(LARGEST_SCALE))
