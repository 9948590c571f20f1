"""The shapes world: images of colored shapes with captions and balanced questions, made on the spot."""

from kerasfusion.data.shapes_world.builder import HELD_OUT, ShapesWorld, ShapesWorldConfig, prepare
from kerasfusion.data.shapes_world.captions import caption, describes, parse_caption
from kerasfusion.data.shapes_world.draw import IMAGE_SIZE, draw_scene, encode_png
from kerasfusion.data.shapes_world.expressions import Expression, bounding_box, refer
from kerasfusion.data.shapes_world.locations import PLACES, place_of, placed, sample_object
from kerasfusion.data.shapes_world.questions import ANSWERS, TYPES, Question, ask
from kerasfusion.data.shapes_world.scene import COLORS, SHAPES, SIZES, Object, Scene, sample_scene

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
