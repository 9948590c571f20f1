"""The moving-shapes world: short videos of colored shapes, what happens in them and when, and queries about it."""

from kerasfusion.data.moving_shapes.draw import draw_video, encode_gif, encode_video
from kerasfusion.data.moving_shapes.queries import Query, ask, describe_event
from kerasfusion.data.moving_shapes.scene import EVENTS, LENGTH, Event, MovingScene, sample_moving_scene

__all__ = [
    "EVENTS",
    "LENGTH",
    "Event",
    "MovingScene",
    "Query",
    "ask",
    "describe_event",
    "draw_video",
    "encode_gif",
    "encode_video",
    "sample_moving_scene",
]
