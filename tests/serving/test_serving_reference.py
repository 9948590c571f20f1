import numpy as np
import pytest

from kerasfusion.serving.reference import difference, load_reference, save_reference, too_close
from kerasfusion.serving.verify_worker import Failure, SignatureChecks

STRINGS = [b"", b"cat", b"\xff\x00\xfe", b"ends in zeros\x00\x00", "né".encode(), b""]


def object_array(items, shape):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def test_round_trip_of_every_kind(tmp_path):
    records = {
        "serving_default": (
            {"text": object_array(STRINGS, (6,)), "image_bytes": object_array([b"x" * 70_000] * 6, (6,))},
            {
                "probabilities": np.linspace(0, 1, 12, dtype="float32").reshape(6, 2),
                "image_ok": np.ones(6, bool),
            },
        ),
        "tensors/odd name": (
            {"ids": np.arange(4, dtype="int32").reshape(2, 2), "pixels": np.zeros((0, 2, 3), "uint8")},
            {"names": object_array(STRINGS, (2, 3)), "scalar": np.array(2.5)},
        ),
    }
    path = tmp_path / "assets.extra" / "reference.npz"
    save_reference(path, records)
    loaded = load_reference(path)
    assert list(loaded) == list(records)
    for signature, stored in records.items():
        for expected, actual in zip(stored, loaded[signature], strict=True):
            assert list(actual) == list(expected)
            for name, array in expected.items():
                assert actual[name].dtype == array.dtype
                assert actual[name].shape == array.shape
                assert (actual[name] == array).all()


def test_lists_and_text_become_bytes(tmp_path):
    inputs = {"a": [b"x\x00", b""], "b": ["é", "y"], "c": np.array(["u"])}
    save_reference(tmp_path / "r", {"s": (inputs, {"d": [b""]})})
    loaded, outputs = load_reference(tmp_path / "r")["s"]
    assert [loaded[name].tolist() for name in "abc"] == [[b"x\x00", b""], [b"\xc3\xa9", b"y"], [b"u"]]
    assert outputs["d"].tolist() == [b""]


def test_file_needs_no_pickle_and_is_compressed(tmp_path):
    pixels = np.zeros((3, 200, 200, 3), "uint8")
    save_reference(tmp_path / "r.npz", {"s": ({"image": pixels}, {"name": [b"\x80\x04."]})})
    assert (tmp_path / "r.npz").stat().st_size < 10_000
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays.files)


def test_what_cannot_be_stored(tmp_path):
    with pytest.raises(TypeError, match=r"s, inputs: `a` holds 3, which is neither"):
        save_reference(tmp_path / "r", {"s": ({"a": object_array([b"x", 3], (2,))}, {})})
    with pytest.raises(TypeError, match=r"s, outputs: `b` is of type"):
        save_reference(tmp_path / "r", {"s": ({}, {"b": np.zeros(2, "datetime64[s]")})})


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut short"])
def test_file_that_is_none(tmp_path, content):
    (tmp_path / "r.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.npz is not a reference file"):
        load_reference(tmp_path / "r.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="it has no manifest"):
        load_reference(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        load_reference(tmp_path / "missing.npz")


def floats(*values):
    return np.array(values, "float32")


@pytest.mark.parametrize(
    ("name", "expected", "actual", "words"),
    [
        ("probabilities", floats(0.5), floats(0.500005), ""),
        ("probabilities", floats(0.5), floats(0.50002), "1 of 1 values differ, first at (0,)"),
        ("answer_probabilities", floats(0.9), floats(0.900015), "differ"),
        ("embedding", floats(0.9), floats(0.900015), ""),
        ("embedding", floats(1000.0), floats(1000.005), ""),
        ("embedding", floats(1000.0), floats(1000.05), "differ"),
        ("embedding", floats(np.nan, 1), floats(np.nan, 1), "1 of 2 values are NaN"),
        ("embedding", floats(np.nan), floats(1.0), "differ"),
        ("embedding", floats(-np.inf, np.inf), floats(-np.inf, np.inf), ""),
        ("embedding", floats(np.inf), floats(1.0), "differ"),
        ("embedding", floats(1.0), floats(-np.inf), "differ"),
        (
            "label",
            np.array([1, 2, 3]),
            np.array([1, 5, 4]),
            "2 of 3 values differ, first at (1,): expected 2",
        ),
        (
            "label",
            np.array([b"a", b""], object),
            np.array([b"a", b"\xff"], object),
            "expected b'', received b'\\xff'",
        ),
        ("label", np.array([b"a"], object), np.array([b"a"], object), ""),
        ("image_ok", np.array([True]), np.array([False]), "differ"),
        ("label", np.array([1], "int32"), np.array([1], "int64"), "expected type int32, received int64"),
        ("label", np.zeros((2, 1)), np.zeros(2), "expected shape (2, 1), received (2,)"),
        ("label", np.zeros((0, 2)), np.zeros((0, 2)), ""),
    ],
)
def test_difference(name, expected, actual, words):
    found = difference(name, expected, actual, tolerance=1e-5)
    assert (words in found) if words else found == ""


def test_too_close():
    one = {"label": None, "probabilities": floats([0.5, 0.46], [0.5, 0.44], [0.1, 0.9])}
    assert too_close(one, {"label": "multiclass"}, 0.025)["label"].tolist() == [True, False, False]
    assert too_close(one, {"label": "binary"}, 1e-5)["label"].tolist() == [False, False, False]
    several = {
        "tags": None,
        "tags_probabilities": floats([0.1, 0.51], [0.1, 0.9]),
        "price": floats(1.0, 2.0),
        "color_probabilities": floats([0.5, 0.5], [0.5, 0.5]),
    }
    # A price has no name, and colors are not answered here.
    kinds = {"tags": "multilabel", "price": "regression", "color": "multiclass"}
    found = too_close(several, kinds, 0.02)
    assert list(found) == ["tags"] and found["tags"].tolist() == [True, False]


class StubSession:
    """A session whose answers are given."""

    def __init__(self, answers):
        self.answers = answers
        self.signatures = {
            "s": {"inputs": {"x": ("float32", (None,))}, "outputs": {name: ("", (None,)) for name in answers}}
        }

    def run(self, name, inputs):
        return {name: value[: len(inputs["x"])] for name, value in self.answers.items()}


@pytest.mark.parametrize(("tolerance", "words"), [(1e-5, "differ"), (0.02, "1 name too close to call")])
def test_only_a_decided_name_must_be_the_same(tolerance, words):
    expected = {"label": np.array([b"a", b"b"], object), "probabilities": floats([0.505, 0.495], [0.2, 0.8])}
    actual = {"label": np.array([b"b", b"b"], object), "probabilities": floats([0.496, 0.504], [0.2, 0.8])}
    card = {"tolerance": tolerance, "types": {"label": "binary"}}
    checks = SignatureChecks(StubSession(actual), "s", {"x": floats(1.0, 2.0)}, expected, card)
    try:
        said = checks.outputs()
    except Failure as failure:
        said = str(failure)
    assert words in said
    # A name that was decided clearly has to be the same at any tolerance.
    actual["label"][1] = b"a"
    with pytest.raises(Failure, match="`label`"):
        checks.outputs()
