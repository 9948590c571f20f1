"""Runs from elsewhere: what `kf.load` refuses, and that it says why."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.models.model_file import check_model_file
from kerasfusion.schema import Feature, Schema, Task

SCHEMA = Schema(
    (Feature("text", "text", ("note",), length=4, vocabulary=("red", "blue")),),
    # Names that Keras's own format uses.
    (Task("class_name", "multiclass", "class_name", classes=("a", "b", "c")),),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The files of a run whose model was never trained."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    SCHEMA.save(folder / "schema.json")
    (folder / "config.json").write_text(json.dumps({"model": "text_only"}))
    (folder / "metrics.json").write_text("{}")
    kf.create_model("text_only", SCHEMA).save(folder / "model.keras")
    return folder


@pytest.fixture
def foreign(run, tmp_path):
    """A copy to damage."""
    return shutil.copytree(run, tmp_path / "foreign")


def rewrite(path, change=None, **members):
    """Pack a `.keras` file again, its config changed by a function, with further members."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(files["config.json"])
        change(config)
        files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (files | members).items():
            archive.writestr(name, data)


def refuse(folder, match, monkeypatch):
    """`kf.load` says why, and Keras has not built anything by then."""

    def never(*args, **kwargs):
        raise AssertionError("Keras was asked to load it")

    monkeypatch.setattr(keras.saving, "load_model", never)
    with pytest.raises(ValueError, match=match) as error:
        kf.load(folder)
    assert str(folder / "model.keras") in str(error.value)


def layer(module, class_name, registered_name=None, **config):
    return {
        "module": module,
        "class_name": class_name,
        "registered_name": registered_name,
        "config": {"name": "foreign", **config},
        "name": "foreign",
        "inbound_nodes": [],
    }


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


OBJECTS = {
    "TFSMLayer": (layer("keras.layers", "TFSMLayer", filepath="saved_model"), "'TFSMLayer', which runs a program"),
    "TFSMLayer by its file": (layer("keras.src.export.tfsm_layer", "TFSMLayer"), "'TFSMLayer', which runs a program"),
    "TFSMLayer as a function": (function("keras.layers", "TFSMLayer"), "'TFSMLayer', which runs a program"),
    "Lambda": (layer("keras.layers", "Lambda", function="x"), "'Lambda', which runs a program"),
    "lambda": ({"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}, "'__lambda__', which runs a program"),
    "JaxLayer": (layer("keras.layers", "JaxLayer"), "'JaxLayer', which runs a program"),
    "another package": (layer("mine.layers", "Mine", "mine>Mine"), "'Mine' of the module 'mine.layers'"),
    "another registered package": (layer("builtins", "Mine", "mine>Mine"), "'Mine' of the module 'builtins'"),
    "os.system": (function("os", "system"), "'system' of the module 'os'"),
    "a class of subprocess": (layer("subprocess", "Popen", args="true"), "'Popen' of the module 'subprocess'"),
    "a package that begins alike": (layer("kerasfusion_evil", "Mine"), "'Mine' of the module 'kerasfusion_evil'"),
    "Keras's download": (layer("keras.utils", "get_file"), "'get_file' of the module 'keras.utils'"),
    "Keras's unsafe mode": (
        function("keras.config", "enable_unsafe_deserialization"),
        "'enable_unsafe_deserialization' of the module 'keras.config'",
    ),
    "no module name": ({"module": ["os"], "class_name": "X", "config": {}}, "'X' of the module"),
    "no class name": ({"module": "keras.layers", "class_name": {"a": 1}, "config": {}}, "the module 'keras.layers'"),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("place", ["layer", "deep"])
def test_a_foreign_object_is_refused(name, place, foreign, monkeypatch):
    found, match = OBJECTS[name]

    def change(config):
        parts = config["config"]
        if place == "layer":
            parts["encoders"]["foreign"] = found
        else:
            parts["fusion"]["config"]["activation"] = {
                "class_name": "Wrapper",
                "module": "keras",
                "config": [[found]],
            }

    rewrite(foreign / "model.keras", change)
    refuse(foreign, match, monkeypatch)


def test_a_whole_run_loads(run):
    found = kf.load(run)
    assert found.schema == SCHEMA and set(found.model.output) == {"class_name"}


def test_a_model_with_a_lambda_saved_by_keras(foreign, monkeypatch):
    x = keras.Input((4,), name="text", dtype="int32")
    outputs = {"class_name": keras.layers.Lambda(lambda ids: ids[:, :3])(x)}
    keras.Model({"text": x}, outputs).save(foreign / "model.keras")
    refuse(foreign, "'Lambda', which runs a program", monkeypatch)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file(share, foreign, monkeypatch):
    data = (foreign / "model.keras").read_bytes()
    (foreign / "model.keras").write_bytes(data[: int(share * len(data))])
    refuse(foreign, "is no complete .keras file", monkeypatch)


@pytest.mark.parametrize("content", [b"", b"[1, 2", b"\xff\xfe", b"[" * 100_000, None])
def test_a_config_that_is_none(content, foreign, monkeypatch):
    with zipfile.ZipFile(foreign / "model.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        if content is not None:
            archive.writestr("config.json", content)
    refuse(foreign, "no complete .keras file|is no JSON", monkeypatch)


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "assets/../../evil", "evil.py", "..\\evil", "assets\\x"]
)
def test_a_member_with_another_name(name, foreign, monkeypatch):
    rewrite(foreign / "model.keras", **{name: b"x"})
    refuse(foreign, "has the member", monkeypatch)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/vocabulary"])
def test_a_member_that_unpacks_to_far_more(name, foreign, monkeypatch):
    with zipfile.ZipFile(foreign / "model.keras") as archive:
        files = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(foreign / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in (files | {name: b" " * 50_000_000}).items():
            archive.writestr(member, data)
    assert (foreign / "model.keras").stat().st_size < 400_000
    refuse(foreign, "would unpack to 50,", monkeypatch)


def test_damage_that_keras_finds_is_told_too(foreign):
    rewrite(foreign / "model.keras", **{"model.weights.h5": b"no HDF5"})
    with pytest.raises(ValueError, match=r"model\.keras cannot be used"):
        kf.load(foreign)


SCHEMAS = ["", "{", "[]", "{}", '{"features": 3}', '{"features": [], "tasks": []}', "null", "[" * 100_000, "\ud800"]


@pytest.mark.parametrize("content", SCHEMAS)
def test_a_wrong_schema(content, foreign):
    (foreign / "schema.json").write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ValueError) as error:
        kf.load(foreign)
    assert "schema.json" in str(error.value)


def test_bytes_changed_at_random(run, tmp_path):
    """Either the file is refused with its name, or what it names is still allowed."""
    data = np.frombuffer((run / "model.keras").read_bytes(), np.uint8)
    random, path, refused = np.random.default_rng(0), tmp_path / "model.keras", 0
    for _ in range(200):
        changed = data.copy()
        places = random.integers(0, len(data), random.integers(1, 40))
        changed[places] = random.integers(0, 256, len(places))
        path.write_bytes(changed.tobytes())
        try:
            check_model_file(path)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("encoder", ["transformer", "gru", "text_cnn"])
def test_our_own_models_are_allowed(encoder, tmp_path):
    kf.create_model("text_only", SCHEMA, text_encoder=encoder).save(tmp_path / "model.keras")
    check_model_file(tmp_path / "model.keras")
