"""Comparisons of models: scores, verdicts and the page."""

import dataclasses
import re

import numpy as np
import pytest

from kerasfusion.evaluation import compare_predictions, score_predictions, write_comparison_page
from kerasfusion.evaluation.charts import spread
from kerasfusion.schema import Task

CLASSES = Task("label", "multiclass", "species", classes=("cat", "dog", "owl"))


def answers(right, seeds, rows=200, seed=0):
    """Decisions of which about this share is right where all labels are 0."""
    random = np.random.default_rng(seed)
    return [np.where(random.random(rows) < right, 0, 1) for _ in range(seeds)]


def test_the_verdict_names_what_is_not_significantly_different():
    labels = np.zeros(200, int)
    decided = {
        "bad": answers(0.4, 3, seed=1),
        "good": answers(0.85, 3, seed=2),
        "also good": answers(0.83, 3, seed=4),
        "same": answers(0.85, 3, seed=2),
    }
    found = compare_predictions(CLASSES, labels, decided)
    assert found.best == "good" and list(found.scores)[-1] == "bad"
    assert found.indistinguishable() == ["same", "also good"]
    assert found.scores["same"].p_adjusted == 1 and found.scores["same"].gap_to_best == 0
    assert found.scores["bad"].significant and found.scores["bad"].gap_to_best > 0.4
    mean = np.mean([(part == labels).mean() for part in decided["good"]])
    assert found.scores["good"].mean == pytest.approx(mean)
    assert found.scores["good"].per_seed == pytest.approx([(part == labels).mean() for part in decided["good"]])
    assert re.fullmatch(
        rf"label: not significantly different from the best model, good {mean:.1%} \[\d+\.\d%, \d+\.\d%\]: same, "
        r"also good \(3 seeds, 200 test rows\)\.",
        found.verdict,
    )
    alone = compare_predictions(CLASSES, labels, {name: decided[name][:1] for name in ("good", "bad")})
    assert "beats all 1 others (1 seed, 200 test rows)" in alone.verdict
    assert found.standing({"good", "same"}) == "not significantly different"
    assert found.standing({"good", "same", "also good"}) == "beats" and found.standing({"bad"}) == "worse"
    assert found.standing({"nobody"}) is None


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
    assert found.best == "near" and found.scores["far"].significant
    assert found.scores["near"].mean == pytest.approx(score_predictions(number, labels, near).value)
    assert found.scores["far"].gap_to_best == pytest.approx(
        np.abs(labels - far).mean() - np.abs(labels - near).mean()
    )

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
    assert 'class="verdict worse"' in without
