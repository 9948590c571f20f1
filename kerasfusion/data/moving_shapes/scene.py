"""A scene of the moving-shapes world: shapes with a path each, the events among them, and how one is drawn by chance.

Every shape circles around a home of its own in one quarter of the image, and does not come near another one unless
they meet.
"""

import dataclasses
import itertools

import numpy as np

from kerasfusion.data.shapes_world import COLORS, SHAPES, Object, Scene

# What can happen: two objects touch, one stands still, one cannot be seen.
EVENTS = ("meets", "stops", "hides")
LENGTH = 24  # frames of a video
SIZE = "small"  # of all objects: large ones would leave no room to move

_HOMES = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73))
_HOME_NOISE = 0.015
_ORBIT = 0.08  # radius of the circles
_SPEED = (0.7, 1.2)  # radians per frame
_CONTACT = 0.18  # distance of two centers that meet
_APART = 0.235  # least distance of all others
_APPROACH = 2  # frames on the way to a meeting, and as many back
_SHORTEST, _LONGEST = 2, 4  # frames of an event


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happens in a few successive frames.

    Args:
        kind: One of `EVENTS`.
        who: Number of an object of the scene.
        whom: Number of the object that it meets; None for other kinds.
        start: Its first frame.
        end: The frame after its last.
    """

    kind: str
    who: int
    whom: int | None
    start: int
    end: int

    def __post_init__(self):
        if self.kind not in EVENTS:
            raise ValueError(f"Event: kind must be one of {EVENTS}, not {self.kind!r}.")
        if (self.whom is not None) != (self.kind == "meets") or self.who == self.whom:
            raise ValueError(f"Event: {self.kind!r} of object {self.who} cannot have the partner {self.whom}.")
        if not 0 <= self.start < self.end:
            raise ValueError(f"Event: it must end after its start, not last from {self.start} to {self.end}.")

    @property
    def objects(self):
        """Numbers of the objects that take part."""
        return (self.who,) if self.whom is None else (self.who, self.whom)

    def frames(self, length):
        """In which of the frames it happens: bool `(length,)`."""
        numbers = np.arange(length)
        return (self.start <= numbers) & (numbers < self.end)


@dataclasses.dataclass(frozen=True, eq=False)
class MovingScene:
    """A few objects, where each of them is in every frame, and what happens.

    Args:
        objects: The `Object`s, at the middle of their ways. No two are alike in shape and color.
        places: float `(frames, objects, 2)`, x and y of the centers, 0..1.
        events: The `Event`s in the order of time; no two overlap.

    Example:

    ```python
    scene = sample_moving_scene(np.random.default_rng(0))
    [(event.kind, event.start, event.end) for event in scene.events]
    scene.at(5)  # a `Scene` of the shapes world
    ```
    """

    objects: tuple[Object, ...]
    places: np.ndarray
    events: tuple[Event, ...]

    @property
    def length(self):
        """Number of frames."""
        return len(self.places)

    def visible(self):
        """Which objects can be seen in which frame: bool `(frames, objects)`."""
        seen = np.ones(self.places.shape[:2], bool)
        for event in self.events:
            if event.kind == "hides":
                seen[event.start : event.end, event.who] = False
        return seen

    def at(self, frame):
        """What one frame shows: a `Scene` of the shapes world."""
        shown = np.flatnonzero(self.visible()[frame])
        places = self.places[frame]
        return Scene(tuple(dataclasses.replace(self.objects[i], x=places[i, 0], y=places[i, 1]) for i in shown))


def sample_moving_scene(rng, length=LENGTH, events=4, looks=None, plan=None):
    """Draw a scene by chance: three or four objects, and events of 2 to 4 frames, one after the other.

    The time is divided into equal parts, and each has one event. The same thing never happens to the same objects
    twice, so that a query names one event.

    Args:
        rng: `np.random.Generator`.
        length: Number of frames.
        events: Number of events.
        looks: Optional list of (shape, color), one for each of three or four objects. Defaults to `None`: drawn.
        plan: Optional list of (kind, who, whom), the events in the order of time, instead of `events`. Defaults to
            `None`: drawn.

    Returns:
        A `MovingScene`.

    Raises:
        ValueError: fewer than 6 frames per event, more than 6 events, or a plan with an event twice or an object that
            is not there.

    Example:

    ```python
    scene = sample_moving_scene(np.random.default_rng(0), length=32)
    looks = [("circle", "red"), ("cross", "blue"), ("circle", "gray")]
    scene = sample_moving_scene(np.random.default_rng(0), looks=looks, plan=[("hides", 0, None), ("meets", 0, 2)])
    ```
    """
    events = events if plan is None else len(plan)
    if length < events * (_LONGEST + _APPROACH):
        raise ValueError(f"{events} events need at least {events * (_LONGEST + _APPROACH)} frames, not {length}.")
    if not 1 <= events <= 6:
        raise ValueError(f"A scene has 1 to 6 events, not {events}: three objects have no more to do.")
    if looks is not None and not 3 <= len(looks) <= len(_HOMES):
        raise ValueError(f"A scene has 3 or 4 objects, not {len(looks)}.")
    if plan is not None:
        _check_plan(plan, 3 if looks is None else len(looks))
    while True:
        count = int(rng.integers(3, 5)) if looks is None else len(looks)
        homes = np.array(_HOMES)[rng.permutation(len(_HOMES))[:count]]
        homes = homes + rng.uniform(-_HOME_NOISE, _HOME_NOISE, homes.shape)
        happening = _sample_events(rng, count, length, events, plan)
        places = _places(rng, homes, happening, length)
        objects = [
            Object(shape, color, SIZE, *home)
            for (shape, color), home in zip(looks or _sample_looks(rng, count), homes, strict=True)
        ]
        scene = MovingScene(tuple(objects), places, happening)
        if _is_unambiguous(scene):
            return scene


def _sample_looks(rng, count):
    """Distinct pairs of shape and color, out of three of each: else a shape alone would nearly always be enough."""
    shapes, colors = rng.permutation(SHAPES)[:3], rng.permutation(COLORS)[:3]
    pairs = list(itertools.product(shapes.tolist(), colors.tolist()))
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]


def _check_plan(plan, count):
    for place, (kind, *objects) in enumerate(plan):
        if max(number for number in objects if number is not None) >= count:
            raise ValueError(f"The plan's {kind!r} of {objects} names an object of a scene with {count}.")
        if any((kind, set(objects)) == (other, set(others)) for other, *others in plan[:place]):
            raise ValueError(f"The plan has {kind!r} of {objects} twice: a query must name one event.")


def _sample_events(rng, count, length, events, plan):
    part, found, known = length // events, [], set()
    while len(found) < events:
        kind, who, whom = plan[len(found)] if plan else _sample_happening(rng, count)
        happening = (kind, frozenset({who, whom}))
        if happening in known:
            continue
        known.add(happening)
        duration = int(rng.integers(_SHORTEST, _LONGEST + 1))
        # A frame before and one after it are its own part's too: time enough to come from one event to the next.
        start = len(found) * part + 1 + int(rng.integers(part - duration - 1))
        found.append(Event(kind, who, whom, start, start + duration))
    return tuple(found)


def _sample_happening(rng, count):
    kind = EVENTS[rng.integers(len(EVENTS))]
    who, whom = (int(number) for number in rng.permutation(count)[:2])
    return kind, who, whom if kind == "meets" else None


def _places(rng, homes, events, length):
    count = len(homes)
    speeds = rng.uniform(*_SPEED, count) * rng.choice([-1, 1], count)
    steps = np.tile(speeds, (length, 1))
    steps[0] = rng.uniform(0, 2 * np.pi, count)
    for event in events:
        if event.kind == "stops":
            steps[event.start + 1 : event.end, event.who] = 0
    phases = np.cumsum(steps, axis=0)[..., None]
    orbits = _ORBIT * np.concatenate([np.cos(phases), np.sin(phases)], axis=-1)
    places = homes + orbits
    for event in events:
        if event.kind == "meets":
            _bring_together(places, homes, orbits, event)
    return places


def _bring_together(places, homes, orbits, event):
    """Move two objects towards each other, keep them in contact while they go on, and back."""
    way = homes[event.whom] - homes[event.who]
    middle, half = (homes[event.who] + homes[event.whom]) / 2, _CONTACT / 2 * way / np.linalg.norm(way)
    for frame in range(max(0, event.start - _APPROACH), min(len(places), event.end + _APPROACH)):
        away = max(event.start - frame, frame - event.end + 1, 0)
        share = 1 - away / (_APPROACH + 1)
        for number, side in ((event.who, -half), (event.whom, half)):
            contact = middle + side + orbits[frame, event.who] / 2
            places[frame, number] += share * (contact - homes[number] - orbits[frame, number])


def _is_unambiguous(scene):
    """Whether objects are near each other only where they meet, and inside the image."""
    meeting = np.zeros((scene.length, len(scene.objects), len(scene.objects)), bool)
    for event in scene.events:
        if event.kind == "meets":
            pair = np.ix_(range(event.start, event.end), event.objects, event.objects)
            meeting[pair] = True
    distances = np.linalg.norm(scene.places[:, :, None] - scene.places[:, None], axis=-1)
    distances[:, np.eye(len(scene.objects), dtype=bool)] = 1
    inside = (scene.places > 0).all() and (scene.places < 1).all()
    return bool((distances[~meeting] >= _APART).all() and inside)
