"""Models that find places in an image: any objects, or the one that a text refers to."""

import functools

import keras

from kerasfusion.encoders import IMAGE_ENCODERS
from kerasfusion.fusion import GroundingFusion
from kerasfusion.heads import DetectionHead, build_head
from kerasfusion.models.fusion import FusionModel
from kerasfusion.models.inputs import as_config, build_layer, make_encoders, make_inputs


def detector(classes, image_size, image_encoder="residual_cnn", max_boxes=10, units=64, name="detector"):
    """An anchor-free detector: an image encoder and a `kf.heads.DetectionHead` on its grid, as a `keras.Model`.

    Args:
        classes: int, number of classes.
        image_size: tuple `(height, width)` in pixels.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`. Two objects of a class
            need centers in different cells of its grid.
        max_boxes: int, boxes of an image in the head's `predictions`. Defaults to 10.
        units: int, width of the grid. Defaults to 64.
        name: Name of the model.

    Returns:
        keras.Model: dict `image` uint8 `(B, H, W, 3)` -> dict `objects` float32 `(B, h, w, classes + 4)`.

    Example:

    ```python
    model = kf.models.detector(classes=3, image_size=(64, 64))
    (head,) = kf.models.get_heads(model).values()
    model.compile("adam", loss={"objects": head.loss()})
    model.fit({"image": pixels}, {"objects": boxes})  # boxes (B, N, 5), see kf.losses.CenterPointLoss
    found = head.predictions(model.predict({"image": pixels})["objects"])
    ```
    """
    pixels = keras.Input((*image_size, 3), dtype="uint8", name="image")
    encoder = build_layer(IMAGE_ENCODERS, image_encoder, units=units, name="encode_image")
    head = DetectionHead(classes, max_boxes, name="head_objects")
    return keras.Model({"image": pixels}, {"objects": head(encoder(pixels)["grid"])}, name=name)


def grounder(schema, text_encoder="gru", image_encoder="residual_cnn", num_steps=3, units=64, dropout=0.0, name=None):
    """A model that finds the box in an image that a text refers to, as a `FusionModel`.

    Args:
        schema: A `kf.Schema` with a text, an image and tasks of type `"box"`.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`. A box starts at a cell
            of its grid.
        num_steps: int, steps of `kf.fusion.GroundingFusion`: one for each thing that a text names, and one for good
            measure. Defaults to 3.
        units: Width of every branch and of the cells.
        dropout: Dropout rate on the cells.
        name: Name of the model.

    Returns:
        FusionModel: dict of inputs (see `make_inputs`) -> dict task -> float32 `(B, h, w, 5)`.

    Raises:
        ValueError: the schema has other tasks, or not one text and one image.

    Example:

    ```python
    data = kf.data.load(table, text="expression", image="photo", label="box", problem_type="box")
    model = kf.models.grounder(data.schema)
    ```
    """
    kinds = [feature.kind for feature in schema.features]
    if sorted(kinds) != ["image", "text"] or not all(task.is_box for task in schema.tasks):
        raise ValueError(
            f"grounder finds boxes by one text in one image; the schema has {kinds} and tasks of the types "
            f"{[task.type for task in schema.tasks]}. Other models with any inputs learn a box as well (zoo)."
        )
    return FusionModel(
        make_inputs(schema),
        make_encoders(schema, text_encoder, as_config(image_encoder), units),
        lambda: GroundingFusion(units, num_steps, dropout=dropout, name="fusion"),
        {task.name: functools.partial(build_head, task) for task in schema.tasks},
        name=name,
    )
