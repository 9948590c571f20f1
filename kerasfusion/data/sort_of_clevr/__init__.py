"""Sort-of-CLEVR: images of six objects with relational and non-relational questions, made on the spot."""

from kerasfusion.data.sort_of_clevr.builder import SortOfClevr, SortOfClevrConfig, prepare
from kerasfusion.data.sort_of_clevr.questions import ANSWERS, SUBTYPES, TYPES, Question, ask
from kerasfusion.data.sort_of_clevr.scene import COLORS, IMAGE_SIZE, SHAPES, Scene, draw_scene, sample_scenes
from kerasfusion.data.sort_of_clevr.symmetries import mirrored

__all__ = [
    "ANSWERS",
    "COLORS",
    "IMAGE_SIZE",
    "SHAPES",
    "SUBTYPES",
    "TYPES",
    "Question",
    "Scene",
    "SortOfClevr",
    "SortOfClevrConfig",
    "ask",
    "draw_scene",
    "mirrored",
    "prepare",
    "sample_scenes",
]
