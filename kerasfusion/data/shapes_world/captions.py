"""Captions that say all of a scene, and what a caption says."""

import re

from kerasfusion.data.shapes_world.descriptions import describe, phrase
from kerasfusion.data.shapes_world.scene import ATTRIBUTES

_OBJECT = "a " + " ".join(f"({'|'.join(values)})" for values in ATTRIBUTES.values())
_CAPTION = f"{_OBJECT}(?: (?:and )?{_OBJECT})*"


def caption(scene):
    """Describes a scene: every object with size, color and shape.

    Objects come in the order of `ATTRIBUTES`: small ones before large ones, among these red ones first, and so on. No
    two objects of a scene are alike, so there is one right order, whereas two may well lie equally far left.

    Args:
        scene: The `Scene`.

    Returns:
        A string: "a small red circle, a small blue cross and a large red circle".

    Example:
    ```python
    caption(sample_scene(np.random.default_rng(0)))
    ```
    """
    ranks = {name: values.index for name, values in ATTRIBUTES.items()}
    ordered = sorted(scene.objects, key=lambda item: [rank(getattr(item, name)) for name, rank in ranks.items()])
    *first, last = (f"a {phrase(describe(item, ATTRIBUTES))}" for item in ordered)
    return f"{', '.join(first)} and {last}" if first else last


def parse_caption(caption):
    """The objects that a caption names.

    Args:
        caption: A sentence, as `caption` makes it or a model writes it: case and punctuation do not matter.

    Returns:
        List of `(size, color, shape)` in the order of the words; None where the sentence is no such caption.

    Example:

    >>> parse_caption("a small red circle and a large blue cross")
    [('small', 'red', 'circle'), ('large', 'blue', 'cross')]
    """
    words = " ".join(re.findall(r"\w+", caption.lower()))
    return re.findall(_OBJECT, words) if re.fullmatch(_CAPTION, words) else None


def describes(caption, scene):
    """Whether a caption names the objects of a scene, all of them and no others, in any order.

    Args:
        caption: A sentence.
        scene: The `Scene`.

    Returns:
        bool
    """
    said = parse_caption(caption)
    return said is not None and sorted(said) == sorted((o.size, o.color, o.shape) for o in scene.objects)
