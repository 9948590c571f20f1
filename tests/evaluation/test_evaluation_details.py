import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasfusion.data import Examples
from kerasfusion.evaluation.details import task_details
from kerasfusion.evaluation.features.text import LONGEST_TEXT
from kerasfusion.evaluation.report import TaskReport
from kerasfusion.evaluation.thumbnails import thumbnail
from kerasfusion.schema import Feature, Schema, Task

CLASSES = Task("label", "multiclass", "c", classes=("a", "b", "c"))
TAGS = Task("label", "multilabel", "t", classes=("x", "y"))
NUMBER = Task("label", "regression", "n")


def details_of(task, labels, prediction, decided, texts=None, **options):
    """Details of rows 11, 12, … of a table with texts alone; the second of its rows has no label."""
    labels, decided = np.asarray(labels), np.asarray(decided)
    rows = np.r_[0, np.arange(2, len(labels) + 1)]
    frame = pd.DataFrame({"said": texts or [f"text {i}" for i in range(len(labels) + 1)]})
    frame.index += 10
    schema = Schema((Feature("text", "text", ("said",), length=2),), (task,))
    examples = Examples(schema, frame, {}, {}, {}, {}, {})
    found = TaskReport(task, {}, {}, {}, labels, decided, {k: np.asarray(v) for k, v in prediction.items()}, rows)
    return task_details(found, examples, **options)


def test_the_most_confident_wrong_answers_come_first():
    probabilities = [[0.6, 0.3, 0.1], [0.1, 0.9, 0.0], [0.2, 0.1, 0.7], [0.8, 0.1, 0.1], [0.0, 0.05, 0.95]]
    detail = details_of(CLASSES, [0, 0, 0, 2, 2], {"probabilities": probabilities}, np.argmax(probabilities, axis=1))
    assert (detail["wrong_rows"], detail["right_rows"]) == (3, 2)
    found = [(row["row"], row["answer"], row["label"], row["probability"]) for row in detail["wrong"]]
    # Rows count from 1; the one without a label, 12, is passed over.
    assert found == [(13, "b", "a", 0.9), (15, "a", "c", 0.8), (14, "c", "a", 0.7)]
    assert [(row["row"], row["probability"]) for row in detail["right"]] == [(16, 0.95), (11, 0.6)]
    assert detail["wrong"][0]["inputs"] == [{"name": "text", "kind": "text", "text": "text 2"}]


def test_no_more_examples_than_asked_for_and_none_where_there_are_none():
    detail = details_of(CLASSES, [0] * 5, {"probabilities": [[0.8, 0.1, 0.1]] * 5}, [0] * 5, count=2)
    assert detail["wrong"] == [] and detail["wrong_rows"] == 0
    assert len(detail["right"]) == 2 and detail["right_rows"] == 5


def test_confusion_and_figures_by_class():
    labels, decided = [0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 0, 1]
    detail = details_of(CLASSES, labels, {"probabilities": np.eye(3)[decided]}, decided)
    assert detail["matrix"] == [[1, 2, 0], [1, 1, 0], [0, 1, 0]]
    assert detail["pairs"] == [["a", "b", 2], ["b", "a", 1], ["c", "b", 1]]
    b = detail["classes"][1]
    assert (b["name"], b["support"], b["decided"], b["precision"], b["recall"]) == ("b", 2, 4, 0.25, 0.5)
    assert b["f1"] == pytest.approx(1 / 3)
    assert detail["classes"][2]["precision"] == 0


def test_a_matrix_too_large_to_read_is_left_out():
    task = Task("label", "multiclass", "c", classes=tuple(f"k{i:02}" for i in range(26)))
    detail = details_of(task, np.arange(26), {"probabilities": np.eye(26)}, np.r_[1, 1:26])
    assert "matrix" not in detail and detail["pairs"] == [["k00", "k01", 1]]


def test_tags_are_judged_by_the_tag_that_decides():
    probabilities = [[0.9, 0.2], [0.6, 0.99], [0.7, 0.8]]
    detail = details_of(TAGS, [[0, 0], [0, 1], [1, 1]], {"probabilities": probabilities}, [[1, 0], [1, 1], [1, 1]])
    shown = {sort: [(r["row"], r["tag"], r["probability"]) for r in detail[sort]] for sort in ("wrong", "right")}
    assert shown == {"wrong": [(11, "x", 0.9), (13, "x", 0.6)], "right": [(14, "x", 0.7)]}
    assert detail["wrong"][1]["answer"] == "x|y" and detail["wrong"][1]["label"] == "y"
    x = detail["classes"][0]
    assert (x["support"], x["decided"], x["recall"]) == (1, 3, 1) and x["precision"] == pytest.approx(1 / 3)


def test_numbers_show_the_largest_and_the_smallest_errors():
    value = np.array([1.0, 5, 2], "float32")
    detail = details_of(NUMBER, np.array([1.5, 1, 2], "float32"), {"value": value}, value)
    assert [(row["row"], row["error"]) for row in detail["wrong"]] == [(13, 4), (11, -0.5), (14, 0)]
    assert [row["row"] for row in detail["right"]] == [14, 11, 13]
    assert detail["points"] == [[1.5, 1], [1, 5], [2, 2]]


def test_long_texts_are_cut():
    detail = details_of(NUMBER, [0.0], {"value": [0.0]}, [0.0], texts=["w" * 1000, ""])
    assert detail["wrong"][0]["inputs"][0]["text"] == "w" * LONGEST_TEXT + " …"


def encoded(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def opened(address):
    kind, data = address.split(",")
    return kind, Image.open(io.BytesIO(base64.b64decode(data)))


def test_thumbnails_are_small_and_keep_their_shape():
    address, size = thumbnail(encoded(np.full((300, 600, 3), 90, np.uint8), "JPEG"))
    kind, image = opened(address)
    assert kind == "data:image/jpeg;base64" and image.size == size == (144, 72)
    tiny = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    kind, image = opened(thumbnail(encoded(tiny))[0])
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(image), tiny)


def test_thumbnails_of_transparent_grey_turned_and_broken_images():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert np.asarray(opened(thumbnail(encoded(clear))[0])[1]).min() == 255
    deep = np.full((4, 4), 0x8000, np.uint16)
    assert np.asarray(opened(thumbnail(encoded(deep))[0])[1]).max() == 0x80
    exif = Image.Exif()
    exif[0x0112] = 6
    assert thumbnail(encoded(np.zeros((2, 8, 3), np.uint8), "JPEG", exif=exif))[1] == (2, 8)
    assert thumbnail(encoded(np.zeros((90, 90, 3), np.uint8))[:60]) is None
    assert thumbnail(b"no image") is None
