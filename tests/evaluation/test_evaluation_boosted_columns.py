"""Gradient boosting on numbers and categories: what it learns, keeps and refuses."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import kerasfusion as kf
from kerasfusion.evaluation import BoostedColumns

LABELS = {"kind": "multiclass", "alike": "binary", "tags": "multilabel", "price": "regression"}


@pytest.fixture(scope="module")
def frame():
    """Labels that depend on whether two signs are equal, and on the make: no linear model learns the first."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(600, 2)), columns=["left", "right"])
    frame["make"] = random.choice(["old", "new", "used"], 600)
    alike = (frame["left"] > 0) == (frame["right"] > 0)
    frame["alike"] = np.where(alike, "yes", "no")
    frame["kind"] = np.where(alike, frame["make"], "none")
    frame["tags"] = np.where(alike, "alike|" + frame["make"], frame["make"])
    frame["price"] = alike * 10.0 + frame["make"].map({"old": 0, "new": 5, "used": 2})
    frame.loc[5, "left"], frame.loc[7, "make"] = np.nan, None
    return frame


def load(frame, label):
    return kf.data.load(frame, numeric=["left", "right"], categorical="make", label=label, problem_type=LABELS[label])


@pytest.mark.parametrize("label", LABELS)
def test_it_learns_what_no_linear_model_does(frame, label, tmp_path):
    data = load(frame, label)
    baseline, test = BoostedColumns(data.splits["train"], data.splits["validation"]), data.splits["test"]
    predicted = baseline.predict(test)
    (task,) = data.schema.tasks
    decided = kf.evaluation.predict_classes(task, predicted[task.name])
    # A price of 0 to 15 is right within one.
    right = np.isclose(decided, test.labels[task.name], atol=1.0)
    assert right.mean() > (0.75 if label == "price" else 0.93)
    baseline.save(tmp_path / "boosted.npz")
    again = BoostedColumns.load(tmp_path / "boosted.npz").predict(test)
    for key, values in predicted[task.name].items():
        np.testing.assert_array_equal(again[task.name][key], values)


def test_it_is_scikit_learns_with_missing_cells_left_missing(frame):
    data = load(frame, "price")
    baseline = BoostedColumns(data.splits["train"], data.splits["validation"])
    (task,) = data.schema.tasks
    found = baseline.predict(data.splits["test"])[task.name]["value"]
    known, asked = data.splits["train"].frame, data.splits["test"].frame
    means = known[["left", "right"]].mean()
    codes = {"old": 2.0, "new": 3.0, "used": 4.0}

    def columns(rows):
        return np.column_stack([rows[["left", "right"]].fillna(means), rows["make"].map(codes)])

    trees = int(baseline.targets[task.name]["trees"])
    model = HistGradientBoostingRegressor(max_iter=trees, early_stopping=False, categorical_features=[2])
    with threadpool_limits(1, user_api="openmp"):
        expected = model.fit(columns(known), known["price"]).predict(columns(asked))
    assert np.quantile(np.abs(found - expected), 0.9) < 0.1


def test_what_it_cannot_learn_or_read_is_left_out(frame, tmp_path):
    data = load(frame, "price")
    assert BoostedColumns.suits(data) and BoostedColumns.problem() is None
    assert not BoostedColumns.suits(kf.data.load(frame, text="make", label="alike"))
    baseline = BoostedColumns(data.splits["train"], data.splits["validation"])
    assert not baseline.reads(kf.data.load(frame, numeric="left", label="alike").splits["test"])
    train = data.splits["train"]
    alike = dataclasses.replace(train, labels={name: np.full_like(own, 3) for name, own in train.labels.items()})
    assert BoostedColumns(alike, alike).models == {}
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"broken\.npz cannot be read as the baseline 'numbers and categories"):
        BoostedColumns.load(tmp_path / "broken.npz")
