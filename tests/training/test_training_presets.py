import functools
import http.server
import json
import sys
import threading
import types

import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.presets import FILE, FILES, sha256

PNG = b"\x89PNG\r\n"
SCHEMA = kf.Schema(
    (kf.Feature("text", "text", ("note",), length=4, vocabulary=("cat", "dog")),),
    (kf.Task("label", "binary", "is cat", classes=("no", "yes")),),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = kf.create_model("text_only", SCHEMA, units=4)
    folder = tmp_path_factory.mktemp("run") / "run"
    examples = {"text": [b"cat", b"dog"]}
    config = {"model": "text_only", "changes": {"units": 4}, "load": {"source": "/home/me/notes.csv"}}
    return kf.workflows.save_run(model, SCHEMA, folder, examples, {"tasks": {}}, config)


@pytest.fixture(scope="module")
def preset(run, tmp_path_factory):
    row = {"note": "cat"}
    return run.save_preset(tmp_path_factory.mktemp("presets") / "notes", example=row, summary="Is it a cat?")


def test_a_preset_answers_as_its_run(run, preset):
    rows = [{"note": "a cat"}, {"note": "a dog"}, {"note": ""}]
    loaded = kf.from_preset(preset)
    np.testing.assert_array_equal(loaded.predict(rows)["label_probability"], run.predict(rows)["label_probability"])
    assert loaded.config["model"] == "text_only"
    assert kf.data.example(preset) == {"note": "cat"}


def test_a_preset_describes_itself_and_keeps_no_path(preset):
    found = json.loads((preset / FILE).read_text())
    assert found["name"] == "notes"
    assert found["tasks"] == {"label": "binary"} and found["inputs"] == {"note": "text"}
    assert found["summary"] == "Is it a cat?"
    assert set(found["files"]) == set(FILES)
    assert b"/home/me" not in b"".join(path.read_bytes() for path in preset.iterdir())


def test_a_run_is_a_preset(run):
    assert kf.from_preset(run) is run
    assert kf.from_preset(run.path).config == run.config


def test_bytes_of_an_example_become_cells(run, tmp_path):
    folder = run.save_preset(tmp_path / "notes", example={"note": "x", "photo": PNG, "frames": [PNG, b"?"]})
    row = kf.data.example(folder)
    assert row["photo"] == "data:image/png;base64,iVBORw0K"
    assert row["frames"] == ["data:image/png;base64,iVBORw0K", "data:application/octet-stream;base64,Pw=="]


def test_a_preset_replaces_nothing(run, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileExistsError, match="Choose another folder"):
        run.save_preset(tmp_path / "taken")


def test_weights_of_a_preset_go_into_a_model_of_the_zoo(run, preset):
    model = kf.create_model("text_only", weights=preset)
    for ours, theirs in zip(model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("words", "classes", "message"),
    [
        (("cat", "dog", "emu", "fox"), ("no", "yes"), r"'text' has words that the weights lack: emu, fox"),
        (("cat", "dog"), ("no", "maybe"), r"'label' has classes that the weights lack: maybe"),
        (("dog", "cat"), ("no", "yes"), r"'text' has the words in another order, or fewer"),
    ],
)
def test_a_schema_that_does_not_fit_says_what_is_missing(preset, words, classes, message):
    feature = kf.Feature("text", "text", ("note",), length=4, vocabulary=words)
    schema = kf.Schema((feature,), (kf.Task("label", "binary", "is cat", classes=classes),))
    with pytest.raises(ValueError, match=message + r".*init_from="):
        kf.create_model("text_only", schema, weights=preset)


def test_weights_of_another_model_are_refused(preset):
    with pytest.raises(ValueError, match="are of the model 'text_only', not of 'image_only'"):
        kf.create_model("image_only", weights=preset)
    with pytest.raises(ValueError, match="do not fit text_only with the settings"):
        kf.create_model("text_only", weights=preset, units=5)
    with pytest.raises(ValueError, match="needs a schema"):
        kf.create_model("text_only")


@pytest.fixture
def address(preset):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=preset.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/notes"
        server.shutdown()


def test_a_preset_is_downloaded_once_and_checked(address, preset, tmp_path):
    named = f"{address}#sha256={sha256(preset / FILE)}"
    loaded = kf.from_preset(named, tmp_path)
    assert loaded.path == tmp_path / sha256(preset / FILE)
    assert {path.name for path in loaded.path.iterdir()} == {FILE, *FILES}
    # From the folder: the address no longer matters.
    assert kf.from_preset(named.replace("notes", "gone"), tmp_path).path == loaded.path


def test_a_download_with_another_digest_leaves_nothing(address, tmp_path):
    with pytest.raises(ValueError, match=r"preset\.json has another SHA-256 than 0000"):
        kf.from_preset(f"{address}#sha256={64 * '0'}", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_addresses_need_a_digest_and_a_server(address, tmp_path):
    with pytest.raises(ValueError, match=r"names no SHA-256.*#sha256="):
        kf.from_preset(address, tmp_path)
    with pytest.raises(OSError, match=r"nowhere/preset\.json cannot be downloaded: .*404"):
        kf.from_preset(f"{address}/nowhere#sha256={64 * '0'}", tmp_path)


def test_the_hugging_face_hub_is_asked_for_the_files_of_a_preset(preset, tmp_path, monkeypatch):
    asked = []

    def snapshot_download(repository, **settings):
        asked.append((repository, settings["revision"], set(settings["allow_patterns"])))
        return str(preset)

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=snapshot_download))
    assert kf.from_preset("hf://me/notes@v1", tmp_path).path == preset
    assert asked == [("me/notes", "v1", {FILE, *FILES})]
    with pytest.raises(ValueError, match="no address of a repository"):
        kf.from_preset("hf://me", tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"kerasfusion\[huggingface\]"):
        kf.from_preset("hf://me/notes", tmp_path)
