"""A scene of the shapes world: a few colored shapes with places, and how one is drawn by chance."""

import dataclasses
import math

import numpy as np

SHAPES = ("circle", "square", "triangle", "cross")
COLORS = ("red", "green", "blue", "yellow", "purple", "gray")
SIZES = ("small", "large")

# What an object can be told by, in the order the words are said: "small red circle".
ATTRIBUTES = {"size": SIZES, "color": COLORS, "shape": SHAPES}

# Radius of the circle an object fits into, as a share of the image's width. It does not depend on the
# shape, so that no shape is likelier than another at any place, and questions about shapes stay balanced.
RADIUS = {"small": 7 / 64, "large": 10 / 64}

MIN_OBJECTS, MAX_OBJECTS = 3, 6
SPACING = 0.5 / 64  # free room between two objects' circles


@dataclasses.dataclass(frozen=True)
class Object:
    """One colored shape.

    Args:
        shape: One of `SHAPES`.
        color: One of `COLORS`.
        size: One of `SIZES`.
        x: Center, 0 at the left edge of the image to 1 at the right one.
        y: Center, 0 at the top edge of the image to 1 at the bottom one.
    """

    shape: str
    color: str
    size: str
    x: float
    y: float

    def __post_init__(self):
        for attribute, values in ATTRIBUTES.items():
            value = getattr(self, attribute)
            if value not in values:
                raise ValueError(f"Object: {attribute} must be one of {values}, not {value!r}.")
        for axis in ("x", "y"):
            place = float(getattr(self, axis))
            if not 0 <= place <= 1:
                raise ValueError(f"Object: {axis} must be between 0 and 1, not {place}.")
            object.__setattr__(self, axis, place)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A few objects that do not overlap. Their order carries no meaning.

    Args:
        objects: The `Object`s.

    Example:
    ```python
    scene = Scene([Object("circle", "red", "small", 0.2, 0.5), Object("cross", "blue", "large", 0.7, 0.4)])
    ```
    """

    objects: tuple[Object, ...]

    def __post_init__(self):
        objects = tuple(self.objects)
        for item in objects:
            if not isinstance(item, Object):
                raise TypeError(f"Scene: objects must hold Object, not {type(item).__name__}.")
        object.__setattr__(self, "objects", objects)

    def key(self):
        """What makes two scenes the same: equal objects at equal places, to an eighth of the image.

        Coarse on purpose: the same objects a few pixels further are hardly a new scene for another split.

        Returns:
            A hashable tuple that does not depend on the order of the objects.
        """
        return tuple(sorted((o.shape, o.color, o.size, int(o.x * 8), int(o.y * 8)) for o in self.objects))

    @classmethod
    def from_example(cls, example):
        """The scene of an example of `ShapesWorld`, as `tfds.as_numpy` or eager iteration yields it.

        Args:
            example: Dict with `"scene"`: a dict of `"shape"`, `"color"`, `"size"` (class numbers) and
                `"x"`, `"y"`, each of shape `(objects,)`.

        Returns:
            The `Scene`, equal to the one the example was made from.
        """
        fields = ("shape", "color", "size", "x", "y")
        scene = example.get("scene")
        missing = list(fields) if scene is None else [name for name in fields if name not in scene]
        if missing:
            raise ValueError(f"Not a shapes_world example: 'scene' lacks {missing}.")
        columns = {name: np.asarray(scene[name]) for name in fields}
        lengths = {name: column.shape for name, column in columns.items()}
        if len(set(lengths.values())) != 1 or columns["x"].ndim != 1:
            raise ValueError(f"Shapes_world example: 'scene' needs columns of one length, not {lengths}.")
        for name in ("shape", "color", "size"):
            if not np.issubdtype(columns[name].dtype, np.integer):
                raise ValueError(f"Shapes_world example: {name} needs class numbers, not {columns[name].dtype}.")
            count = len(ATTRIBUTES[name])
            wrong = [int(number) for number in columns[name] if not 0 <= number < count]
            if wrong:
                raise ValueError(f"Shapes_world example: {name} must be 0 to {count - 1}, not {wrong[0]}.")
            columns[name] = [ATTRIBUTES[name][number] for number in columns[name]]
        return cls(tuple(Object(*row) for row in zip(*columns.values(), strict=True)))


def sample_scene(rng):
    """Draws a scene by chance: 3 to 6 objects, no two alike in shape, color and size, none overlapping.

    Every color is as likely as every other, and so are shapes, sizes, left and right, up and down. The
    questions rely on it: a balance that holds by symmetry needs no counting.

    Args:
        rng: `np.random.Generator`.

    Returns:
        A `Scene`.

    Example:
    ```python
    scene = sample_scene(np.random.default_rng(0))
    ```
    """
    looks = _sample_looks(rng)
    places = _sample_places(rng, [RADIUS[size] for _, _, size in looks])
    return Scene(tuple(Object(*look, x, y) for look, (x, y) in zip(looks, places, strict=True)))


def _sample_looks(rng):
    """Shape, color and size of each object, out of a random part of all shapes, colors and sizes.

    Few values in play make repeats likely. Else hardly any scene would have three objects of a kind, and "how
    many" would nearly always be answered by 0 or 1.
    """
    while True:
        shapes = _some(rng, SHAPES, rng.integers(2, len(SHAPES) + 1))
        colors = _some(rng, COLORS, rng.integers(2, len(COLORS) + 1))
        sizes = _some(rng, SIZES, 1 if rng.random() < 0.2 else 2)
        looks = [(shape, color, size) for shape in shapes for color in colors for size in sizes]
        count = rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1)
        if count <= len(looks):
            return _some(rng, looks, count)


def _some(rng, values, count):
    return [values[i] for i in rng.permutation(len(values))[:count]]


def _sample_places(rng, radii):
    """Centers that keep all circles apart and inside the image. Starts afresh when one finds no room."""
    margin = max(RADIUS.values())
    while True:
        places = []
        for radius in radii:
            for _ in range(20):
                # Rounded to float32, in which they are stored, so that a stored scene equals the sampled one.
                x, y = (float(np.float32(v)) for v in rng.uniform(margin, 1 - margin, 2))
                if all(
                    math.hypot(x - other[0], y - other[1]) >= radius + radii[i] + SPACING
                    for i, other in enumerate(places)
                ):
                    places.append((x, y))
                    break
            else:
                break
        if len(places) == len(radii):
            return places
