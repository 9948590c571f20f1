import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.serving import c_library
from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.errors import FAILED_PRECONDITION, NOT_FOUND, ServingError

TYPES = {
    "float32": np.array([1.5, -0.25, np.inf], "float32"),
    "float64": np.array([0.1, 1e300, -2.0]),
    "float16": np.array([0.5, 2.0, -1.0], "float16"),
    "int8": np.array([-128, 0, 127], "int8"),
    "int16": np.array([-32768, 0, 5], "int16"),
    "int32": np.array([-(2**31), 0, 5], "int32"),
    "int64": np.array([-(2**63), 0, 5]),
    "uint8": np.array([0, 7, 255], "uint8"),
    "uint16": np.array([0, 7, 65535], "uint16"),
    "bool": np.array([True, False, True]),
}
STRINGS = [b"", b"plain", b"\xff\xfe\x00 zeros \x00\x00", b"x" * 100_000]
KERNEL = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
COLORS = ["red", "green", "blue"]


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """An export whose answers are known without running it in Keras."""
    import keras
    import tensorflow as tf

    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    dense.set_weights([np.array(KERNEL, "float32"), np.array([10.0, 20.0], "float32")])
    words = keras.layers.TextVectorization(vocabulary=COLORS, output_sequence_length=3)
    words(tf.constant(["red"]))

    def spec(name, dtype, *shape):
        return tf.TensorSpec((None, *shape), dtype, name=name)

    archive = keras.export.ExportArchive()
    archive.track(words)
    archive.add_endpoint("score", lambda x: {"score": dense(x)}, [spec("x", tf.float32, 3)])
    archive.add_endpoint("words", lambda text: {"ids": words(text), "again": text}, [spec("text", tf.string)])
    archive.add_endpoint("table", lambda text: {"text": tf.identity(text)}, [spec("text", tf.string, None)])
    for name in TYPES:
        archive.add_endpoint(f"echo_{name}", lambda x: {"x": tf.identity(x)}, [spec("x", name)])
    archive.add_endpoint("brain", lambda x: {"x": tf.cast(x, tf.bfloat16)}, [spec("x", tf.float32)])
    archive.add_endpoint(
        "image",
        lambda image_bytes: {"image": tf.map_fn(tf.io.decode_png, image_bytes, fn_output_signature=tf.uint8)},
        [spec("image_bytes", tf.string)],
    )
    archive.add_endpoint(
        "pair",
        lambda a, b: {"same": a, "twin": a, "sum": a + tf.cast(b, tf.float32)},
        [spec("a", tf.float32), spec("b", tf.int64)],
    )
    path = tmp_path_factory.mktemp("capi") / "toy" / "1"
    archive.write_out(str(path), verbose=False)
    return path


@pytest.fixture(scope="session")
def session(export):
    with CApiSession(export) as session:
        yield session


def test_signatures(session):
    assert session.signatures["score"] == {
        "inputs": {"x": ("float32", (None, 3))},
        "outputs": {"score": ("float32", (None, 2))},
    }
    assert session.signatures["pair"]["inputs"] == {"a": ("float32", (None,)), "b": ("int64", (None,))}
    assert session.signatures["table"]["inputs"] == {"text": ("string", (None, None))}
    assert session.signatures["brain"]["outputs"] == {"x": ("bfloat16", (None,))}
    assert not [name for name in session.signatures if name.startswith("__")]


def test_weights_give_literal_values(session):
    rows = np.array([[1, 0, 0], [1, 1, 1], [0, 0, -2]], "float32")
    outputs = session.run("score", {"x": rows})
    assert outputs["score"].tolist() == [[11.0, 22.0], [19.0, 32.0], [0.0, 8.0]]
    assert outputs["score"].dtype == np.float32


def test_agrees_with_tensorflow(session, export):
    import tensorflow as tf

    rows = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    expected = tf.saved_model.load(str(export)).signatures["score"](x=tf.constant(rows))["score"].numpy()
    np.testing.assert_allclose(session.run("score", {"x": rows})["score"], expected, rtol=0, atol=1e-6)


def test_lookup_table(session):
    outputs = session.run("words", {"text": ["Green red", b"blue blue blue blue", "", "pink"]})
    # 0 is padding and 1 an unknown word.
    assert outputs["ids"].tolist() == [[3, 2, 0], [4, 4, 4], [0, 0, 0], [1, 0, 0]]
    assert outputs["ids"].dtype == np.int64


@pytest.mark.parametrize("name", TYPES)
def test_every_type_survives(session, name):
    array = TYPES[name]
    outputs = session.run(f"echo_{name}", {"x": array})
    assert outputs["x"].dtype == array.dtype
    assert outputs["x"].tolist() == array.tolist()
    assert session.run(f"echo_{name}", {"x": array[::-2]})["x"].tolist() == array[::-2].tolist()
    empty = session.run(f"echo_{name}", {"x": array[:0]})["x"]
    assert (empty.shape, empty.dtype) == ((0,), array.dtype)
    # The result owns its memory.
    assert outputs["x"].flags.owndata or outputs["x"].base.flags.owndata
    assert outputs["x"].flags.writeable


def test_strings_survive(session):
    assert session.run("words", {"text": STRINGS})["again"].tolist() == STRINGS
    table = np.array([STRINGS, STRINGS[::-1]], dtype=object)
    outputs = session.run("table", {"text": table})
    assert outputs["text"].shape == (2, 4)
    assert outputs["text"].tolist() == table.tolist()
    assert session.run("table", {"text": [["é"]]})["text"].tolist() == [["é".encode()]]
    assert session.run("table", {"text": np.empty((0, 2), object)})["text"].shape == (0, 2)


def test_lists_take_the_type_of_the_input(session):
    assert session.run("score", {"x": [[1, 0, 0]]})["score"].tolist() == [[11.0, 22.0]]
    assert session.run("pair", {"a": [0.5], "b": [2]})["sum"].tolist() == [2.5]
    with pytest.raises(ServingError, match="input `b` is int64, received float64"):
        session.run("pair", {"a": [0.5], "b": [2.5]})


def test_one_tensor_under_two_names(session):
    outputs = session.run("pair", {"a": np.float32([1, 2]), "b": np.array([3, 4])})
    assert {name: array.tolist() for name, array in outputs.items()} == {
        "same": [1.0, 2.0],
        "twin": [1.0, 2.0],
        "sum": [4.0, 6.0],
    }


@pytest.mark.parametrize(
    ("signature", "inputs", "status", "message"),
    [
        ("scores", {}, "NOT_FOUND", r"No signature 'scores'; there are .*`score`, "),
        ("pair", {"a": [1.0]}, "INVALID_ARGUMENT", r"missing `b`. Its inputs are `a`, `b`"),
        ("pair", {"a": [1.0], "b": [1], "c": []}, "INVALID_ARGUMENT", "unknown `c`. Its inputs are `a`, `b`"),
        ("score", {"y": []}, "INVALID_ARGUMENT", "missing `x`; unknown `y`"),
        ("score", {"x": np.zeros((1, 3))}, "INVALID_ARGUMENT", "input `x` is float32, received float64"),
        ("score", {"x": [["a", "b", "c"]]}, "INVALID_ARGUMENT", "input `x` is float32, received str"),
        (
            "score",
            {"x": np.zeros(3, "float32")},
            "INVALID_ARGUMENT",
            r"has shape \(None, 3\), received \(3,\)",
        ),
        ("score", {"x": np.zeros((1, 4), "float32")}, "INVALID_ARGUMENT", r"received \(1, 4\)"),
        ("words", {"text": np.array([1, 2])}, "INVALID_ARGUMENT", "Expected bytes or str, received int"),
        ("words", {"text": "a"}, "INVALID_ARGUMENT", r"has shape \(None,\), received \(\)"),
        ("image", {"image_bytes": [b"no image"]}, "INVALID_ARGUMENT", "DecodePng"),
        (
            "brain",
            {"x": np.zeros(1, "float32")},
            "UNIMPLEMENTED",
            "Output `x` is bfloat16.*cast it to float32",
        ),
    ],
)
def test_refused_requests(session, signature, inputs, status, message):
    with pytest.raises(ServingError, match=message) as refused:
        session.run(signature, inputs)
    assert refused.value.status == status
    assert refused.value.code == {"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "UNIMPLEMENTED": 12}[status]
    assert str(refused.value) == f"[{status}] {refused.value.message}"
    # And the session still answers.
    assert session.run("score", {"x": [[0, 0, 0]]})["score"].tolist() == [[10.0, 20.0]]


def test_no_saved_model(tmp_path):
    with pytest.raises(ServingError, match=r"Could not find SavedModel .*nowhere") as refused:
        CApiSession(tmp_path / "nowhere")
    assert refused.value.code == NOT_FOUND
    (tmp_path / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(ServingError):
        CApiSession(tmp_path)


def test_many_threads(session):
    def ask(number):
        rows = np.full((4, 3), number, "float32")
        text = [f"{number} {'x' * number}".encode()]
        score = session.run("score", {"x": rows})["score"]
        return score[0, 0] == 10 + 9 * number and session.run("words", {"text": text})["again"].tolist() == text

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_calls_leave_no_memory_behind(session):
    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    rows = np.zeros((4096, 3), "float32")
    text = [b"x" * 50_000]

    def calls(number):
        for _ in range(number):
            session.run("score", {"x": rows})
            session.run("words", {"text": text})
            with pytest.raises(ServingError):
                session.run("image", {"image_bytes": text})

    calls(200)
    before = resident()
    calls(2000)
    # One tensor lost in each call would be 100 MB of numbers, 100 MB of text or 66 MB of results.
    assert resident() - before < 30e6


def test_close(export):
    session = CApiSession(export)
    session.close()
    session.close()
    with pytest.raises(ServingError, match="The session is closed") as refused:
        session.run("score", {"x": [[0, 0, 0]]})
    assert refused.value.code == FAILED_PRECONDITION


def test_close_waits_for_running_calls(export):
    session = CApiSession(export)
    answers = []
    started = threading.Event()

    def ask():
        rows = np.ones((100, 3), "float32")
        with pytest.raises(ServingError, match="closed"):
            while True:
                answers.append(session.run("score", {"x": rows})["score"][0].tolist())
                started.set()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait(10)
    session.close()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert answers
    assert all(answer == [19.0, 32.0] for answer in answers)


def test_process_without_tensorflow(export):
    code = (
        "import sys; from kerasfusion.serving.capi import CApiSession\n"
        "with CApiSession(sys.argv[1], intra_op_threads=1, inter_op_threads=2) as session:\n"
        "    print(session.run('score', {'x': [[1, 1, 1]]})['score'].tolist(), end=' ')\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(export)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("[[19.0, 32.0]] []\n", 0), done.stderr


def test_platform_without_the_library(tmp_path, monkeypatch):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    opens = c_library.library.__wrapped__
    monkeypatch.setattr(c_library.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(ServingError, match=r"has no libtensorflow_framework\.so\.2 .* needs the Linux wheel"):
        opens()
    monkeypatch.setattr(c_library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServingError, match="TensorFlow is not installed"):
        opens()
