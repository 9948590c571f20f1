"""Questions about a scene whose words alone give the answer away as little as possible.

Two things keep them balanced. Scenes are symmetric (`sample_scene`), so a question that says nothing of the
attribute it asks for has every answer equally often, and a mirrored scene turns the "yes" of a relation into
a "no". Where the world is uneven, what is asked makes up for it: as many objects that are there as are not,
and the rarer counts more often (`COUNT_WEIGHTS`).
"""

import bisect
import collections
import functools
import itertools
from typing import NamedTuple

from kerasfusion.data.shapes_world.descriptions import describe, phrase, unique_descriptions
from kerasfusion.data.shapes_world.scene import ATTRIBUTES, COLORS, SHAPES, SIZES

TYPES = ("existence", "count", "attribute", "relation")

# Larger counts are too rare among 3 to 6 objects to be as frequent as the others, so they are not asked for.
COUNTS = ("0", "1", "2", "3")
ANSWERS = ("no", "yes", *COUNTS, *COLORS, *SHAPES, *SIZES)

# How far apart, as a share of the image, two centers must be for one to be left of or above the other.
# No two objects are nearer than that both ways, so any two of them have a relation.
GAP = 10 / 64

TEMPLATES = {
    # "picture" is a word of this data set: served models and recorded results have it in their vocabularies.
    "existence": ("is there a {it}?", "do you see a {it}?", "does the picture show a {it}?"),
    "count": ("how many {it} are there?", "how many {it} do you see?", "what is the number of {it}?"),
    "attribute": (
        "what {asked} is the {it}?",
        "what is the {asked} of the {it}?",
        "which {asked} does the {it} have?",
    ),
    "compare": ("is the {it} {where} the {other}?", "does the {it} lie {where} the {other}?"),
    "locate": (
        "what {asked} is the {it} {where} the {other}?",
        "what is the {asked} of the {it} {where} the {other}?",
    ),
}

# Relation -> its coordinate, and the sign of (object - reference) for which it holds. y grows downwards.
RELATIONS = {"left of": ("x", -1), "right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}

_EXISTENCE_FORMS = (("shape",), ("color",), ("size", "shape"), ("size", "color"), ("color", "shape"))

# What is counted -> how eagerly each of `COUNTS` is asked for where a scene has it. Tuned on sampled scenes
# until every count was asked equally often, and held by a test.
COUNT_WEIGHTS = {
    ("shape",): (0.75, 1.0, 1.0, 3.6),
    ("color",): (0.54, 0.69, 0.85, 4.7),
    ("size",): (3.2, 2.0, 1.1, 1.55),
    ("size", "shape"): (0.3, 0.33, 0.48, 7.0),
}


class Question(NamedTuple):
    """A question about a scene.

    Args:
        question: The question in lower-case English.
        answer: One of `ANSWERS`.
        type: One of `TYPES`.
    """

    question: str
    answer: str
    type: str


class _Candidate(NamedTuple):
    """A question that could be asked: `fact` is what it is about, and no fact is asked about twice."""

    template: str
    words: dict
    answer: str
    fact: tuple


def ask(scene, rng, per_type=3, plain=True):
    """Asks a few questions of each type about a scene.

    Args:
        scene: The `Scene`.
        rng: `np.random.Generator`.
        per_type: Questions of each type.
        plain: Whether objects are named in as few words as possible, and a relation asks for a color or a shape.
            False also asks "is there a small circle?" and "is the circle left of the cross?"; a model learns
            nothing from the latter before it finds both objects. Defaults to True.

    Returns:
        List of `Question`, `per_type` of each of `TYPES` in that order, no two about the same fact.

    Raises:
        ValueError: The scene has too few objects, or too many alike, for that many questions of a type.

    Example:
    ```python
    rng = np.random.default_rng(0)
    for question, answer, kind in ask(sample_scene(rng), rng):
        print(kind, question, answer)
    ```
    """
    if per_type < 1:
        raise ValueError(f"ask: per_type must be at least 1, not {per_type}.")
    questions = []
    for kind, groups_of in (_PLAIN if plain else _GROUPS).items():
        groups = groups_of(scene.objects, rng)
        for number in range(per_type):
            groups = [(weight, candidates) for weight, candidates in groups if candidates]
            if not groups:
                raise ValueError(
                    f"ask: a scene of {len(scene.objects)} objects has only {number} {kind} questions "
                    f"to ask, not {per_type}. Ask fewer, or give it more objects that differ."
                )
            candidates = groups[_draw([weight for weight, _ in groups], rng)][1]
            chosen = candidates[rng.integers(len(candidates))]
            templates = TEMPLATES[chosen.template]
            text = templates[rng.integers(len(templates))].format(**chosen.words)
            questions.append(Question(text, chosen.answer, kind))
            groups = [(weight, [c for c in cs if c.fact != chosen.fact]) for weight, cs in groups]
    return questions


def _draw(weights, rng):
    """An index by chance, as often as its weight says (several times faster than `rng.choice`)."""
    edges = list(itertools.accumulate(weights))
    return bisect.bisect(edges, rng.random() * edges[-1], hi=len(edges) - 1)


# Each function below gives the questions of one type as (weight, candidates) groups. A group is drawn by
# weight, then one of its candidates, all alike.


def _existence(objects, rng, forms=_EXISTENCE_FORMS):
    groups = []
    for form in forms:
        present = {describe(item, form) for item in objects}
        candidates = {"yes": [], "no": []}
        for description in _all_descriptions(form):
            answer = "yes" if description in present else "no"
            words = {"it": phrase(description)}
            candidates[answer].append(_Candidate("existence", words, answer, description))
        # Equally many of both, so that the answer is a fair coin.
        both = min(map(len, candidates.values()))
        groups.append((1, [cs[i] for cs in candidates.values() for i in rng.permutation(len(cs))[:both]]))
    return groups


def _count(objects, rng, forms=tuple(COUNT_WEIGHTS)):
    groups = []
    for form in forms:
        found = collections.Counter(describe(item, form) for item in objects)
        candidates = {answer: [] for answer in COUNTS}
        for description in _all_descriptions(form):
            answer = str(found[description])
            if answer in candidates:
                words = {"it": phrase(description, plural=True)}
                candidates[answer].append(_Candidate("count", words, answer, description))
        groups += zip(COUNT_WEIGHTS[form], candidates.values(), strict=True)
    return groups


def _attribute(objects, rng, shortest=False):
    groups = []
    for asked, values in ATTRIBUTES.items():
        candidates = []
        for i, item in enumerate(objects):
            for description in _descriptions(item, objects[:i] + objects[i + 1 :], asked, shortest):
                words = {"asked": asked, "it": phrase(description)}
                candidates.append(_Candidate("attribute", words, getattr(item, asked), (asked, i)))
        # By the number of its values, so that red is as frequent an answer as circle or small.
        groups.append((len(values), candidates))
    return groups


def _relation(objects, rng):
    compare = _compare(objects, rng)
    locate = _locate_groups(objects, rng)
    return [(sum(weight for weight, _ in locate), compare), *locate]


def _locate_groups(objects, rng, shortest=False, hide=True):
    # Sizes are not asked for: large objects keep others at a distance, which would tell them from small ones.
    groups = []
    for asked in ("color", "shape"):
        names = _names(objects, rng, asked if hide else None, shortest)
        groups.append((len(ATTRIBUTES[asked]), _locate(objects, asked, names, shortest)))
    return groups


def _compare(objects, rng):
    """Is this left of that: for each pair and axis with a clear answer, both objects first, both words."""
    names = _names(objects, rng)
    candidates = []
    for i, j in itertools.permutations(names, 2):
        for where, (axis, sign) in RELATIONS.items():
            offset = sign * (getattr(objects[i], axis) - getattr(objects[j], axis))
            if abs(offset) >= GAP:
                words = {"it": names[i], "where": where, "other": names[j]}
                answer = "yes" if offset > 0 else "no"
                candidates.append(_Candidate("compare", words, answer, (frozenset((i, j)), axis)))
    return candidates


def _locate(objects, asked, names, shortest=False):
    """What color is the circle left of that: only one circle is, and for no circle it is doubtful."""
    candidates = []
    for (j, name), (where, (axis, sign)) in itertools.product(names.items(), RELATIONS.items()):
        offsets = [sign * (getattr(item, axis) - getattr(objects[j], axis)) for item in objects]
        # Those that are on that side for sure or perhaps.
        near = [i for i, offset in enumerate(offsets) if i != j and offset > -GAP]
        for i in near:
            if offsets[i] < GAP:
                continue
            others = [objects[k] for k in near if k != i]
            for description in _descriptions(objects[i], others, asked, shortest, least=0):
                words = {"asked": asked, "it": phrase(description), "where": where, "other": name}
                candidates.append(_Candidate("locate", words, getattr(objects[i], asked), (asked, i)))
    return candidates


def _names(objects, rng, hidden=None, shortest=False):
    """Index -> one way, by chance, to name that object among all; objects without any are left out."""
    names = {}
    for i, item in enumerate(objects):
        descriptions = _descriptions(item, objects[:i] + objects[i + 1 :], hidden, shortest)
        if descriptions:
            names[i] = phrase(descriptions[rng.integers(len(descriptions))])
    return names


def _descriptions(item, others, hidden, shortest, least=1):
    """What tells an object from the others; with `shortest`, only the descriptions of fewest words."""
    found = unique_descriptions(item, others, hidden, least)
    return [description for description in found if not shortest or len(description) == len(found[0])]


def _all_descriptions(form):
    return [
        tuple(zip(form, values, strict=True))
        for values in itertools.product(*(ATTRIBUTES[attribute] for attribute in form))
    ]


_GROUPS = {"existence": _existence, "count": _count, "attribute": _attribute, "relation": _relation}


# The questions of the plain world. Few scenes have too few of them: others are drawn where nothing else is left.


def _plain_existence(objects, rng):
    return [*_existence(objects, rng, (("shape",), ("color",))), *_rarely(_existence(objects, rng))]


def _plain_relation(objects, rng):
    # Among objects that are much alike, no name may be left that does not say what is asked for.
    groups, rare = (_locate_groups(objects, rng, shortest=True, hide=hide) for hide in (True, False))
    return [*groups, *_rarely(rare)]


def _rarely(groups):
    return [(weight * 1e-9, candidates) for weight, candidates in groups]


_PLAIN = {
    "existence": _plain_existence,
    "count": functools.partial(_count, forms=(("shape",), ("color",), ("size",))),
    "attribute": functools.partial(_attribute, shortest=True),
    "relation": _plain_relation,
}
