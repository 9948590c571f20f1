"""The page of `kerasfusion app`: which field an input gets, and how answers are shown; its looks with `-m app`."""

import gc
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image
from png import png_bytes
from toy_export import add_version

from kerasfusion.serving.app.fields import Field, input_fields, open_image, read_answer
from kerasfusion.serving.app.page import Model, build_page, find_versions
from kerasfusion.serving.errors import ServingError


def test_inputs_get_fields_by_name_type_and_rank():
    inputs = {
        "text": ("string", (None,)),
        "labels": ("string", (None, None)),
        "image_bytes": ("string", (None,)),
        "clip_bytes": ("string", (None, None)),
        "sound_bytes": ("string", (None,)),
        "numbers": ("float32", (None, 3)),
        "seed": ("int32", (None,)),
    }
    metadata = {"features": {"image": "image", "clip": "video", "sound": "signal"}}
    fields = input_fields({"inputs": inputs}, metadata)
    assert {field.name: field.widget for field in fields} == {
        "image_bytes": "image",
        "clip_bytes": "files",
        "sound_bytes": "file",
        "text": "text",
        "labels": "lines",
        "numbers": "numbers",
        "seed": "number",
    }
    assert [field.widget for field in fields][:3] == ["image", "files", "file"]


def test_values_become_arrays_of_one_row():
    assert Field("image_bytes", "image", "string").to_array(None) == [b""]
    assert Field("clip_bytes", "files", "string").to_array([b"1", b"2"]) == [[b"1", b"2"]]
    assert Field("text", "text", "string").to_array("é") == ["é".encode()]
    assert Field("labels", "lines", "string").to_array("a cat\n\n a dog ") == [[b"a cat", b"a dog"]]
    assert Field("seed", "number", "int32").to_array(7).tolist() == [7]
    assert Field("numbers", "numbers", "float32", 2).to_array("[1, 2.5]").tolist() == [[1.0, 2.5]]
    assert np.isnan(Field("numbers", "numbers", "float32", 2).to_array("")).tolist() == [[True, True]]


@pytest.mark.parametrize(("value", "message"), [("one", "no list of numbers"), ("[1]", "takes 2 numbers, not 1")])
def test_numbers_that_are_none_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Field("numbers", "numbers", "float32", 2).to_array(value)


def test_probabilities_are_named_and_the_rest_is_json():
    metadata = {"classes": {"label": ["cat", "dog"]}, "types": {"label": "multiclass"}}
    outputs = {"label": [b"dog"], "probabilities": np.float32([[0.25, 0.75]]), "image_ok": np.array([True])}
    assert read_answer(outputs, metadata) == {
        "label": {"cat": 0.25, "dog": 0.75},
        "other": {"label": "dog", "image_ok": True},
    }


def test_found_ids_and_chosen_segments_are_rows():
    found = read_answer({"ids": [[b"a", b"b"]], "scores": np.float32([[0.5, 0.25]])}, {})
    assert found == {"rows": [{"id": "a", "score": 0.5}, {"id": "b", "score": 0.25}], "other": {}}
    outputs = {"scores": np.float32([[0.5, 0.25, 1]]), "chosen": np.array([[False, True, True]])}
    assert read_answer(outputs, {})["rows"] == [{"segment": 1, "score": 0.25}, {"segment": 2, "score": 1.0}]


def test_boxes_and_generated_images_are_images():
    answer = read_answer({"box_pixels": np.float32([[1, 1, 3, 3]]), "image_ok": np.array([True])}, {}, png_bytes(0))
    red = (np.asarray(answer["image"]) == [255, 0, 0]).all(axis=-1)
    assert red.any() and not red.all()
    made = read_answer({"image_bytes": [png_bytes(0)]}, {})["image"]
    np.testing.assert_array_equal(made, Image.open(io.BytesIO(png_bytes(0))).convert("RGB"))


def test_an_exported_model_answers_the_values_of_its_fields(tmp_path, toy_exports):
    add_version(toy_exports, tmp_path / "toy", 1)
    add_version(toy_exports, tmp_path / "toy", 2)
    (path,) = find_versions(tmp_path).values()
    assert path.name == "2"
    model = Model(path)
    assert model.signatures[0] == "serving_default"
    assert [field.name for field in model.fields("serving_default")] == ["image_bytes", "text"]
    answer = model.answer("times", ["[1, 2]"])
    assert answer["other"]["y"] == [2.0, 4.0]
    model.close()
    assert not os.path.exists(model.files.name)


@pytest.mark.parametrize("encoded", [None, b"", b"no image"])
def test_bytes_that_are_no_image_are_shown_as_they_are(encoded):
    assert open_image(encoded) is None
    assert read_answer({"image_bytes": [b""]}, {}) == {"other": {"image_bytes": ""}}


def test_an_empty_folder_and_a_missing_extra_say_so(tmp_path, monkeypatch):
    with pytest.raises(ServingError, match="holds no exported model"):
        find_versions(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r"kerasfusion\[app\]"):
        build_page(tmp_path)


@pytest.mark.app
# The warnings of gradio and of its server are not ours.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_answers_in_a_browser(tmp_path, toy_exports, width):
    """Take a screenshot to look at: `toy_WIDTH.png` in the test's folder."""
    pytest.importorskip("gradio", reason="needs the extra [app]")
    browser = pytest.importorskip("playwright.sync_api", reason="needs `pip install playwright`")
    add_version(toy_exports, tmp_path / "toy", 1)
    page = build_page(tmp_path)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    try:
        with browser.sync_playwright() as started:
            chromium = started.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
            )
            shown = chromium.new_page(viewport={"width": width, "height": 900})
            shown.goto(address)
            shown.get_by_label("text").first.fill("abc")
            shown.get_by_role("button", name="Ask").first.click()
            shown.get_by_text('"length"').first.wait_for()
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            shown.screenshot(path=tmp_path / f"toy_{width}.png", full_page=True)
            chromium.close()
    finally:
        page.close()
        gc.collect()  # Sockets that gradio leaves open, while their warnings are ignored.
