"""The rows of a report with their maps, and the report's part about them."""

import numpy as np
import pytest
from PIL import Image
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import figures
from kerasfusion.evaluation.html_report.attention_maps import looked_at, looked_at_details
from kerasfusion.explain import NoFeatureMapError, explain_examples


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    frame = color_table(folder, rows=60)
    frame.loc[::5, "photo"] = None
    frame["description"] = "<b>a thing</b>"
    frame.attrs["folder"] = str(folder)
    return kf.data.load(frame, image="photo", text="description", label=["color", "tags", "shade"])


@pytest.fixture(scope="module")
def model(data):
    return kf.create_model("classifier_concat", data.schema, units=4)


@pytest.fixture(scope="module")
def found(data, model):
    return kf.evaluation.evaluate_models({"model": model}, data.splits["train"])


def test_wrong_and_right_rows(data, model, found):
    """Wrong rows ask about the answer and the label, right ones about the answer; the surest come first."""
    train, report = data.splits["train"], found["color"]
    rows = explain_examples(model, report, train, count=3)
    right = [report.decided[row["place"]] == report.labels[row["place"]] for row in rows]
    assert right == [False] * 3 + [True] * 3
    for row, is_right in zip(rows, right, strict=True):
        position = report.rows[row["place"]]
        image = train.arrays["image"][position]
        assert image >= 0
        np.testing.assert_array_equal(row["pixels"], train.banks["image"].fetch(np.array([image]))[0][0])
        answer, label = (report.task.classes[int(part[row["place"]])] for part in (report.decided, report.labels))
        asked = [(shown["said"], shown["class"]) for shown in row["maps"]]
        assert asked == [("answer", answer)] + ([] if is_right else [("label", label)])
        for shown in row["maps"]:
            number = report.task.classes.index(shown["class"])
            assert shown["probability"] == report.prediction["probabilities"][row["place"], number]
            assert shown["pixels"].shape == (16, 16, 3) and shown["pixels"].dtype == "uint8"
    sure = [row["maps"][0]["probability"] for row in rows]
    assert sure[:3] == sorted(sure[:3], reverse=True) and sure[3:] == sorted(sure[3:], reverse=True)


def test_tags_ask_about_the_most_probable_ones(data, model, found):
    report = found["tags"]
    for row in explain_examples(model, report, data.splits["train"], count=2):
        probabilities = report.prediction["probabilities"][row["place"]]
        given = int(report.decided[row["place"]].sum())
        expected = sorted(probabilities, reverse=True)[: max(1, min(3, given))]
        assert [shown["probability"] for shown in row["maps"]] == expected


def test_what_cannot_be_shown_says_why(data, model, found):
    train = data.splits["train"]
    with pytest.raises(NoFeatureMapError, match="'shade' is of type regression"):
        explain_examples(model, found["shade"], train)
    without = train.take(np.flatnonzero(train.arrays["image"] < 0))
    blind = kf.evaluation.evaluate_models({"model": model}, without)["color"]
    with pytest.raises(NoFeatureMapError, match="no row that was scored has an image"):
        explain_examples(model, blind, without)


def test_the_part_of_the_page(data, model, found):
    train, report = data.splits["train"], found["color"]
    rows = explain_examples(model, report, train, count=1)
    detail = looked_at_details(rows, report, train)
    html = looked_at(detail)
    assert [row["row"] for row in detail] == [train.frame.index[report.rows[r["place"]]] + 1 for r in rows]
    assert html.count('src="data:image/jpeg;base64,') == 3 and html.count('src="data:image/png;base64,') == 2
    assert "What the model looked at" in html and "1610.02391" in html
    wrong = detail[0]
    for shown in wrong["maps"]:
        assert f"{shown['said']}: {shown['class']} ({shown['probability']:.1%})" in html
    assert "&lt;b&gt;a thing" in html and "<b>" not in html
    assert "Not shown: there is no grid &lt;" in looked_at("there is no grid <")
    assert looked_at(None) is None and looked_at_details("why", report, train) == "why"


def test_the_figure_has_each_map_beside_its_image(data, model, found, tmp_path):
    rows = explain_examples(model, found["color"], data.splits["train"], count=1)
    figures.looked_at(rows, tmp_path / "looked_at.png", ["which color is it"] * len(rows))
    with Image.open(tmp_path / "looked_at.png") as image:
        drawn = np.asarray(image.convert("RGB"))
    # A pixel of the image, and the same of its map, which are drawn as they are.
    for color in (rows[0]["pixels"][8, 8], rows[0]["maps"][0]["pixels"][8, 8]):
        assert (np.abs(drawn.astype(int) - color).max(axis=-1) <= 1).any()
