"""A box as a label: from a CSV with images, texts and boxes to a served answer."""

import io

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.serving.capi import CApiSession

STARTS = {"red": 0, "blue": 16}
STARTS = {"red": 0, "blue": 16}
COLORS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


def encoded(image, kind="png", **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A red and a blue square each; the text says which one is meant."""
    folder, random, rows = tmp_path_factory.mktemp("boxes"), np.random.default_rng(0), []
    for number in range(30):
        pixels = np.full((32, 32, 3), 240, "uint8")
        corners = {name: (left + random.integers(0, 8), random.integers(0, 24)) for name, left in STARTS.items()}
        for name, (left, top) in corners.items():
            pixels[top : top + 8, left : left + 8] = COLORS[name]
        Image.fromarray(pixels).save(folder / f"{number}.png")
        for name, (left, top) in corners.items():
            box = ",".join(str(side / 32) for side in (left, top, left + 8, top + 8))
            rows.append({"photo": f"{number}.png", "words": f"the {name} square", "where": box})
    pd.DataFrame(rows).to_csv(folder / "boxes.csv", index=False)
    return folder / "boxes.csv"


def load(table, **settings):
    roles = {"image": "photo", "text": "words", "label": "where", "problem_type": "box"}
    return kf.data.load(table, image_size=32, **roles, **settings)


def test_answers_are_scored_by_their_overlap(table):
    (task,) = load(table).schema.tasks
    assert (task.name, task.type, task.is_box, task.outputs) == ("box", "box", True, 5)
    labels = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]], "float32")
    answers = np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 0.4]], "float32")
    name, top, bottom = TASKS["box"].row_terms(labels, answers)
    assert name == "accuracy_iou50" and top.tolist() == [1, 0, 0] and bottom.tolist() == [1, 1, 1]
    assert TASKS["box"].further_scores(labels, answers, {})["mean_iou"] == pytest.approx(1.4 / 3)
    np.testing.assert_allclose(TASKS["box"].best_constant(labels), [0, 0, 1, 1])
    assert TASKS["box"].decode(task, labels[:1]).tolist() == ["0.000, 0.000, 0.500, 0.500"]


def test_images_are_not_moved_beside_their_boxes(table):
    augmentation, reason = kf.data.choose_augmentation(load(table).splits["train"])
    assert not augmentation.move and not augmentation.flip
    assert "nothing is moved: the boxes (where)" in reason


def test_grounder_takes_one_text_one_image_and_boxes(table):
    schema = load(table).schema
    model = kf.models.grounder(schema, image_encoder={"name": "small_cnn", "filters": (4, 4)})
    assert [output.shape for output in model.output.values()] == [(None, 8, 8, 5)]
    with pytest.raises(ValueError, match=r"the schema has \['image'\]"):
        kf.models.grounder(schema.only("image"))


@pytest.mark.slow
def test_from_a_csv_to_a_served_answer(table, tmp_path):
    flags = ["--image", "photo", "--text", "words", "--label", "where", "--problem-type", "box", "--image-size", "32"]
    run = tmp_path / "run"
    done = CliRunner().invoke(cli.main, ["train", str(table), *flags, "--epochs", "2", "--output-dir", str(run)])
    assert done.exit_code == 0, done.output
    found = kf.load(run).metrics["tasks"]["box"]
    assert next(iter(found["scores"].values()))["name"] == "accuracy_iou50"
    assert {"majority", "text lookup", "text only", "image only", "late average"} <= set(found["scores"])
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "left, top, right and bottom as fractions of the image" in page and "IoU" in page
    predicted = kf.load(run).predict(pd.read_csv(table)[["photo", "words"]], table.parent)
    assert {"where", "where_score", "photo_ok"} <= set(predicted.columns)
    version = kf.export(run, tmp_path / "served")
    report = kf.verify(version)
    assert report.ok, report
    image = Image.open(table.parent / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: 40 wide and 80 high are shown as 80 x 40
    sizes = {"png": encoded(image), "jpeg": encoded(image.resize((80, 40)), "jpeg"), "bad": b"no image"}
    sizes["turned"] = encoded(image.resize((40, 80)), "jpeg", exif=exif)
    asked = {"image_bytes": [*sizes.values(), sizes["png"]], "text": ["the red square"] * 4 + [""]}
    with CApiSession(version) as session:
        answer, plain = (session.run(name, asked) for name in ("ground", "serving_default"))
    assert answer["image_ok"].tolist() == [True, True, False, True, True]
    assert answer["text_ok"].tolist() == [True] * 4 + [False]
    widths, heights = np.array([[32, 32], [80, 40], [0, 0], [80, 40], [0, 0]]).T
    scale = np.stack([widths, heights, widths, heights], axis=1)
    np.testing.assert_allclose(answer["box_pixels"], answer["box"] * scale, rtol=1e-5)
    assert not answer["box"][[2, 4]].any() and not answer["score"][[2, 4]].any()
    np.testing.assert_allclose(answer["box"][[0, 1, 3]], plain["box"][[0, 1, 3]], rtol=1e-6)
    assert ((plain["score"] > 0) & (plain["score"] < 1)).all()
