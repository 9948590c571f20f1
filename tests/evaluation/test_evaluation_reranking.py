"""The first items of a dual encoder in the order of a model that sees pairs."""

import keras
import numpy as np
import pytest
from tables import caption_table

import kerasfusion as kf
from kerasfusion.evaluation.reranking import _reordered, rerank
from kerasfusion.evaluation.retrieval_report import match_report


def test_ranks_in_the_new_order():
    scores = np.array([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [5.0, 5.0, 1.0], [1.0, 2.0, 3.0]])
    right = np.array([[0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]], bool)
    # Second; the better of two, second; level with a wrong one; not among them, so as before.
    assert _reordered(np.array([3.0, 1.0, 1.0, 7.0]), scores, right).tolist() == [2.0, 2.0, 1.5, 7.0]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A dual encoder that has learned nothing, and rows whose texts all differ."""
    folder = tmp_path_factory.mktemp("captions")
    table = caption_table(folder, images=40)
    table["caption"] += [f" number{i}" for i in range(len(table))]
    data = kf.data.load(table, image="photo", text="caption", problem_type="retrieval", image_dir=folder)
    image = {"name": "small_cnn", "filters": (4,), "flatten": True}
    return kf.models.dual_encoder(data.schema, "average", image, units=8, name="dual"), data.splits["train"]


def test_the_first_items_are_turned_round(searched):
    dual, examples = searched
    turned = keras.Model(dual.input, {"label": keras.layers.Rescaling(-1.0)(dual.output["match"])})
    (task,) = examples.schema.tasks
    report = match_report("dual", dual, examples, task)
    found = rerank(dual, turned, examples, k=4)
    ranks = report.ranks["text to image"]
    expected = np.where(ranks <= 4, 5 - ranks, ranks)
    after = found.after["text to image"]
    assert after.recall == {k: pytest.approx((expected <= k).mean()) for k in (1, 5, 10)}
    assert after.mrr == pytest.approx((1 / expected).mean()) != found.before["text to image"].mrr
    assert found.before == report.directions
    # Of an image's two texts, the last of the first four comes first.
    scores = report.images @ report.texts.T
    last = np.argsort(-scores, axis=1)[:, 3]
    first = np.mean(report.image_of_text[last] == np.arange(len(report.images)))
    assert found.after["image to text"].recall[1] == pytest.approx(first)
    gain = found.gain["image to text"]
    assert gain.value == pytest.approx(first - report.directions["image to text"].recall[1])
    assert gain.low <= gain.value <= gain.high and str(found).startswith("image to text: R@1 ")


def test_what_cannot_rerank_is_said(searched, schema_for):
    dual, examples = searched
    with pytest.raises(ValueError, match="k must be 1 at least"):
        rerank(dual, dual, examples, k=0)
    classes = kf.create_model("classifier_concat", schema_for("classifier_concat"))
    with pytest.raises(ValueError, match="must have one binary task"):
        rerank(dual, classes, examples)
