"""One image, many texts: run the image branch once per image instead of once per text."""

import keras
from keras import ops

from kerasfusion.models.training_wrapper import TrainingWrapper, plain_model


def image_major(model, image="image"):
    """Wrap a model for batches that keep all texts of an image together.

    Same layers, same weights: training the wrapper trains `model`. The image is encoded once and its encoder output
    repeated for its texts; everything else sees `B·K` rows.

    Args:
        model: A model of `kf.models` with the input `image`, or a training wrapper of one.
        image: Name of the image's input.

    Returns:
        ImageMajor: takes `image` uint8 `(B, H, W, 3)`, `image_present` bool `(B,)` and every other input with a
        further axis, `(B, K, …)`; gives logits `(B, K, C)`, or `(B, 1, C)` when the image is the only input.
        `compile` and `fit` take labels and weights `(B, K, …)`.

    Raises:
        ValueError: the model has no such input.

    Example:

    ```python
    wrapper = kf.models.image_major(model)
    wrapper.compile(optimizer, loss, weighted_metrics=metrics)
    wrapper.fit(image_major_batches)
    model.save("model.keras")
    ```
    """
    return ImageMajor(model, image)


class ImageMajor(TrainingWrapper):
    """What `image_major` returns."""

    takes_batches = True

    def __init__(self, model, image="image"):
        plain = plain_model(model)
        if image not in plain.input:
            raise ValueError(f"image_major: {plain.name} has no input {image!r}; it has {sorted(plain.input)}.")
        super().__init__(model, name=f"{model.name}_image_major")
        self.per_image = [image, f"{image}_features", f"{image}_present"]
        self.per_text = [name for name in plain.input if name not in self.per_image]

    def forward(self, trainer, inputs):
        once = {name: inputs[name] for name in self.per_image if name in inputs}
        encoded, count = trainer.encode(once), 1
        per_text = [name for own in self.per_text for name in (own, f"{own}_features") if name in inputs]
        if per_text:
            count = ops.shape(inputs[per_text[-1]])[1]
            if encoded:
                # Pixels that are encoded already need not be repeated.
                once = {name: value for name, value in once.items() if name == self.per_image[-1]}
            encoded, once = keras.tree.map_structure(lambda value: ops.repeat(value, count, axis=0), (encoded, once))
            once = {**once, **{name: _flatten(inputs[name]) for name in per_text}}
            encoded = trainer.encode(once, encoded)
        outputs = trainer.predict_encoded(encoded, once)
        return {task: ops.reshape(out, (-1, count, *out.shape[1:])) for task, out in outputs.items()}

    def arrange(self, y, y_pred, sample_weight):
        # Rows, so that every Keras loss and metric means the same as on the plain model.
        return super().arrange(*as_rows(y, y_pred, sample_weight))


def as_rows(y, y_pred, sample_weight):
    """`(B, K, …)` to `(B·K, …)` in all three; an image's only prediction serves all of its texts."""
    spread = {
        task: ops.repeat(p, ops.shape(y[task])[1], axis=1) if p.shape[1] == 1 else p for task, p in y_pred.items()
    }
    flat = [None if tree is None else keras.tree.map_structure(_flatten, tree) for tree in (y, spread, sample_weight)]
    return flat


def _flatten(tensor):
    return ops.reshape(tensor, (-1, *tensor.shape[2:]))
