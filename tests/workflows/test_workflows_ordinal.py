"""A task type that is registry entries alone: ordered classes from a table to a served answer."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

import kerasfusion as kf
from kerasfusion.data.tasks import encode_labels
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.tasks import TASKS as SERVED
from tests.tables import color_table

ORDER = ("cold", "mild", "warm", "hot")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ordinal")
    frame = color_table(folder, rows=60)
    frame["heat"] = [ORDER[i] for i in np.digitize(frame["age"], [15, 30, 45])]
    frame["description"] = [f"it is {'very ' * ORDER.index(heat)}lit" for heat in frame["heat"]]
    frame[["photo", "description", "heat"]].to_csv(folder / "heat.csv", index=False)
    return folder / "heat.csv"


def test_order_is_numeric_or_given(table):
    grades = pd.DataFrame({"grade": ["10", "9", "2", "10"]})
    values, classes = encode_labels(grades, "grade", "ordinal")
    assert classes == ("2", "9", "10") and values.tolist() == [2, 1, 0, 2]
    with pytest.raises(kf.data.DataError, match=r"not numbers, so their order is unknown.*--classes"):
        kf.data.load(table, label="heat", problem_type="ordinal", image=[])
    with pytest.raises(kf.data.DataError, match="unknown class 'hot'"):
        kf.data.load(table, label="heat", problem_type="ordinal", image=[], classes=["cold", "mild", "warm"])
    with pytest.raises(kf.data.DataError, match=r"has no classes|no label of one class"):
        kf.data.load(table, label="heat", problem_type="ordinal", image=[], classes={"photo": ORDER})


def test_the_median_class_is_decided_for():
    p = np.array([[0.4, 0.15, 0.45], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2]])
    assert TASKS["ordinal"].decide({"probabilities": p}).tolist() == [1, 2, 0]
    assert SERVED["ordinal"].too_close(np.array([[0.5, 0.2, 0.3], [0.4, 0.2, 0.4]]), 1e-5).tolist() == [True, False]
    labels = np.array([0, 0, 1, 2, 2])
    cost = {c: np.abs(labels - c).sum() for c in range(3)}
    assert cost[TASKS["ordinal"].best_constant(labels)] == min(cost.values())


@pytest.mark.slow
def test_from_a_table_to_a_served_answer(table, tmp_path):
    data = kf.data.load(table, label="heat", problem_type="ordinal", classes=list(ORDER), seed=1)
    (task,) = data.schema.tasks
    assert task.type == "ordinal" and task.classes == ORDER and task.outputs == 3
    config = kf.training.TrainingConfig(epochs=1, batch_size=16, learning_rate=1e-2)
    image_encoder = {"name": "small_cnn", "filters": (4,)}  # graphs that are made quickly
    run = kf.train(data, "classifier_gated", tmp_path / "run", config, image_encoder=image_encoder)
    found = run.metrics["tasks"]["label"]
    own = next(iter(found["scores"].values()))
    assert own["name"] == "mae" and {"majority", "text lookup"} <= set(found["scores"])
    assert {"quadratic_weighted_kappa", "accuracy"} <= set(found["further"]) and set(found["by_kind"]) >= set(
        found["scores"]
    )
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "mean absolute error" in page and "the name of the median class" in page
    # The same figures, from the predictions of the loaded run.
    test = data.splits["test"]
    predicted = kf.load(run.path).predict(test.frame[["photo", "description"]], table.parent)
    places = np.array([ORDER.index(name) for name in predicted["label"]])
    assert np.abs(places - test.labels["label"]).mean() == pytest.approx(own["value"])
    kappa = cohen_kappa_score(test.labels["label"], places, weights="quadratic")
    assert found["further"]["quadratic_weighted_kappa"] == pytest.approx(kappa)
    # And of the exported model, in TensorFlow's C API.
    version = kf.export(run, tmp_path / "served")
    assert kf.verify(version).ok
    session = CApiSession(version)
    images = [(table.parent / photo).read_bytes() for photo in test.frame["photo"]]
    answer = session.run("serving_default", {"image_bytes": images, "text": test.frame["description"].tolist()})
    assert [name.decode() for name in answer["label"]] == predicted["label"].tolist()
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, rtol=1e-5)
