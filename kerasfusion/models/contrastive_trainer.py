"""Every image of a batch against every text: how a dual encoder is trained."""

from keras import ops

from kerasfusion.models.dual import DualEncoder
from kerasfusion.models.heads import get_heads
from kerasfusion.models.training_wrapper import TrainingWrapper, plain_model


def contrastive(model):
    """Wrap a dual encoder for training: same layers, same weights, all pairs of a batch.

    Args:
        model: A `DualEncoder`.

    Returns:
        ContrastiveTrainer: takes the model's inputs, or image-major ones (the text's with a further axis,
        `(B, K, …)`); gives task -> scores of all images with all texts, `(B, B·K)`. `compile` it with the head's
        `loss()` and `metrics_for()`. Labels are the number of each text's image, int32 `(B, K)` or `(B,)`: texts with
        the same number are positives of the same images. Weights of 0 take a text out, and an image with no other
        text.

    Raises:
        ValueError: the model is no dual encoder.

    Example:

    ```python
    wrapper = kf.models.contrastive(model)
    head = kf.models.get_heads(model)["match"]
    wrapper.compile("adam", loss={"match": head.loss()}, weighted_metrics={"match": head.metrics_for()})
    wrapper.fit(batches)
    model.save("model.keras")
    ```
    """
    return ContrastiveTrainer(model)


class ContrastiveTrainer(TrainingWrapper):
    """What `contrastive` returns."""

    takes_batches = True

    def __init__(self, model):
        plain = plain_model(model)
        if not isinstance(plain, DualEncoder):
            heads = ", ".join(head.name for head in get_heads(plain).values())
            raise ValueError(f"contrastive: {plain.name} is no dual encoder: its head is {heads}.")
        super().__init__(model, name=f"{model.name}_contrastive")
        ((self.task, self.head),) = plain.heads.items()
        self.ranks = {name: len(tensor.shape) for name, tensor in plain.input.items()}
        # Cached features of a text have one axis more than its ids.
        self.ranks |= {f"{name}_features": 3 for name, kind in plain.kinds.items() if kind == "text"}

    def forward(self, trainer, inputs):
        return trainer.scores(trainer.embed(inputs))

    def embed(self, inputs):
        """`"image"` `(B, d)` and `"text"` `(B·K, d)`, rows of length 1; to be called by a wrapper's `call`."""
        rows = {
            name: ops.reshape(value, (-1, *value.shape[2:])) if len(value.shape) > self.ranks.get(name, 9) else value
            for name, value in inputs.items()
        }
        return self.plain.embed(rows)

    def scores(self, embeddings):
        """Task -> scores of all images with all texts, of what `embed` gave."""
        return {self.task: self.head.scores(embeddings["image"], embeddings["text"])}

    def arrange(self, y, y_pred, sample_weight):
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
        return {self.task: ops.where(counts, same, -1)}, y_pred, None
