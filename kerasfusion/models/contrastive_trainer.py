"""Every image of a batch against every text: how a dual encoder is trained."""

import keras
from keras import ops

from kerasfusion.heads import ContrastiveHead
from kerasfusion.models.graph import run_nodes, split_graph
from kerasfusion.models.heads import get_heads


def contrastive(model, image="image"):
    """The training twin of a dual encoder: same layers, same weights, all pairs of a batch.

    Args:
        model: What `dual_encoder` made.
        image: Name of the image's input.

    Returns:
        keras.Model: takes the model's inputs, or image-major ones (the text's with a further axis, `(B, K, …)`);
        gives task -> scores of all images with all texts, `(B, B·K)`. `compile` it with the head's `loss()` and
        `metrics_for()`. Labels are the number of each text's image, int32 `(B, K)` or `(B,)`: texts with the same
        number are positives of the same images. Weights of 0 take a text out, and an image with no other text.

    Raises:
        ValueError: the model is no dual encoder.

    Example:

    ```python
    twin = kf.models.contrastive(model)
    head = kf.models.get_heads(model)["match"]
    twin.compile("adam", loss={"match": head.loss()}, weighted_metrics={"match": head.metrics_for()})
    twin.fit(batches)
    model.save("model.keras")
    ```
    """
    return ContrastiveTrainer(model, image)


class ContrastiveTrainer(keras.Model):
    """What `contrastive` returns. It holds no weights of its own and is never saved: the plain model is."""

    def __init__(self, model, image):
        super().__init__(name=f"{model.name}_contrastive")
        self.plain = model
        self.per_image = [image, f"{image}_present"]
        ((self.task, self.head),) = get_heads(model).items()
        if not isinstance(self.head, ContrastiveHead):
            raise ValueError(f"contrastive: {model.name} is no dual encoder: its head is {self.head.name}.")
        once, each = split_graph(model, self.per_image)
        *each, self._head_node = each
        self._nodes = once + each

    def call(self, inputs, training=None):
        # `training` reaches the layers through Keras's call context, which is set only because it is named here.
        return self.scores(self.embed(inputs))

    def embed(self, inputs):
        """`"image"` `(B, d)` and `"text"` `(B·K, d)`, rows of length 1; to be called by `call` or a twin's own."""
        values = {}
        for name, symbol in self.plain.input.items():
            extra = len(inputs[name].shape) - len(symbol.shape)
            values[id(symbol)] = ops.reshape(inputs[name], (-1, *symbol.shape[1:])) if extra else inputs[name]
        run_nodes(self._nodes, values)
        (embeddings,), _ = self._head_node.arguments.fill_in(values)
        return embeddings

    def scores(self, embeddings):
        """Task -> scores of all images with all texts, of what `embed` gave."""
        return {self.task: self.head.scores(embeddings["image"], embeddings["text"])}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, self._pairs(y, sample_weight), y_pred, None, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self._pairs(y, sample_weight), y_pred, None)

    def _pairs(self, y, sample_weight):
        """What is known about each pair, int32 `(B, B·K)`: 1 positive, 0 negative, -1 nothing."""
        numbers = y[self.task]
        weights = ops.ones_like(numbers) if sample_weight is None else sample_weight[self.task]
        numbers, weights = (ops.reshape(part, (ops.shape(part)[0], -1)) for part in (numbers, weights))
        # An image's number is that of its first real text.
        real = weights > 0
        first = ops.argmax(ops.cast(real, "int32"), axis=1)
        of_image = ops.take_along_axis(numbers, first[:, None], axis=1)  # (B, 1)
        same = ops.cast(ops.equal(of_image, ops.reshape(numbers, (1, -1))), "int32")
        counts = ops.logical_and(ops.any(real, axis=1, keepdims=True), ops.reshape(real, (1, -1)))
        return {self.task: ops.where(counts, same, -1)}
