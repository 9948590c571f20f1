"""The faces world: drawn faces of made-up people, with a written description, and images that hide half a face."""

from kerasfusion.data.faces_world.describe import describe, describe_person, share_of_same_description
from kerasfusion.data.faces_world.draw import draw_face, hide_half
from kerasfusion.data.faces_world.person import AGES, EXPRESSIONS, HAIR, Look, Person, sample_look, sample_person

__all__ = [
    "AGES",
    "EXPRESSIONS",
    "HAIR",
    "Look",
    "Person",
    "describe",
    "describe_person",
    "draw_face",
    "hide_half",
    "sample_look",
    "sample_person",
    "share_of_same_description",
]
