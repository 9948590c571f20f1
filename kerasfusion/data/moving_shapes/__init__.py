"""The moving-shapes world: short videos of colored shapes and their events, with queries, sound and dialogues."""

from kerasfusion.data.moving_shapes.dialogue import ORDERS, Course, Dialogue, Turn, courses, sample_dialogues
from kerasfusion.data.moving_shapes.draw import draw_video, encode_gif, encode_video
from kerasfusion.data.moving_shapes.queries import Query, ask, describe_event
from kerasfusion.data.moving_shapes.scene import EVENTS, LENGTH, Event, MovingScene, sample_moving_scene
from kerasfusion.data.moving_shapes.sound import RATE, SAMPLES, TONES, draw_sound

__all__ = [
    "EVENTS",
    "LENGTH",
    "ORDERS",
    "RATE",
    "SAMPLES",
    "TONES",
    "Course",
    "Dialogue",
    "Event",
    "MovingScene",
    "Query",
    "Turn",
    "ask",
    "courses",
    "describe_event",
    "draw_sound",
    "draw_video",
    "encode_gif",
    "encode_video",
    "sample_dialogues",
    "sample_moving_scene",
]
