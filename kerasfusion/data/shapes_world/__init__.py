"""The shapes world: pictures of colored shapes with balanced questions, made on the spot."""

from kerasfusion.data.shapes_world.builder import ShapesWorld, ShapesWorldConfig, prepare
from kerasfusion.data.shapes_world.draw import PICTURE_SIZE, draw_scene, encode_png
from kerasfusion.data.shapes_world.questions import ANSWERS, TYPES, Question, ask
from kerasfusion.data.shapes_world.scene import COLORS, SHAPES, SIZES, Object, Scene, sample_scene

__all__ = [
    "ANSWERS",
    "COLORS",
    "PICTURE_SIZE",
    "SHAPES",
    "SIZES",
    "TYPES",
    "Object",
    "Question",
    "Scene",
    "ShapesWorld",
    "ShapesWorldConfig",
    "ask",
    "draw_scene",
    "encode_png",
    "prepare",
    "sample_scene",
]
