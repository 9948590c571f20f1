"""Rules: read, brought into clauses, checked against classes and each other, obeyed by decoding."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest

from kerasfusion.reasoning import Rule, Rules, constrained_decode, read_rules, rules_from_hierarchy, rules_from_table
from kerasfusion.reasoning.clauses import parse, to_clauses
from kerasfusion.reasoning.solver import conflicts, exactly_one_of
from kerasfusion.schema import Schema, Task

pytest.importorskip("pysat")

SCHEMA = Schema(
    (),
    (
        Task("color", "multiclass", "color", classes=("red", "green", "blue")),
        Task("lit", "binary", "lit", classes=("off", "on")),
        Task("tags", "multilabel", "tags", classes=("dog", "poodle", "big thing", "cat")),
        Task("age", "regression", "age"),
    ),
)

# A rule in words, and what it means for a row of labels (color by number).
MEANT = {
    "red implies on": lambda color, lit, dog, poodle, big, cat: color != 0 or lit,
    "poodle implies dog": lambda color, lit, dog, poodle, big, cat: not poodle or dog,
    "exactly one of (dog, cat)": lambda color, lit, dog, poodle, big, cat: dog + cat == 1,
    'at most one of (poodle, "big thing", cat, color=green)': (
        lambda color, lit, dog, poodle, big, cat: poodle + big + cat + (color == 1) <= 1
    ),
    'not (off and "tags=big thing") or red and cat': (
        lambda color, lit, dog, poodle, big, cat: not (not lit and big) or (color == 0 and cat)
    ),
    'dog implies poodle implies "big thing"': (
        lambda color, lit, dog, poodle, big, cat: not dog or (not poodle or big)
    ),
    "blue or on and dog": lambda color, lit, dog, poodle, big, cat: color == 2 or (lit and dog),
    "not not lit=on": lambda color, lit, dog, poodle, big, cat: lit,
}
ROWS = np.array(list(itertools.product(range(3), *[range(2)] * 5)))
EVERY_ROW = {
    "color": ROWS[:, 0].astype("int32"),
    "lit": ROWS[:, 1].astype("float32"),
    "tags": ROWS[:, 2:].astype("float32"),
}


@pytest.mark.parametrize("text", MEANT)
def test_a_rule_is_broken_where_it_does_not_hold(text):
    broken = Rules(SCHEMA, [text]).violations(EVERY_ROW)
    assert broken.shape == (96, 1)
    np.testing.assert_array_equal(broken[:, 0], [not MEANT[text](*row) for row in ROWS.tolist()])


def test_clauses_are_the_ones_a_person_would_write():
    number_of = {"a": 1, "b": 2, "c": 3}.get
    assert to_clauses(parse("a implies b and c", number_of)) == [{-1, 2}, {-1, 3}]
    assert to_clauses(parse("exactly  one of (a, b, c)", number_of)) == [{1, 2, 3}, {-1, -2}, {-1, -3}, {-2, -3}]
    assert to_clauses(parse("(a or b) implies not c", number_of)) == [{-1, -3}, {-2, -3}]


def test_decisions_and_truth_values_are_the_same_thing():
    rules = Rules(SCHEMA, ["red implies on"])
    assert rules.predicates == [
        "color=red", "color=green", "color=blue", "lit=on", "tags=dog", "tags=poodle", "tags=big thing", "tags=cat",
    ]  # fmt: skip
    truth = rules.assignment(EVERY_ROW)
    assert truth.shape == (96, 8) and truth[:, :3].sum() == 96
    back = rules.to_decisions(truth)
    for task, labels in EVERY_ROW.items():
        np.testing.assert_array_equal(back[task], labels)
        assert back[task].dtype == labels.dtype


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "xyz implies on",
            r"Rule xyz implies on: there is no predicate 'xyz'; predicates are color=red, color=green",
        ),
        ("red implies dgo", r"there is no predicate 'dgo'; did you mean 'dog'\?"),
        ("tags=red", r"there is no predicate 'tags=red'"),
        ("red and", "expected a name, found the end"),
        ("red big", "unexpected 'big'; put names with spaces in double quotes"),
        ("(red or on", r"expected '\)', found the end"),
        ("exactly one of red, blue", r"expected '\(', found 'red'"),
        ("red and or on", "expected a name, found 'or'"),
        ('"red', "missing closing double quote"),
        ("red or not red", "it always holds, so it has no effect"),
        (" or ".join(["(red and dog)"] * 14), "more than 10,000 clauses"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Rules(SCHEMA, [text])


def test_a_class_of_two_tasks_must_say_which():
    schema = Schema(
        (), (Task("left", "multiclass", "l", classes=("a", "b")), Task("right", "multilabel", "r", classes=("a",)))
    )
    with pytest.raises(ValueError, match="'a' is a class of several tasks; use one of 'left=a', 'right=a'"):
        Rules(schema, ["a implies b"])
    assert Rules(schema, ["left=a implies right=a"]).clauses == [[{-1, 3}]]


def test_no_rules_is_no_rules():
    with pytest.raises(ValueError, match="There are no rules"):
        Rules(SCHEMA, [])


def test_contradictory_rules_are_named_and_no_others():
    rules = [
        "poodle implies dog",
        "red implies on",
        "dog",
        "dog implies cat",
        Rule("not cat", "house.txt, line 4"),
        "on or blue",
    ]
    with pytest.raises(ValueError, match="contradict") as error:
        Rules(SCHEMA, rules)
    assert str(error.value).splitlines()[1:4] == ["  dog", "  dog implies cat", "  not cat (house.txt, line 4)"]


def test_classes_of_one_task_exclude_each_other():
    with pytest.raises(ValueError, match="contradict") as error:
        Rules(SCHEMA, ["dog", "dog implies red", "dog implies blue"])
    assert "  exactly one class of 'color' (implied)" in str(error.value)


def test_a_predicate_that_can_never_hold_is_named_unless_it_is_meant():
    rules = ["poodle implies dog", "poodle implies not dog", "red implies on"]
    with pytest.raises(ValueError, match="'tags=poodle' can never hold") as error:
        Rules(SCHEMA, rules)
    assert "  poodle implies dog\n  poodle implies not dog\n" in str(error.value)
    assert "red implies on" not in str(error.value)
    assert len(Rules(SCHEMA, [*rules, "not poodle"]).rules) == 4


def test_every_rule_of_a_core_is_needed():
    # The conflict can be had without the long way round, and then names only the short one.
    chain = ["red implies on", "on implies dog", "dog implies cat", "red implies cat", "cat implies not red"]
    with pytest.raises(ValueError, match="'color=red' can never hold") as error:
        Rules(SCHEMA, chain)
    core = [line.strip() for line in str(error.value).splitlines() if line.startswith("  ")]
    assert len(core) in (2, 4) and "cat implies not red" in core
    for left_out in core:
        Rules(SCHEMA, [rule for rule in core if rule != left_out])


def predictions(rows, seed):
    random = np.random.default_rng(seed)
    color = random.dirichlet([0.6] * 3, rows)
    lit, tags = random.beta(0.5, 0.5, rows), random.beta(0.5, 0.5, (rows, 4))
    return {
        name: {"probabilities": p}
        for name, p in (("color", color), ("lit", np.stack([1 - lit, lit], 1)), ("tags", tags))
    }


def log_likelihood(found, color, lit, tags):
    """Of decisions for all rows, by the definition."""
    rows = np.arange(len(found["color"]["probabilities"]))
    p = found["tags"]["probabilities"]
    total = np.log(found["color"]["probabilities"][rows, color]) + np.log(
        found["lit"]["probabilities"][rows, lit.astype(int)]
    )
    return total + np.where(tags > 0, np.log(p), np.log(1 - p)).sum(axis=1)


SETS = [
    ["red implies on", "poodle implies dog", "exactly one of (dog, cat)"],
    ['at most one of (poodle, "big thing", cat, color=green)', "blue or on and dog", "poodle implies dog"],
    ['not (off and "tags=big thing") or red and cat', 'dog implies poodle implies "big thing"', "red implies on"],
]


@pytest.mark.parametrize("texts", SETS)
def test_decoding_finds_what_enumeration_finds(texts):
    rules, found = Rules(SCHEMA, texts), predictions(40, seed=1)
    decided = constrained_decode(rules, found)
    assert not rules.violations(decided).any()
    obeys = np.array([all(MEANT[text](*row) for text in texts) for row in ROWS.tolist()])
    best = np.full(40, -np.inf)
    for color, lit, *tags in ROWS[obeys]:
        best = np.maximum(best, log_likelihood(found, np.full(40, color), np.full(40, lit), np.tile(tags, (40, 1))))
    np.testing.assert_allclose(log_likelihood(found, **decided), best, atol=1e-5)
    # Otherwise nothing was to be found.
    plain = {"color": found["color"]["probabilities"].argmax(1), "lit": found["lit"]["probabilities"].argmax(1)}
    plain["tags"] = found["tags"]["probabilities"] > 0.5
    assert rules.violations(plain).any(axis=1).sum() > 10


@pytest.mark.parametrize("count", range(1, 7))
def test_exactly_one_of_by_enumeration(count):
    numbers = list(range(1, count + 1))
    clauses, taken = exactly_one_of(numbers, 10)
    assert taken == max([10, *(abs(n) for clause in clauses for n in clause)])
    rows = list(itertools.product((False, True), repeat=count))
    cases = [tuple(n if holds else -n for n, holds in zip(numbers, row, strict=True)) for row in rows]
    found = [core is None for core in conflicts([clauses], cases)]
    assert found == [sum(row) == 1 for row in rows]


def test_many_classes_take_few_clauses_and_are_decoded_exactly():
    colors = ("red", "green", "blue")
    part = Task("part", "multiclass", "part", classes=tuple(f"p{i}" for i in range(600)))
    color = Task("color", "multiclass", "color", classes=colors)
    rules = Rules(Schema((), (part, color)), [f"p{i} implies {colors[i % 3]}" for i in range(600)])
    assert sum(map(len, rules.implied_clauses.values())) < 3 * 603
    random = np.random.default_rng(0)
    parts, tints = random.dirichlet([0.05] * 600, 5), random.dirichlet([0.5] * 3, 5)
    decided = constrained_decode(rules, {"part": {"probabilities": parts}, "color": {"probabilities": tints}})
    joint = np.log(np.clip(parts, 1e-7, 1)) + np.log(tints)[:, np.arange(600) % 3]
    assert not rules.violations(decided).any()
    np.testing.assert_allclose(joint[np.arange(5), decided["part"]], joint.max(axis=1), atol=1e-5)


def test_decoding_leaves_alone_what_obeys():
    rules = Rules(SCHEMA, ["red implies on"])
    found = predictions(20, seed=2)
    found["color"]["probabilities"] = np.tile([0.1, 0.5, 0.4], (20, 1))
    decided = constrained_decode(rules, found)
    assert (decided["color"] == 1).all()
    np.testing.assert_array_equal(decided["tags"], found["tags"]["probabilities"] > 0.5)


def test_decoding_bears_certain_predictions_and_says_what_it_lacks():
    rules = Rules(SCHEMA, ["red implies on", "red implies dog"])
    certain = {
        "color": {"probabilities": np.array([[1.0, 0.0, 0.0]])},
        "lit": {"probabilities": np.array([[0.9, 0.1]])},
        "tags": {"probabilities": np.array([[0.2, 0.0, 1.0, 0.0]])},
    }
    decided = constrained_decode(rules, certain)
    assert decided["color"].tolist() == [0] and decided["lit"].tolist() == [1.0]
    assert decided["tags"].tolist() == [[1.0, 0.0, 1.0, 0.0]]
    with pytest.raises(ValueError, match="need predictions of lit"):
        constrained_decode(rules, {name: part for name, part in certain.items() if name != "lit"})
    certain["tags"]["probabilities"][0, 2] = np.nan
    with pytest.raises(ValueError, match="'tags' is NaN in row 0"):
        constrained_decode(rules, certain)


def test_facts_of_a_table(tmp_path):
    file = tmp_path / "parts.csv"
    file.write_text("part,color,size\nP1,red,1\nP2,green|blue,\nP3,red,2\n")
    rules = rules_from_table(file, key="part", closed_world=True)
    assert [str(rule) for rule in rules] == [
        '"part=P1" implies "color=red" (parts.csv, row 1 (line 2), column \'color\')',
        '"part=P2" implies "color=green" or "color=blue" (parts.csv, row 2 (line 3), column \'color\')',
        '"part=P3" implies "color=red" (parts.csv, row 3 (line 4), column \'color\')',
        '"color=red" implies "part=P1" or "part=P3" (parts.csv, column \'color\', no other rows)',
        '"color=green" implies "part=P2" (parts.csv, column \'color\', no other rows)',
        '"color=blue" implies "part=P2" (parts.csv, column \'color\', no other rows)',
        '"part=P1" implies "size=1" (parts.csv, row 1 (line 2), column \'size\')',
        '"part=P3" implies "size=2" (parts.csv, row 3 (line 4), column \'size\')',
        # What size P2 has is not said.
        '"size=1" implies "part=P1" or "part=P2" (parts.csv, column \'size\', no other rows)',
        '"size=2" implies "part=P2" or "part=P3" (parts.csv, column \'size\', no other rows)',
    ]
    assert rules_from_table(file, key="part") == [rule for rule in rules if "no other rows" not in rule.where]
    tasks = {"part": ("P1", "P2", "P3"), "color": ("red", "green", "blue"), "size": ("1", "2")}
    schema = Schema((), tuple(Task(name, "multiclass", name, classes=classes) for name, classes in tasks.items()))
    assert len(Rules(schema, rules).rules) == 10


def test_facts_that_contradict_name_their_cells():
    table = pd.DataFrame({"tags": ["dog", "cat", "dog"], "color": ["red", "green", "blue"]})
    with pytest.raises(ValueError, match="'tags=dog' can never hold") as error:
        Rules(SCHEMA, rules_from_table(table, key="tags"))
    lines = str(error.value).splitlines()
    assert lines[1].endswith("(DataFrame, row 1, column 'color')") and lines[2].endswith(
        "(DataFrame, row 3, column 'color')"
    )
    assert lines[3] == "  exactly one class of 'color' (implied)"


def test_bad_tables_of_facts():
    table = pd.DataFrame({"part": ["P1", None], "color": ["red", "blue"]})
    with pytest.raises(ValueError, match=r"row 2, column 'part' is empty"):
        rules_from_table(table, key="part")
    with pytest.raises(ValueError, match=r"no column 'colour'; did you mean 'color'\?"):
        rules_from_table(table, key="colour")
    with pytest.raises(ValueError, match="contains a double quote"):
        rules_from_table(pd.DataFrame({"part": ['3" pipe'], "color": ["red"]}), key="part")
    with pytest.raises(ValueError, match=r"there is no predicate 'color=rde'; did you mean 'color=red'\?"):
        Rules(SCHEMA, rules_from_table(pd.DataFrame({"tags": ["dog"], "color": ["rde"]}), key="tags"))
    with pytest.raises(ValueError, match="row 1, column 'parent' is empty"):
        rules_from_hierarchy(pd.DataFrame({"child": ["poodle"], "parent": [None]}))


def test_a_hierarchy_and_a_file_of_rules(tmp_path):
    table = pd.DataFrame({"child": ["poodle", "dog"], "parent": ["dog", "big thing"]})
    rules = Rules(SCHEMA, rules_from_hierarchy(table))
    assert rules.clauses == [[{-6, 5}], [{-5, 7}]]
    decided = {**{task: labels[:1] for task, labels in EVERY_ROW.items()}, "tags": np.array([[0.0, 1.0, 0.0, 0.0]])}
    assert rules.violations(decided).tolist() == [[True, False]]
    (tmp_path / "rules.txt").write_text("# animals\n\npoodle implies dog\n  not (cat and dog)\n")
    assert read_rules(tmp_path / "rules.txt") == [
        Rule("poodle implies dog", "rules.txt, line 3"),
        Rule("not (cat and dog)", "rules.txt, line 4"),
    ]


def test_without_the_solver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysat.solvers", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[reasoning\]'"):
        Rules(SCHEMA, ["red implies on"])
