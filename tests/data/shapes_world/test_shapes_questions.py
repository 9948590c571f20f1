import collections
import itertools
import math
import re

import numpy as np
import pytest

from kerasfusion.data.shapes_world.questions import ANSWERS, GAP, TYPES, ask
from kerasfusion.data.shapes_world.scene import COLORS, SHAPES, SIZES, Object, Scene, sample_scene

HAND_MADE = Scene(
    [
        Object("circle", "red", "small", 0.2, 0.2),
        Object("square", "blue", "large", 0.7, 0.25),
        Object("cross", "red", "large", 0.3, 0.7),
        Object("triangle", "gray", "small", 0.9, 0.8),
    ]
)


def sampled(seed, scenes, plain):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(scenes):
        scene = sample_scene(rng)
        pairs.append((scene, ask(scene, rng, plain=plain)))
    return pairs


@pytest.fixture(scope="module", params=[True, False], ids=["shapes", "relations"])
def plain(request):
    return request.param


@pytest.fixture(scope="module")
def train(plain):
    return sampled(1, 1200 if plain else 600, plain)


@pytest.fixture(scope="module")
def test(plain):
    return sampled(2, 300, plain)


@pytest.fixture(scope="module")
def all_hand_made():
    """Question -> answer, over as many draws as it takes to see nearly all there are."""
    answers = {}
    for seed in range(800):
        for question, answer, _ in ask(HAND_MADE, np.random.default_rng(seed), per_type=8, plain=False):
            assert answers.setdefault(question, answer) == answer
    return answers


# An evaluator of its own: it reads the words of a question and looks at the objects.

SINGULAR = {
    "circles": "circle",
    "squares": "square",
    "triangles": "triangle",
    "crosses": "cross",
    "things": "thing",
}


def words_fit(words, item):
    return all(SINGULAR.get(word, word) in ("thing", item.shape, item.color, item.size) for word in words.split())


def side(item, reference, where):
    """How far `item` is on that side of `reference`."""
    return {
        "left of": reference.x - item.x,
        "right of": item.x - reference.x,
        "above": reference.y - item.y,
        "below": item.y - reference.y,
    }[where]


def evaluate(question, scene):
    """The answer, or None where no clear one exists."""
    relation = r"(left of|right of|above|below)"
    if match := re.fullmatch(r"(?:is there|do you see|does the picture show) a (.*)\?", question):
        return "yes" if any(words_fit(match[1], item) for item in scene.objects) else "no"
    if match := re.fullmatch(r"(?:how many|what is the number of) (.*?)(?: are there| do you see)?\?", question):
        return str(sum(words_fit(match[1], item) for item in scene.objects))
    if match := re.fullmatch(rf"(?:is|does) the (.*?) (?:lie )?{relation} the (.*)\?", question):
        first, second = (only(words, scene.objects) for words in (match[1], match[3]))
        distance = side(first, second, match[2])
        return None if abs(distance) < GAP else "yes" if distance > 0 else "no"
    if match := re.fullmatch(
        rf"(?:what|which)(?: is the)? (color|shape|size) (?:is|of|does) the (.*?)"
        rf"(?: {relation} the (.*?))?(?: have)?\?",
        question,
    ):
        asked, words, where, reference = match.groups()
        objects = scene.objects
        if where:
            reference = only(reference, objects)
            objects = [o for o in objects if o is not reference and side(o, reference, where) > -GAP]
            if side(only(words, objects), reference, where) < GAP:
                return None
        return getattr(only(words, objects), asked)
    raise AssertionError(f"No such question: {question}")


def only(words, objects):
    (item,) = (item for item in objects if words_fit(words, item))
    return item


@pytest.mark.parametrize(
    "question, answer",
    [
        ("is there a red circle?", "yes"),
        ("is there a green circle?", "no"),
        ("do you see a small square?", "no"),
        ("does the picture show a large red thing?", "yes"),
        ("is there a purple thing?", "no"),
        ("how many red things are there?", "2"),
        ("how many green things do you see?", "0"),
        ("how many large things are there?", "2"),
        ("what is the number of crosses?", "1"),
        ("how many small squares are there?", "0"),
        ("what color is the square?", "blue"),
        ("what is the color of the large cross?", "red"),
        ("what shape is the gray thing?", "triangle"),
        ("which shape does the small red thing have?", "circle"),
        ("what size is the blue thing?", "large"),
        ("which size does the triangle have?", "small"),
        ("what color is the thing right of the square?", "gray"),
        ("what shape is the red thing left of the gray thing?", None),  # there are two
        ("what shape is the small red thing left of the gray thing?", "circle"),
        # Is the cross above it? It is hardly higher.
        ("what is the shape of the large thing above the small gray thing?", None),
    ],
)
def test_hand_made_scene(all_hand_made, question, answer):
    assert all_hand_made.get(question) == answer


@pytest.mark.parametrize(
    "first, where, second, answers",
    [
        ("circle", "left of", "square", {"yes"}),
        ("circle", "right of", "square", {"no"}),
        ("square", "left of", "circle", {"no"}),
        ("square", "right of", "circle", {"yes"}),
        ("cross", "below", "square", {"yes"}),
        ("cross", "above", "square", {"no"}),
        ("circle", "above", "square", set()),  # not clearly higher or lower
        ("circle", "left of", "cross", set()),
    ],
)
def test_hand_made_relations(all_hand_made, first, where, second, answers):
    form = rf"(is|does) the (\w+ )*{first} (lie )?{where} the (\w+ )*{second}\?"
    assert {answer for question, answer in all_hand_made.items() if re.fullmatch(form, question)} == answers


@pytest.mark.parametrize(
    "question",
    [
        "what color is the large thing?",
        "what shape is the red thing?",
        "what color is the thing left of the cross?",
        "what color is the thing left of the square?",
    ],
)
def test_doubtful_questions_are_not_asked(all_hand_made, question):
    assert question not in all_hand_made


def test_counts_above_three_are_not_asked():
    scene = Scene([Object("circle", color, "small", 0.2 * i, 0.2 * i) for i, color in enumerate(COLORS[:5])])
    texts = {q.question for seed in range(50) for q in ask(scene, np.random.default_rng(seed), per_type=2)}
    assert "how many squares are there?" in texts
    assert "how many circles are there?" not in texts


def test_every_answer_agrees_with_another_evaluator(train):
    for scene, questions in train:
        for question, answer, _ in questions:
            assert evaluate(question, scene) == answer, (question, scene)


def test_three_different_questions_of_each_type(train):
    for _, questions in train:
        assert [q.type for q in questions] == [kind for kind in TYPES for _ in range(3)]
        assert len({q.question for q in questions}) == 12
        assert all(q.answer in ANSWERS and q.question == q.question.lower() for q in questions)


def says(*values):
    return lambda q: any(SINGULAR.get(word, word) in values for word in q.question.strip("?").split())


@pytest.mark.parametrize(
    "name, keep, answers",
    [
        ("existence", lambda q: q.type == "existence", ["yes", "no"]),
        (
            "existence of a shape",
            lambda q: q.type == "existence" and not says(*COLORS, *SIZES)(q),
            ["yes", "no"],
        ),
        (
            "existence of a color",
            lambda q: q.type == "existence" and not says(*SHAPES, *SIZES)(q),
            ["yes", "no"],
        ),
        (
            "existence of both",
            lambda q: q.type == "existence" and says(*SHAPES)(q) and says(*COLORS)(q),
            ["yes", "no"],
        ),
        ("count", lambda q: q.type == "count", ["0", "1", "2", "3"]),
        ("count of a color", lambda q: q.type == "count" and says(*COLORS)(q), ["0", "1", "2", "3"]),
        (
            "count of a shape",
            lambda q: q.type == "count" and not says("thing", *SIZES)(q),
            ["0", "1", "2", "3"],
        ),
        (
            "count of a size",
            lambda q: q.type == "count" and not says(*COLORS, *SHAPES)(q),
            ["0", "1", "2", "3"],
        ),
        ("color", lambda q: q.type == "attribute" and says("color")(q), COLORS),
        ("shape", lambda q: q.type == "attribute" and says("shape")(q), SHAPES),
        ("size", lambda q: q.type == "attribute" and says("size")(q), SIZES),
        ("relation, color", lambda q: q.type == "relation" and says("color")(q), COLORS),
        ("relation, shape", lambda q: q.type == "relation" and says("shape")(q), SHAPES),
    ],
)
def test_answers_are_balanced(train, plain, name, keep, answers):
    found = collections.Counter(q.answer for _, questions in train for q in questions if keep(q))
    if plain and name == "existence of both":
        assert found.total() < 30
        return
    assert set(found) == set(answers)
    share = 1 / len(answers)
    # Four standard deviations of a fair die.
    spread = 4 * math.sqrt(share * (1 - share) / found.total())
    for count in found.values():
        assert count / found.total() == pytest.approx(share, abs=spread)


def test_three_of_five_relations_compare_two_objects_where_asked_for(train, plain):
    found = collections.Counter(q.answer for _, questions in train for q in questions if q.type == "relation")
    yes, no = found["yes"], found["no"]
    if plain:
        assert yes == no == 0
        return
    # Four standard deviations of a fair coin.
    assert yes / (yes + no) == pytest.approx(0.5, abs=2 / (yes + no) ** 0.5)
    assert (yes + no) / found.total() == pytest.approx(0.62, abs=0.05)


def test_plain_questions_say_little(train, plain):
    asked = [q for _, questions in train for q in questions]
    one_word = {
        kind: sum(sum(says(word)(q) for word in (*COLORS, *SHAPES, *SIZES)) == 1 for q in asked if q.type == kind)
        for kind in ("existence", "count", "attribute")
    }
    # Both shapes and colors may all be there, so that nothing plain is left to ask.
    shares = {kind: count / (len(asked) / 4) for kind, count in one_word.items()}
    if plain:
        assert 0.98 < shares["existence"] < 1 == shares["count"] and shares["attribute"] > 0.6
    else:
        assert shares["existence"] < 0.5 > shares["attribute"] and shares["count"] < 0.9


def test_a_plain_relation_hides_what_is_asked_for_unless_nothing_else_is_left():
    rng = np.random.default_rng(0)
    relations = [q for _ in range(300) for q in ask(sample_scene(rng), rng) if q.type == "relation"]
    told = [q for q in relations if says(*(COLORS if "color" in q.question else SHAPES))(q)]
    assert 0 < len(told) / len(relations) < 0.1
    # Without its color, no name fits one of them alone, nor without its shape.
    places = [(0.2, 0.2), (0.4, 0.8), (0.6, 0.4), (0.8, 0.6)]
    looks = itertools.product(("circle", "cross"), ("red", "blue"))
    alike = Scene([Object(*look, "small", *place) for look, place in zip(looks, places, strict=True)])
    asked = [q for q in ask(alike, np.random.default_rng(0)) if q.type == "relation"]
    assert [evaluate(q.question, alike) for q in asked] == [q.answer for q in asked]
    assert all(says("red", "blue")(q) and says("circle", "cross")(q) for q in asked) and len(asked) == 3


def test_no_word_tells_yes_from_no(train, plain):
    answers = collections.defaultdict(collections.Counter)
    for _, questions in train:
        for question, answer, kind in questions:
            if answer in ("yes", "no"):
                for word in set(question.strip("?").split()):
                    answers[kind, word][answer] += 1
    assert len(answers) > (15 if plain else 25)
    for counts in answers.values():
        # Five standard deviations of a fair coin.
        assert counts["yes"] / counts.total() == pytest.approx(0.5, abs=2.5 / counts.total() ** 0.5)


def test_the_text_alone_answers_few(train, test):
    by_text, by_type = (
        collections.defaultdict(collections.Counter),
        collections.defaultdict(collections.Counter),
    )
    for _, questions in train:
        for question, answer, kind in questions:
            by_text[question][answer] += 1
            by_type[kind][answer] += 1
    hits = collections.defaultdict(list)
    for _, questions in test:
        for question, answer, kind in questions:
            best = (by_text.get(question) or by_type[kind]).most_common(1)[0][0]
            hits[kind].append(best == answer)
    accuracy = {kind: np.mean(values) for kind, values in hits.items()}
    assert np.mean(list(accuracy.values())) < 0.38
    assert accuracy["existence"] < 0.55
    assert accuracy["count"] < 0.30
    assert accuracy["attribute"] < 0.32
    assert accuracy["relation"] < 0.42


def test_the_seed_decides():
    assert ask(HAND_MADE, np.random.default_rng(3)) == ask(HAND_MADE, np.random.default_rng(3))
    assert ask(HAND_MADE, np.random.default_rng(3)) != ask(HAND_MADE, np.random.default_rng(4))


def test_too_few_objects_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="a scene of 0 objects has only 0 existence questions to ask, not 3"):
        ask(Scene([]), rng)
    with pytest.raises(ValueError, match="a scene of 1 objects has only 0 relation questions to ask, not 1"):
        ask(Scene(HAND_MADE.objects[:1]), rng, per_type=1)
    with pytest.raises(ValueError, match="per_type must be at least 1, not 0"):
        ask(HAND_MADE, rng, per_type=0)
