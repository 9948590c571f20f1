"""Sentences about an event of a moving scene, and the frames that show it."""

from typing import NamedTuple

import numpy as np

from kerasfusion.data.moving_shapes.scene import Event
from kerasfusion.data.shapes_world.descriptions import phrase, unique_descriptions


class Query(NamedTuple):
    """A sentence that one event of a scene matches.

    Args:
        text: str.
        event: The `Event`.
        frames: bool `(frames,)`, the right summary: the frames in which it happens.
    """

    text: str
    event: Event
    frames: np.ndarray


def describe_event(scene, event, rng):
    """Say what happens, naming each object in words that fit no other: "the red circle meets the square".

    Args:
        scene: A `MovingScene`.
        event: One of its events.
        rng: `np.random.Generator`; which of several possible names is taken, and who meets whom.

    Returns:
        str

    Example:

    ```python
    rng = np.random.default_rng(0)
    scene = sample_moving_scene(rng)
    describe_event(scene, scene.events[0], rng)
    ```
    """
    numbers = list(event.objects)
    if rng.random() < 0.5:
        numbers.reverse()
    who, *whom = (f"the {_name(scene, number, rng)}" for number in numbers)
    return " ".join([who, event.kind, *whom])


def ask(scene, rng):
    """One query for each event of a scene.

    Args:
        scene: A `MovingScene`.
        rng: `np.random.Generator`.

    Returns:
        list of `Query`.

    Example:

    ```python
    rng = np.random.default_rng(0)
    [query.text for query in ask(sample_moving_scene(rng), rng)]
    ```
    """
    return [Query(describe_event(scene, event, rng), event, event.frames(scene.length)) for event in scene.events]


def _name(scene, number, rng):
    others = [item for i, item in enumerate(scene.objects) if i != number]
    found = unique_descriptions(scene.objects[number], others)
    # All objects are of one size.
    found = [description for description in found if "size" not in dict(description)]
    return phrase(found[rng.integers(len(found))])
