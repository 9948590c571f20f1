"""Questions about a scene of Sort-of-CLEVR, and their answers."""

from typing import NamedTuple

import numpy as np

from kerasfusion.data.sort_of_clevr.scene import COLORS, MIDDLE

ANSWERS = ("yes", "no", "circle", "square", "1", "2", "3", "4", "5", "6")

# Type -> subtype -> question. The first needs one object alone, the second all of them.
TEMPLATES = {
    "non-relational": {
        "shape": "what shape is the {color} object?",
        "left": "is the {color} object on the left?",
        "top": "is the {color} object at the top?",
    },
    "relational": {
        "closest": "what shape is the object closest to the {color} object?",
        "furthest": "what shape is the object furthest from the {color} object?",
        "count": "how many objects have the shape of the {color} object?",
    },
}
TYPES = tuple(TEMPLATES)
SUBTYPES = tuple(subtype for subtypes in TEMPLATES.values() for subtype in subtypes)


class Question(NamedTuple):
    """A question about a scene.

    Args:
        question: The question in lower-case English.
        answer: One of `ANSWERS`.
        type: One of `TYPES`.
        subtype: One of `SUBTYPES`.
    """

    question: str
    answer: str
    type: str
    subtype: str


def ask(scene, rng, per_type=10):
    """Asks a few questions of each type about a scene.

    There are 18 of each type: three about each color. Which are asked is drawn by chance, none of them twice.

    Args:
        scene: The `Scene`.
        rng: `np.random.Generator`.
        per_type: Questions of each type, 1 to 18.

    Returns:
        List of `Question`, `per_type` of each of `TYPES` in that order.

    Raises:
        ValueError: There are not that many questions of a type.

    Example:
    ```python
    rng = np.random.default_rng(0)
    for question, answer, kind, _ in ask(sample_scenes(rng, 1)[0], rng):
        print(kind, question, answer)
    ```
    """
    questions = []
    for kind, templates in TEMPLATES.items():
        facts = [(subtype, i) for subtype in templates for i in range(len(COLORS))]
        if not 1 <= per_type <= len(facts):
            raise ValueError(f"ask: per_type must be 1 to {len(facts)}, not {per_type}.")
        for number in rng.permutation(len(facts))[:per_type]:
            subtype, i = facts[number]
            text = templates[subtype].format(color=COLORS[i])
            questions.append(Question(text, _answer(scene, subtype, i), kind, subtype))
    return questions


def _answer(scene, subtype, i):
    shapes, (column, row) = scene.shapes, scene.places[i]
    if subtype == "shape":
        return shapes[i]
    if subtype == "left":
        return "yes" if column < MIDDLE else "no"
    if subtype == "top":
        return "yes" if row < MIDDLE else "no"
    if subtype == "count":
        return str(shapes.count(shapes[i]))
    distances = ((scene.places - scene.places[i]) ** 2).sum(axis=1)
    if subtype == "furthest":
        return shapes[np.argmax(distances)]
    return shapes[np.argsort(distances)[1]]  # behind the object itself
