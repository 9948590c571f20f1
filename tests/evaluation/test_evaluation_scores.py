import dataclasses

import numpy as np
import pandas as pd
import pytest

from kerasfusion.cli.console import show_scores
from kerasfusion.evaluation import results, trivial_baselines
from kerasfusion.evaluation.linear_baseline import recommend
from kerasfusion.evaluation.predict import decode_predictions, predict_classes
from kerasfusion.evaluation.report import TaskReport
from kerasfusion.evaluation.scores import (
    difference_to_best,
    further_scores,
    ratio,
    score_by,
    score_predictions,
    verdict,
)
from kerasfusion.schema import Task

CLASSES = Task("label", "multiclass", "c", classes=("a", "b", "c"))
TAGS = Task("label", "multilabel", "t", classes=("x", "y"))
NUMBER = Task("label", "regression", "n")
BINARY = Task("label", "binary", "b", classes=("no", "yes"))


def test_accuracy_and_its_interval():
    labels, decided = np.array([0, 1, 2, 0] * 100), np.array([0, 1, 0, 1] * 100)
    found = score_predictions(CLASSES, labels, decided)
    assert found.value == 0.5 and found.n == 400
    # A share of one half of 400 has a standard error of 0.025.
    assert found.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.01)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.01)


def test_rows_of_one_image_are_no_independent_evidence():
    labels = np.zeros(400, int)
    decided = np.repeat([0, 1] * 20, 10)
    alone = score_predictions(CLASSES, labels, decided)
    together = score_predictions(CLASSES, labels, decided, groups=np.repeat(np.arange(40), 10))
    assert together.value == alone.value == 0.5
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_micro_f1_and_mean_absolute_error():
    labels, decided = np.array([[1, 1], [0, 1.0]]), np.array([[1, 0], [1, 1.0]])
    assert score_predictions(TAGS, labels, decided).value == pytest.approx(2 * 2 / (3 + 3))
    assert score_predictions(NUMBER, np.array([1.0, 5.0]), np.array([2.0, 2.0])).value == 2.0


def test_scores_by_kind_cover_all_rows():
    labels, decided = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = score_by(CLASSES, labels, decided, ["p", "p", "q", "q"])
    assert {kind: (s.value, s.n) for kind, s in found.items()} == {"p": (0.5, 2), "q": (1.0, 2)}


def test_further_scores():
    labels, decided = np.array([0, 1, 1, 0.0]), np.array([0, 1, 0, 0.0])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    found = further_scores(BINARY, labels, decided, {"probabilities": probabilities})
    assert found["auroc"] == 1.0 and found["balanced_accuracy"] == 0.75
    assert further_scores(NUMBER, np.array([0.0, 2.0]), np.array([1.0, 1.0]), None)["rmse"] == 1.0


def test_decisions_and_their_names():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    assert decode_predictions(CLASSES, predict_classes(CLASSES, {"probabilities": probabilities})).tolist() == [
        "b",
        "a",
    ]
    tags = predict_classes(TAGS, {"probabilities": np.array([[0.9, 0.6], [0.1, 0.2]])})
    assert decode_predictions(TAGS, tags).tolist() == ["x|y", ""]
    assert predict_classes(NUMBER, {"value": np.array([1.5])}).tolist() == [1.5]


def test_lookups():
    labels = np.array([0, 0, 1, 2])
    assert trivial_baselines.majority(CLASSES, labels, 2).tolist() == [0, 0]
    assert trivial_baselines.by_key(CLASSES, ["p", "q", "q", "q"], np.array([0, 2, 2, 1]), ["q", "new"]).tolist() == [
        2,
        2,
    ]
    assert trivial_baselines.ceiling_by_key(CLASSES, [7, 7, 7, 8], np.array([1, 1, 0, 2])).tolist() == [1, 1, 1, 2]
    assert trivial_baselines.majority(TAGS, np.array([[1, 0], [1, 1.0], [1, 0]]), 1).tolist() == [[1, 0]]
    assert trivial_baselines.majority(NUMBER, np.array([1.0, 2.0, 9.0]), 1).tolist() == [2.0]


def report_of(**scores):
    terms = {name: (np.repeat([1.0, 0.0], [right, 100 - right]), np.ones(100)) for name, right in scores.items()}
    scores = {name: ratio("accuracy", *part, None) for name, part in terms.items()}
    difference = difference_to_best(scores, terms)
    return TaskReport(CLASSES, scores, {}, {}, None, None, None, None, difference=difference)


def test_the_verdict_says_whether_fusing_helped():
    found = report_of(fused=90, **{"text only": 60, "majority": 50, "ceiling of image alone": 100})
    assert found.standing == "beats" and found.to_dict()["standing"] == "beats"
    assert (
        "label: fused 90.0% [82.6%, 94.5%] beats the best baseline, text only 60.0% [50.2%, 69.1%]: "
        "difference +30.0 points [+20."
    ) in found.verdict
    found = report_of(fused=60, **{"text only": 90})
    assert found.standing == "worse" and "is worse than the best baseline, text only" in found.verdict
    # Their intervals overlap by far; on the same rows 62 is more than 55.
    assert report_of(fused=62, **{"text only": 55}).standing == "beats"
    found = report_of(fused=62, **{"text only": 60})
    assert found.standing == "not significantly different" == report_of(fused=60, other=60).standing
    assert "is not significantly different from the best baseline, text only" in found.verdict
    assert (
        report_of(fused=60).standing == "alone"
        and report_of(fused=60).verdict == "label: fused 60.0% [50.2%, 69.1%]."
    )


def test_a_simple_baseline_that_is_not_beaten_is_recommended(capsys):
    simple = "bag of words + linear model"
    given = {"fused": 60, "text only": 55, simple: 58}
    found = dataclasses.replace(report_of(**given), simple=(simple, "majority"))
    assert found.recommended == simple == found.to_dict()["recommended"]
    show_scores(found.to_dict())
    first, second, *_ = capsys.readouterr().out.strip().splitlines()
    assert first == (
        "The model does not beat a simple baseline. The strongest is bag of words + linear model: export it with "
        "`kerasfusion export RUN OUT --baseline bag_of_words`."
    )
    assert second == found.verdict and "best baseline, bag of words" in second
    assert recommend("majority") == "The model does not beat a simple baseline. The strongest is majority."
    # Another network is the strongest, or the model is better.
    for better in ({"text only": 59}, {"fused": 90}):
        assert dataclasses.replace(report_of(**{**given, **better}), simple=(simple,)).recommended is None
    assert report_of(fused=60).recommended is None


def test_an_error_is_better_where_it_is_smaller():
    terms = {"fused": (np.linspace(0, 1, 50), np.ones(50)), "majority": (np.linspace(1, 3, 50), np.ones(50))}
    scores = {name: ratio("mae", *part, None) for name, part in terms.items()}
    found = difference_to_best(scores, terms)
    assert found.value == pytest.approx(1.5) and found.verdict == "beats"
    assert "difference +1.5 [+1." in verdict("shade", scores, found)


def test_results_replace_their_own_rows_alone(tmp_path):
    path = tmp_path / "results.csv"
    results.append_results(path, [{"model": "m", "metric": "accuracy", "value": 0.5}], "one", "command one")
    results.append_results(path, [{"model": "m", "metric": "accuracy", "value": 0.6}], "two", "command two")
    results.append_results(path, [{"model": "m", "metric": "accuracy", "value": 0.7}], "one", "command one")
    assert {(r["experiment"], r["value"], r["command"]) for r in results.read_results(path)} == {
        ("one", "0.7", "command one"),
        ("two", "0.6", "command two"),
    }


def test_the_rows_of_a_comparison():
    scored = {"metric": "accuracy", "low": 0.7, "high": 0.9, "test_rows": 40}
    costs = {"parameters": 12.0, "train_seconds": 3.5, "latency_ms": 0.8, "export_mb": 0.4}
    nothing = dict.fromkeys(costs, float("nan"))
    table = pd.DataFrame(
        [{"model": "a", "mean": 0.8, **scored, **costs}, {"model": "b", "mean": 0.75, **scored, **nothing}]
    )
    rows = results.comparison_rows(table)
    assert rows[0] == {"model": "a", "metric": "accuracy", "value": 0.8, "low": 0.7, "high": 0.9, "n": 40}
    assert [(row["metric"], row["value"]) for row in rows[1:5]] == [
        ("parameters", 12.0),
        ("training seconds", 3.5),
        ("milliseconds, batch 1", 0.8),
        ("megabytes", 0.4),
    ]
    assert [row["model"] for row in rows[5:]] == ["b"]
