"""The shapes world: images of colored shapes with captions and balanced questions, made on the spot."""

import importlib

from kerasfusion.data.shapes_world.captions import caption, describes, parse_caption
from kerasfusion.data.shapes_world.draw import IMAGE_SIZE, draw_scene, encode_png
from kerasfusion.data.shapes_world.expressions import Expression, bounding_box, refer
from kerasfusion.data.shapes_world.locations import PLACES, place_of, placed, sample_object
from kerasfusion.data.shapes_world.questions import ANSWERS, TYPES, Question, ask
from kerasfusion.data.shapes_world.scene import COLORS, SHAPES, SIZES, Object, Scene, sample_scene
from kerasfusion.lazy import load_if_eager

_OF_BUILDER = ("HELD_OUT", "ShapesWorld", "ShapesWorldConfig", "prepare")

__all__ = [
    "ANSWERS",
    "COLORS",
    "HELD_OUT",
    "IMAGE_SIZE",
    "PLACES",
    "SHAPES",
    "SIZES",
    "TYPES",
    "Expression",
    "Object",
    "Question",
    "Scene",
    "ShapesWorld",
    "ShapesWorldConfig",
    "ask",
    "bounding_box",
    "caption",
    "describes",
    "draw_scene",
    "encode_png",
    "parse_caption",
    "place_of",
    "placed",
    "prepare",
    "refer",
    "sample_object",
    "sample_scene",
]


def __getattr__(name):
    # Scenes are drawn without the extra [tfds], which the data set needs.
    if name in _OF_BUILDER:
        return getattr(importlib.import_module(f"{__name__}.builder"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


load_if_eager(__name__)
