"""Dialogues about a moving scene with sound, whose later questions cannot be understood without the earlier ones."""

import dataclasses
import functools
import itertools
from typing import NamedTuple

from kerasfusion.data.moving_shapes.scene import MovingScene, sample_moving_scene
from kerasfusion.data.moving_shapes.sound import TONES
from kerasfusion.data.shapes_world import COLORS, SHAPES

# Two shapes hide once each, and each of them meets the third one.
_HAPPENINGS = (("hides", 0, None), ("hides", 1, None), ("meets", 0, 2), ("meets", 1, 2))
# What the turns of a dialogue can ask for, one after the other.
ORDERS = (("first", "tone", "next", "other"), ("first", "other", "tone", "next"))


class Turn(NamedTuple):
    """A question of a dialogue and its answer.

    Args:
        topic: What is asked for: `"first"`, `"other"`, `"tone"` or `"next"`.
        question: str.
        answer: str.
    """

    topic: str
    question: str
    answer: str


class Course(NamedTuple):
    """What happens in a scene and what is heard: all but the looks of its three shapes.

    Args:
        events: (kind, who, whom) of each event in the order of time.
        tones: A name in `TONES` for each event.
    """

    events: tuple
    tones: tuple

    def turns(self, colors, about, order):
        """The turns of a dialogue: "it" is the shape that was named last.

        Args:
            colors: Three different colors, of the shapes in the order of their numbers.
            about: Number of the shape, 0 or 1, that the first question asks for.
            order: Topics of the turns, one of `ORDERS`.

        Returns:
            list of `Turn`.
        """
        tone_of, named, found = dict(zip(self.events, self.tones, strict=True)), about, []
        for topic in order:
            if topic == "other":
                named = 1 - named
            hides, meets = ("hides", named, None), ("meets", named, 2)
            hides_next = self.events.index(hides) > self.events.index(meets)
            question, answer = {
                "first": (f"who hid at the {tone_of[hides]} tone?", f"the {colors[named]} one"),
                "other": ("who else hid?", f"the {colors[named]} one"),
                "tone": ("at which tone did it meet someone?", tone_of[meets]),
                "next": ("and what did it do next?", "it hid" if hides_next else "nothing"),
            }[topic]
            found.append(Turn(topic, question, answer))
        return found


@functools.cache
def courses():
    """All courses that a scene with dialogues can take, each as likely as any other: tuple of `Course`.

    The two that hide do so at different tones, so that the first question names one of them, and so do the two
    meetings, so that it matters whose tone is asked for.

    Example:

    ```python
    courses()[0].turns(("red", "blue", "gray"), about=0, order=ORDERS[0])
    ```
    """
    found = []
    for events in itertools.permutations(_HAPPENINGS):
        for tones in itertools.product(TONES, repeat=len(events)):
            heard = set(zip((kind for kind, *_ in events), tones, strict=True))
            if len(heard) == len(events):
                found.append(Course(events, tones))
    return tuple(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Dialogue:
    """A scene with sound and what is said about it.

    Args:
        scene: A `MovingScene`.
        tones: A name in `TONES` for each of its events.
        turns: List of `Turn`.
    """

    scene: MovingScene
    tones: tuple
    turns: list

    def history(self, turn):
        """The questions and answers before a turn (its number, from 0) in one string."""
        return " ".join(f"{question} {answer}." for _, question, answer in self.turns[:turn])


def sample_dialogues(rng):
    """Draw a scene by chance and two dialogues of four turns about it.

    Three shapes of different colors: two hide, and both meet the third. Each of the two that hide has a dialogue that
    starts with it. All questions but the first speak of "it", "else" or what came "next".

    Args:
        rng: `np.random.Generator`.

    Returns:
        list of two `Dialogue`s about the same scene.

    Example:

    ```python
    rng = np.random.default_rng(0)
    dialogue, _ = sample_dialogues(rng)
    frames, sound = draw_video(dialogue.scene, rng), draw_sound(dialogue.scene, dialogue.tones, rng)
    dialogue.history(2), dialogue.turns[2].question, dialogue.turns[2].answer
    ```
    """
    course = courses()[rng.integers(len(courses()))]
    colors = [str(color) for color in rng.permutation(COLORS)[:3]]
    looks = [(str(shape), color) for shape, color in zip(rng.choice(SHAPES, 3), colors, strict=True)]
    scene = sample_moving_scene(rng, looks=looks, plan=course.events)
    orders = [ORDERS[rng.integers(len(ORDERS))] for _ in range(2)]
    return [Dialogue(scene, course.tones, course.turns(colors, about, order)) for about, order in enumerate(orders)]
