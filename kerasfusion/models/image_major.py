"""One image, many texts: run the image branch once per image instead of once per text."""

import keras
from keras import ops

from kerasfusion.models.graph import run_nodes, split_graph


def image_major(model, image="image"):
    """The training twin of a model for batches that keep all texts of an image together.

    Same layers, same weights: training the twin trains `model`. What depends on the image alone is computed
    once per image and repeated for its texts; everything else sees `B·K` rows.

    Args:
        model: A functional model of `kf.models` with the input `image`.
        image: Name of the image's input.

    Returns:
        keras.Model: takes `image` uint8 `(B, H, W, 3)`, `image_present` bool `(B,)` and every other input with a
        further axis, `(B, K, …)`; gives logits `(B, K, C)`, or `(B, 1, C)` when the image is the only input.
        `compile` and `fit` take labels and weights `(B, K, …)`.

    Raises:
        ValueError: the model has no such input.

    Example:

    ```python
    twin = kf.models.image_major(model)
    twin.compile(optimizer, loss, weighted_metrics=metrics)
    twin.fit(image_major_batches)
    model.save("model.keras")
    ```
    """
    if image not in model.input:
        raise ValueError(f"image_major: {model.name} has no input {image!r}; it has {sorted(model.input)}.")
    return ImageMajor(model, image)


class ImageMajor(keras.Model):
    """What `image_major` returns. It holds no weights of its own and is never saved: the plain model is."""

    def __init__(self, model, image):
        super().__init__(name=f"{model.name}_image_major")
        self.plain = model
        self.per_image = [image, f"{image}_present"]
        self.per_text = [name for name in model.input if name not in self.per_image]
        self._nodes_once, self._nodes_each = split_graph(model, self.per_image)

    def call(self, inputs, training=None):
        # `training` reaches the layers through Keras's call context, which is set only because it is named here.
        values = {id(self.plain.input[name]): inputs[name] for name in self.per_image}
        run_nodes(self._nodes_once, values)
        count = 1
        for name in self.per_text:
            count = ops.shape(inputs[name])[1]
        values = {key: ops.repeat(value, count, axis=0) for key, value in values.items()}
        values.update((id(self.plain.input[name]), _flatten(inputs[name])) for name in self.per_text)
        run_nodes(self._nodes_each, values)
        outputs = {task: values[id(output)] for task, output in self.plain.output.items()}
        return {task: ops.reshape(out, (-1, count, *out.shape[1:])) for task, out in outputs.items()}

    # Losses and metrics see rows, so that every Keras loss and metric means the same as on the plain model.

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, *as_rows(y, y_pred, sample_weight), training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, *as_rows(y, y_pred, sample_weight))


def as_rows(y, y_pred, sample_weight):
    """`(B, K, …)` to `(B·K, …)` in all three; an image's only prediction serves all of its texts."""
    spread = {
        task: ops.repeat(p, ops.shape(y[task])[1], axis=1) if p.shape[1] == 1 else p for task, p in y_pred.items()
    }
    flat = [None if tree is None else keras.tree.map_structure(_flatten, tree) for tree in (y, spread, sample_weight)]
    return flat


def _flatten(tensor):
    return ops.reshape(tensor, (-1, *tensor.shape[2:]))
