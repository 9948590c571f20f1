import numpy as np
import tensorflow as tf

from kerasfusion.encoders import ImageEncoder
from kerasfusion.models import get_heads


class NoFeatureMapError(ValueError):
    """There is nothing to make a map of; the message says why."""


def image_encoders(model):
    """The encoders of a model that give a grid: dict image feature -> layer.

    Raises:
        NoFeatureMapError: There is none; the message says why.
    """
    encoders = getattr(model, "encoders", {})
    found = {name: encoder for name, encoder in encoders.items() if isinstance(encoder, ImageEncoder)}
    if not found:
        inner = sorted(member.name for member in getattr(model, "members", {}).values())
        why = f"its encoders lie inside {' and '.join(inner)}: ask these" if inner else "no encoder gives one"
        raise NoFeatureMapError(f"{model.name} has no image grid to look at: {why}.")
    return found


def grad_cam(model, batch, task, classes, image=None):
    """Where in its images a model finds evidence for a class: Grad-CAM (arXiv 1610.02391).

    `relu(Σ_k α_k A_k)`, where `A_k` are the channels of the image encoder's grid and `α_k` is the mean over cells of
    the logit's gradient with respect to `A_k`. In a model whose logit is linear in the mean over cells, such as
    `tagger_residual`, that is the class activation map (CAM, arXiv 1512.04150). Other inputs take part as they are:
    with another question the same image has another map.

    Of an encoder that averages its grid over the cells (`global_pool`), the grid before that mean is taken. With
    several `image_sizes` the maps of all sizes are added.

    A map shows where the evidence lies and not what it is; a grid of few cells gives soft images.

    Args:
        model: A plain model.
        batch: dict of the model's inputs, B rows, as `BatchedDataset` gives them.
        task: Name of a task with classes: binary, classes or tags.
        classes: int `(B,)`, the class asked about in each row, or one for all. Of a binary task 0 asks for the
            evidence against.
        image: Name of the image; None is the only one.

    Returns:
        float32 `(B, H, W)` in the image's size, 0 to 1: the strongest place of each image is 1. All zeros where
        nothing in the image speaks for the class.

    Raises:
        NoFeatureMapError: The model has no image grid, or the answer does not come from it.
        ValueError: `image` does not say which.

    Example:

    ```python
    x, y, _ = next(iter(kf.data.BatchedDataset(data.splits["test"], 8).dataset()))
    maps = kf.explain.grad_cam(run.model, x, "label", y["label"])
    ```
    """
    encoders = image_encoders(model)
    if image is None and len(encoders) > 1:
        raise ValueError(f"{model.name} looks at several images, {', '.join(encoders)}: say which (image=…).")
    image = image or next(iter(encoders))
    if image not in encoders:
        raise ValueError(f"{model.name} has no grid of {image!r}; it has one of {', '.join(encoders)}.")
    encoder = encoders[image]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        # The grid hangs on the encoder's weights, also where these are frozen.
        tape.watch([weight.value for weight in encoder.weights if weight.dtype.startswith(("float", "bfloat"))])
        inputs = {name: tf.convert_to_tensor(batch[name]) for name in model.input}
        if encoder.pools_features:
            grids = encoder.grids_before_pooling(inputs[image])
            encoded = model.encode({**inputs, f"{image}_features": encoder.pool(grids)})
        else:
            encoded = model.encode(inputs)
            grids = [encoded[image]["grid"]]
        logits = model.predict_encoded(encoded, inputs)[task]
        classes = tf.broadcast_to(tf.cast(classes, tf.int32), tf.shape(logits)[:1])
        scores = get_heads(model)[task].class_scores(logits)
        asked = tf.gather(scores, classes, axis=1, batch_dims=1)
    gradients = tape.gradient(asked, grids)
    if any(gradient is None for gradient in gradients):
        raise NoFeatureMapError(
            f"{model.name} does not answer {task!r} from the grid of {image!r}, so there is no map of it."
        )
    if all(tuple(grid.shape[1:3]) == (1, 1) for grid in grids):
        raise NoFeatureMapError(f"the grid of {image!r} in {model.name} has one cell, so every place looks alike.")
    size = batch[image].shape[1:3]
    maps = sum(_map(grid, gradient, size) for grid, gradient in zip(grids, gradients, strict=True)).numpy()
    most = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, most, out=np.zeros_like(maps), where=most > 0)


def _map(grid, gradient, size):
    """A map of one grid in the image's size, float32 `(B, H, W)`."""
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    found = tf.nn.relu(tf.reduce_sum(tf.cast(weights * grid, tf.float32), axis=-1, keepdims=True))
    return tf.image.resize(found, size)[..., 0]
