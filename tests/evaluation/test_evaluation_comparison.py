"""Which differences between models are more than chance, against SciPy and by simulation."""

import dataclasses
import re

import numpy as np
import pytest
from scipy import stats

from kerasfusion.evaluation import compare_predictions, score_predictions, write_comparison_page
from kerasfusion.evaluation.comparison import _between_seeds, estimate, holm
from kerasfusion.evaluation.comparison_figure import spread
from kerasfusion.schema import Task

CLASSES = Task("label", "multiclass", "species", classes=("cat", "dog", "owl"))


def answers(right, seeds, rows=200, seed=0):
    """Decisions of which about this share is right where all labels are 0."""
    random = np.random.default_rng(seed)
    return [np.where(random.random(rows) < right, 0, 1) for _ in range(seeds)]


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_one_seed_is_a_t_test_over_rows():
    values = np.random.default_rng(0).normal(0.1, 1, 80)
    found, expected = estimate(values[None], ((0.0, 1),)), stats.ttest_1samp(values, 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_rows_that_all_answer_alike_leave_a_t_test_over_seeds():
    seeds = np.array([0.5, 0.6, 0.9])
    found, expected = (
        estimate(np.repeat(seeds[:, None], 50, 1), ((seeds.var(ddof=1), 2),)),
        stats.ttest_1samp(seeds, 0),
    )
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_variance_between_seeds_is_drawn_toward_the_median():
    values = {
        "steady": np.array([[0.5, 0.5], [0.52, 0.52], [0.54, 0.54]]),  # variance 0.0004
        "wild": np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]),  # variance 0.16
        "middle": np.array([[0.4, 0.4], [0.5, 0.5], [0.6, 0.6]]),  # variance 0.01
        "fixed": np.full((3, 2), 0.3),
    }
    found = _between_seeds(values)
    assert found["steady"] == (pytest.approx((4 * 0.01 + 2 * 0.0004) / 6), 6)
    assert found["wild"] == (pytest.approx((4 * 0.01 + 2 * 0.16) / 6), 6)
    assert found["fixed"][0] == 0


def test_false_differences_are_as_rare_as_said():
    """Models that are equally good, with other luck by seed and by row: 5 % of the tests at the level of 5 %."""
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        rows = random.normal(0, 0.2, (1, 150))
        values = {
            name: 0.5 + rows + random.normal(0, 0.02, (3, 1)) + random.normal(0, 0.3, (3, 150)) for name in "abcd"
        }
        between = _between_seeds(values)
        found += [estimate(values["a"] - values[name], (between["a"], between[name])).p < 0.05 for name in "bcd"]
    assert 0.02 < np.mean(found) < 0.08


def test_the_verdict_names_what_is_not_told_apart():
    labels = np.zeros(200, int)
    decided = {
        "bad": answers(0.4, 3, seed=1),
        "good": answers(0.85, 3, seed=2),
        "also good": answers(0.83, 3, seed=4),
        "same": answers(0.85, 3, seed=2),
    }
    found = compare_predictions(CLASSES, labels, decided)
    assert found.best == "good" and list(found.scores)[-1] == "bad"
    assert found.together() == ["same", "also good"]
    assert found.scores["same"].p == 1 and found.scores["same"].behind == 0
    assert found.scores["bad"].p < 0.001 and found.scores["bad"].behind > 0.4
    mean = np.mean([(part == labels).mean() for part in decided["good"]])
    assert found.scores["good"].mean == pytest.approx(mean)
    assert found.scores["good"].per_seed == pytest.approx([(part == labels).mean() for part in decided["good"]])
    assert re.fullmatch(
        rf"label: not told apart from the best, good {mean:.1%} \[\d+\.\d%, \d+\.\d%\]: same, also good "
        r"\(3 seeds, 200 test rows\)\.",
        found.verdict,
    )
    alone = compare_predictions(CLASSES, labels, {name: decided[name][:1] for name in ("good", "bad")})
    assert "is told apart from all 1 others (1 seed, 200 test rows)" in alone.verdict


def test_rows_of_one_image_count_as_one():
    labels = np.zeros(100, int)
    decided = {name: answers(right, 2, 100, seed) for seed, (name, right) in enumerate({"a": 0.7, "b": 0.5}.items())}
    single = compare_predictions(CLASSES, labels, decided)
    twice = {name: [np.repeat(part, 2) for part in parts] for name, parts in decided.items()}
    grouped = compare_predictions(CLASSES, np.repeat(labels, 2), twice, groups=np.repeat(np.arange(100), 2))
    assert grouped.rows == 200
    for name in "ab":
        one, other = (dataclasses.asdict(found.scores[name]) for found in (grouped, single))
        assert one.pop("per_seed") == pytest.approx(other.pop("per_seed"))
        assert one == pytest.approx(other)


def test_numbers_and_tags():
    random = np.random.default_rng(0)
    number = Task("shade", "regression", "shade")
    labels = random.normal(size=60).astype("float32")
    near, far = (labels + random.normal(size=60) * width for width in (0.1, 2))
    found = compare_predictions(number, labels, {"far": [far], "near": [near]})
    assert found.best == "near" and found.scores["far"].apart
    assert found.scores["near"].mean == pytest.approx(score_predictions(number, labels, near).value)
    assert found.scores["far"].behind == pytest.approx(np.abs(labels - far).mean() - np.abs(labels - near).mean())

    tags = Task("tags", "multilabel", "tags", classes=("a", "b", "c"))
    labels, some, other = ((random.random((60, 3)) < 0.5).astype("float32") for _ in range(3))
    found = compare_predictions(tags, labels, {"some": [some], "other": [other]})
    assert found.metric == "f1_micro"
    for name, decided in (("some", some), ("other", other)):
        assert found.scores[name].mean == pytest.approx(score_predictions(tags, labels, decided).value)


def test_labels_are_spread_in_their_order():
    moved = spread([10.0, 11.0, 50.0, 12.0, 99.0], gap=10, low=0, high=100)
    assert np.argsort(moved).tolist() == [0, 1, 3, 2, 4]
    assert np.diff(sorted(moved)).min() >= 10 - 1e-9 and max(moved) <= 100


def test_the_page_stands_alone_and_escapes_names(tmp_path):
    labels = np.zeros(200, int)
    nasty = "<b>gated</b>"
    found = compare_predictions(
        CLASSES, labels, {nasty: answers(0.9, 2), "text only": answers(0.5, 2), "majority": answers(0.1, 2)}
    )
    cost = {"parameters": 10, "train_seconds": 1.5, "epochs": 2.0, "latency_ms": 0.5, "export_mb": 0.1}
    costs = {nasty: {**cost, "latency_ms": 4.0}, "text only": cost}
    config = {
        "source": "pets.csv",
        "models": [nasty],
        "reference": nasty,
        "changes": {"units": 8},
        "training": {"epochs": 2},
        "rows": {"train": 800, "test": 200},
        "notes": ["LEAK: a note"],
    }
    page = write_comparison_page(tmp_path / "comparison.html", {"label": found}, costs, {nasty}, config).read_text()
    assert nasty not in page and "&lt;b&gt;gated&lt;/b&gt;" in page
    assert "src=" not in page and "http" not in page.replace("http-equiv", "")
    assert found.verdict.split(nasty)[1] in page and 'class="verdict beats"' in page
    assert page.count("<circle") == 2 and "LEAK: a note" in page and "units = 8" in page
    without = write_comparison_page(
        tmp_path / "other.html", {"label": found}, costs, {"majority"}, config
    ).read_text()
    assert 'class="verdict loses"' in without
