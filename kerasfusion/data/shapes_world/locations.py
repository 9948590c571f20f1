"""One object, and a sentence that says where it is: for models that draw what they read."""

from kerasfusion.data.shapes_world.descriptions import describe, phrase
from kerasfusion.data.shapes_world.scene import ATTRIBUTES, COLORS, RADIUS, SHAPES, SIZES, Object

PLACES = ("top left", "top right", "bottom left", "bottom right")
# Nothing lies closer than this to the lines between the four places, as a share of the image.
_GAP = 2 / 64


def sample_object(rng):
    """Draws an object by chance: every shape, color, size and place is as likely as every other.

    Args:
        rng: `np.random.Generator`.

    Returns:
        An `Object`.

    Example:
    ```python
    image = draw_scene(Scene((sample_object(rng),)), rng)
    ```
    """
    shape, color, size = (values[rng.integers(len(values))] for values in (SHAPES, COLORS, SIZES))
    margin = max(RADIUS.values())
    x, y = (side + rng.uniform(margin, 0.5 - _GAP) * (1 - 2 * side) for side in rng.integers(0, 2, 2))
    return Object(shape, color, size, x, y)


def place_of(item):
    """Which of `PLACES` an object lies in."""
    return PLACES[2 * (item.y > 0.5) + (item.x > 0.5)]


def placed(item, with_place=True):
    """Says an object with its place.

    Args:
        item: An `Object`.
        with_place: Whether the place is said.

    Returns:
        A string: "a small red circle at the top left".
    """
    said = f"a {phrase(describe(item, ATTRIBUTES))}"
    return f"{said} at the {place_of(item)}" if with_place else said
