"""Referring expressions: words that mean one object of a scene, and the box that it fills."""

import itertools
import math
from typing import NamedTuple

from kerasfusion.data.shapes_world.descriptions import phrase, unique_descriptions
from kerasfusion.data.shapes_world.questions import GAP, RELATIONS
from kerasfusion.data.shapes_world.scene import RADIUS

# How far a shape reaches left, up, right and down, in units of its radius (see `draw_scene`).
_REACH = {
    "circle": (0.85,) * 4,
    "square": (math.sqrt(0.5),) * 4,
    "triangle": (math.sqrt(0.75), 1.0, math.sqrt(0.75), 0.5),
    "cross": (0.92,) * 4,
}


class Expression(NamedTuple):
    """Words that mean one object of a scene.

    Args:
        text: Lower-case English: "the red circle left of the cross".
        target: Index of the object.
        type: `"attributes"`, which name it, or `"relation"`, without which they would fit other objects too.
        fits: Indices of the objects that the attributes said of it fit.
    """

    text: str
    target: int
    type: str
    fits: tuple[int, ...]


def bounding_box(item):
    """The box that an object fills.

    Args:
        item: An `Object`.

    Returns:
        tuple: left, top, right and bottom as fractions of the image.
    """
    left, up, right, down = (RADIUS[item.size] * reach for reach in _REACH[item.shape])
    return item.x - left, item.y - up, item.x + right, item.y + down


def refer(scene, rng, count=6):
    """Refers to objects of a scene, every second time by their place beside another object.

    Args:
        scene: The `Scene`.
        rng: `np.random.Generator`.
        count: Number of expressions.

    Returns:
        List of up to `count` different `Expression`s. In scenes without objects that are partly alike, fewer of them
        say a place.

    Example:
    ```python
    rng = np.random.default_rng(0)
    for text, target, kind, _ in refer(sample_scene(rng), rng):
        print(kind, text, target)
    ```
    """
    groups = [_by_attributes(scene.objects), _by_relation(scene.objects, rng)]
    orders = [[group[i] for i in rng.permutation(len(group))] for group in groups]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*reversed(orders)))
    return [found for found in mixed if found is not None][:count]


def _by_attributes(objects):
    return [
        Expression(f"the {phrase(description)}", i, "attributes", (i,))
        for i, item in enumerate(objects)
        for description in unique_descriptions(item, objects[:i] + objects[i + 1 :])
    ]


def _by_relation(objects, rng):
    """Of several things that are alike, the only one left of another thing, and none doubtful."""
    found = []
    for j, other in enumerate(objects):
        names = unique_descriptions(other, objects[:j] + objects[j + 1 :])
        shortest = [name for name in names if len(name) == len(names[0])]
        for where, (axis, sign) in RELATIONS.items():
            name = phrase(shortest[rng.integers(len(shortest))])
            offsets = [sign * (getattr(item, axis) - getattr(other, axis)) for item in objects]
            near = [i for i, offset in enumerate(offsets) if i != j and offset > -GAP]
            for i in near:
                if offsets[i] < GAP:
                    continue
                for description in unique_descriptions(objects[i], [objects[k] for k in near if k != i]):
                    fits = [k for k, item in enumerate(objects) if _fits(item, description)]
                    # The other thing is named already: it must not be the only one that could be confused.
                    if set(fits) - {i, j}:
                        text = f"the {phrase(description)} {where} the {name}"
                        found.append(Expression(text, i, "relation", tuple(fits)))
    return found


def _fits(item, description):
    return all(getattr(item, attribute) == value for attribute, value in description)
