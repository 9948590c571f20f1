import importlib.metadata
import io
import json
import shutil

import numpy as np
import pytest

from kerasfusion.serving import reference, verify_worker, warmup
from kerasfusion.serving import verifying as verify_module
from kerasfusion.serving.capi import ServingError
from kerasfusion.serving.verify_report import Check, VerifyReport
from kerasfusion.serving.verifying import verify, version_directory

SIZE = 8
LABELS = ["red", "green", "blue"]
QUESTIONS = ["what color", "red or blue", "", "never heard of it"]


def decode_guarded(content):
    """Decodes what can be decoded: images (zeros for the others) and one flag a row."""
    import tensorflow as tf

    count = tf.shape(content)[0]
    empty = (tf.zeros((0,), tf.int32), tf.zeros((0, SIZE, SIZE, 3), tf.uint8))
    rows, images = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), content))
        .map(lambda row, item: (row, decode_one(item)), num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors(log_warning=False)
        .batch(tf.cast(tf.maximum(count, 1), tf.int64))
        # What is taken where no row could be read, or there is none.
        .concatenate(tf.data.Dataset.from_tensors(empty))
        .take(1)
        .get_single_element()
    )
    ok = tf.scatter_nd(rows[:, None], tf.ones_like(rows), [count]) > 0
    # Scattering uint8 is slow, and nearly never needed.
    images = tf.cond(
        tf.reduce_all(ok),
        lambda: images,
        lambda: tf.scatter_nd(rows[:, None], images, tf.stack([count, SIZE, SIZE, 3])),
    )
    return tf.ensure_shape(images, (None, SIZE, SIZE, 3)), ok


def decode_unguarded(content):
    import tensorflow as tf

    images = tf.map_fn(decode_one, content, fn_output_signature=tf.TensorSpec((SIZE, SIZE, 3), tf.uint8))
    return images, tf.ones(tf.shape(content), tf.bool)


def decode_one(item):
    import tensorflow as tf

    image = tf.io.decode_image(item, channels=3, expand_animations=False)
    image.set_shape((None, None, 3))
    resized = tf.image.resize(image, (SIZE, SIZE))
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def encoded_images():
    from PIL import Image

    generator = np.random.default_rng(0)
    contents = []
    for form in ("PNG", "JPEG", "GIF", "BMP"):
        buffer = io.BytesIO()
        pixels = generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, form)
        contents.append(buffer.getvalue())
    return contents


class Toy:
    """A model of a text and an image, and exports of it."""

    def __init__(self):
        import keras

        keras.utils.set_random_seed(1)
        self.words = keras.layers.TextVectorization(
            vocabulary=["what", "color", "red", "blue"], output_sequence_length=4
        )
        # ExportArchive takes no vectorizer that was never called.
        self.words(QUESTIONS)
        text = keras.Input((4,), dtype="int32", name="text")
        image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
        present = keras.Input((), dtype="bool", name="image_present")
        pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(6, 5)(text))
        pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
        pixels = pixels * keras.ops.cast(present, "float32")[:, None]
        logits = keras.layers.Dense(3)(keras.layers.Concatenate()([pooled, pixels]))
        inputs = {"text": text, "image": image, "image_present": present}
        self.model = keras.Model(inputs, {"label": logits})

    def tensors(self, text, image, image_present):
        return {"label": self.model({"text": text, "image": image, "image_present": image_present})["label"]}

    def answer(self, decode, text, image_bytes, mates=0.0):
        import tensorflow as tf

        image, ok = decode(image_bytes)
        ids = tf.cast(self.words(text), tf.int32)
        logits = self.tensors(ids, image, ok)["label"]
        logits += mates * tf.reduce_mean(logits, axis=0)
        labels = tf.gather(tf.constant(LABELS), tf.argmax(logits, axis=-1))
        return {"label": labels, "probabilities": tf.nn.softmax(logits), "image_ok": ok}

    def export(self, path, decode=decode_guarded, mates=0.0, dtype="float32"):
        """Writes an export with everything `verify()` looks for."""
        import keras
        import tensorflow as tf

        def serving_default(text, image_bytes):
            outputs = self.answer(decode, text, image_bytes, mates)
            return {**outputs, "probabilities": tf.cast(outputs["probabilities"], dtype)}

        def tensors(text, image, image_present):
            return self.tensors(text, image, image_present)

        text = tf.TensorSpec((None,), tf.string, name="text")
        image = tf.TensorSpec((None,), tf.string, name="image_bytes")
        own = [
            tf.TensorSpec((None, 4), tf.int32, name="text"),
            tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8, name="image"),
            tf.TensorSpec((None,), tf.bool, name="image_present"),
        ]
        archive = keras.export.ExportArchive()
        archive.track(self.words)
        archive.add_endpoint("serving_default", serving_default, [text, image])
        archive.add_endpoint("tensors", tensors, own)
        archive.write_out(str(path), verbose=False)

        contents = encoded_images()
        images, ok = decode(tf.constant(contents))
        questions = tf.constant(QUESTIONS)
        outputs = serving_default(questions, tf.constant(contents))
        arrays = {"text": self.words(questions).numpy().astype("int32"), "image": images.numpy()}
        arrays["image_present"] = ok.numpy()
        raw = {"text": QUESTIONS, "image_bytes": contents}
        records = {
            "serving_default": (raw, {name: value.numpy() for name, value in outputs.items()}),
            "tensors": (arrays, {"label": self.tensors(*arrays.values())["label"].numpy()}),
        }
        reference.save_reference(path / reference.FILE, records)
        warmup.write_warmup(path / warmup.FILE, [("serving_default", raw), ("tensors", arrays)], "toy")
        return path


@pytest.fixture(scope="session")
def toy():
    return Toy()


@pytest.fixture(scope="session")
def good(toy, tmp_path_factory):
    return toy.export(tmp_path_factory.mktemp("verify") / "toy" / "3")


@pytest.fixture
def copy(good, tmp_path):
    """A copy of the good export, to be broken."""
    return shutil.copytree(good, tmp_path / "toy" / "3")


def change_reference(path, change):
    records = reference.load_reference(path / reference.FILE)
    change(records)
    reference.save_reference(path / reference.FILE, records)


def failed(report):
    return {row.name: row.detail for row in report.rows if row.ok is False}


def test_good_export(good):
    report = verify(good.parent)
    assert report.ok, str(report)
    assert report.path == str(good)
    assert report.tensorflow == importlib.metadata.version("tensorflow")
    names = [row.name for row in report.rows]
    assert names == [
        "files",
        "loads",
        "output types",
        "references",
        "serving_default: outputs",
        "serving_default: batch of 1",
        "serving_default: batch of 3",
        "serving_default: batch of 32",
        "serving_default: unreadable image_bytes",
        "serving_default: latency",
        "tensors: outputs",
        "tensors: batch of 1",
        "tensors: batch of 3",
        "tensors: batch of 32",
        "tensors: latency",
        "warm-up",
        "size",
        "process",
    ]
    assert [row.name for row in report.rows if row.ok is None] == [name for name in names if "latency" in name]
    details = {row.name: row.detail for row in report.rows}
    assert details["loads"] == "signatures: serving_default, tensors"
    assert details["warm-up"] == "2 records replayed"
    assert details["process"] == "ran without Keras and without Python TensorFlow"
    assert details["tensors: latency"].startswith("first call ")


def test_wrong_reference(copy):
    def change(records):
        records["serving_default"][1]["probabilities"][2, 1] += 1e-3
        records["tensors"][1]["label"][0, 0] += 5e-6

    change_reference(copy, change)
    problems = failed(verify(copy))
    assert "`probabilities`: 1 of 12 values differ, first at (2, 1)" in problems["serving_default: outputs"]
    assert not [name for name in problems if name.startswith("tensors")]
    assert verify(copy, tolerance=0.01).ok


def test_signatures_and_references_have_to_match(copy):
    def change(records):
        records["search"] = records.pop("tensors")

    change_reference(copy, change)
    problems = failed(verify(copy))
    assert problems == {
        "references": "Stored, but no signature of the model: search",
        "tensors: outputs": "No inputs and outputs of this signature are stored",
    }


def test_references_that_do_not_fit(copy):
    def change(records):
        del records["serving_default"][0]["text"]
        records["tensors"][1]["extra"] = records["tensors"][1]["label"]

    change_reference(copy, change)
    problems = failed(verify(copy))
    assert "missing `text`. Its inputs are `image_bytes`, `text`" in problems["serving_default: outputs"]
    assert "the stored ones are not the same: extra" in problems["tensors: outputs"]

    def cut(records):
        records["tensors"][1]["label"] = records["tensors"][1]["label"][:2]

    change_reference(copy, cut)
    assert "`label` has shape (2, 3) for 4 rows of input" in failed(verify(copy))["tensors: outputs"]


def test_missing_index(copy):
    (copy / "variables" / "variables.index").unlink()
    problems = failed(verify(copy))
    assert problems["files"] == "Missing: variables/variables.index"
    assert "Could not find variable" in problems["serving_default: outputs"]


def test_truncated_data(copy):
    data = copy / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    problems = failed(verify(copy))
    assert "Read less bytes than requested" in problems["loads"]
    assert problems["loads"].endswith("A file in variables/ is damaged or cut short")


def test_missing_extras(copy):
    shutil.rmtree(copy / "assets.extra")
    problems = failed(verify(copy))
    assert problems["references"].startswith("assets.extra/reference.npz is missing")
    assert problems["warm-up"] == "assets.extra/tf_serving_warmup_requests is missing"
    assert set(problems) == {"references", "warm-up", "serving_default: outputs", "tensors: outputs"}


def test_damaged_extras(copy):
    for file in (reference.FILE, warmup.FILE):
        (copy / file).write_bytes((copy / file).read_bytes()[:200])
    problems = failed(verify(copy))
    assert "reference.npz is not a reference file, or is cut short" in problems["references"]
    assert "cut short in the record at byte 0" in problems["warm-up"]


def test_failing_warmup_and_size(copy):
    warmup.write_warmup(copy / warmup.FILE, [("serving_default", {"text": ["a"]})], "toy")
    (copy / "assets" / "stray.bin").write_bytes(bytes(700_000))
    problems = failed(verify(copy))
    assert "Record 0 (`serving_default`): [INVALID_ARGUMENT]" in problems["warm-up"]
    assert "missing `image_bytes`" in problems["warm-up"]
    assert "MB, at most 0.6" in problems["size"]
    assert set(problems) == {"warm-up", "size"}
    # The same bytes are fine where they are a vocabulary.
    (copy / "assets.extra" / "kerasfusion.json").write_text(json.dumps({"vocabulary_bytes": 700_000}))
    assert set(failed(verify(copy))) == {"warm-up"}


def test_unguarded_decode(toy, tmp_path):
    problems = failed(verify(toy.export(tmp_path / "1", decode=decode_unguarded)))
    assert list(problems) == ["serving_default: unreadable image_bytes"]
    assert "One unreadable image (junk) fails the whole batch: [INVALID_ARGUMENT]" in problems.popitem()[1]


def test_flag_that_is_always_true(toy, tmp_path):
    import tensorflow as tf

    def decode(content):
        images, ok = decode_guarded(content)
        return images, tf.ones_like(ok)

    problems = failed(verify(toy.export(tmp_path / "1", decode=decode)))
    assert problems == {
        "serving_default: unreadable image_bytes": "`image_ok` is true for an unreadable image (junk)"
    }


def test_rows_that_depend_on_their_mates_and_half_precision(toy, tmp_path):
    problems = failed(verify(toy.export(tmp_path / "1", mates=0.5, dtype="float16")))
    assert problems["output types"] == "`probabilities` of `serving_default` is float16: cast to float32"
    assert "`probabilities`" in problems["serving_default: batch of 1"]
    assert "`probabilities`" in problems["serving_default: batch of 3"]
    assert "serving_default: outputs" not in problems


def test_export_that_only_tensorflow_accepts(tmp_path):
    """A Keras model in a `tf.Module`: `tf.saved_model.load()` restores it, TF Serving's loader does not."""
    import keras
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def serve(self, x):
            return {"y": self.model(x)}

    module = Module()
    path = tmp_path / "1"
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    rows = np.array([[1, 2], [3, 4], [0, -1]], "float32")
    expected = module.model(rows).numpy()
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"](x=tf.constant(rows))["y"].numpy()
    np.testing.assert_allclose(loaded, expected, rtol=0, atol=1e-6)

    reference.save_reference(path / reference.FILE, {"serving_default": ({"x": rows}, {"y": expected})})
    warmup.write_warmup(path / warmup.FILE, [("serving_default", {"x": rows})], "toy")
    report = verify(path)
    assert not report.ok
    problems = failed(report)
    assert "[FAILED_PRECONDITION] Could not find variable" in problems["serving_default: outputs"]
    assert set(problems) == {"serving_default: outputs", "warm-up"}


WORKER = """
import json, os, signal, sys, time
print(json.dumps({"at": "files"}))
print(json.dumps({"at": "files", "row": ["files", True, "all"]}))
print(json.dumps({"at": "loads"}), flush=True)
print("what the library said last", file=sys.stderr, flush=True)
"""


@pytest.mark.parametrize(
    ("end", "detail"),
    [
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            "The process was killed by SIGSEGV. | what the library said last",
        ),
        ("os._exit(3)", "The process ended with code 3. | what the library said last"),
        ("time.sleep(60)", "No answer within 3 s"),
        ("print('{\"at\": \"out', end='', flush=True); os._exit(0)", "The process ended with code 0."),
    ],
)
def test_worker_that_dies(good, tmp_path, monkeypatch, end, detail):
    (tmp_path / "dying_worker.py").write_text(WORKER + end)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(verify_module, "_WORKER", "dying_worker")
    # Long enough for a busy machine to start Python.
    report = verify(good, timeout=3 if "sleep" in end else 60)
    assert not report.ok
    assert [(row.name, row.ok) for row in report.rows] == [("files", True), ("loads", False)]
    assert report.rows[-1].detail.startswith(detail)


def test_worker_that_does_not_start(good, monkeypatch):
    monkeypatch.setattr(verify_module, "_WORKER", "no_such_worker")
    (row,) = verify(good).rows
    assert (row.name, row.ok) == ("worker", False)
    assert "No module named no_such_worker" in row.detail


def test_process_that_imported_tensorflow():
    import tensorflow as tf

    assert tf.__version__
    with pytest.raises(verify_worker.Failure, match="has imported tensorflow"):
        verify_worker.check_process()


def test_version_directory(tmp_path):
    for name in ("9", "10", "old", "11x"):
        (tmp_path / name).mkdir()
    (tmp_path / "models.config").touch()
    assert version_directory(tmp_path).name == "10"
    (tmp_path / "9" / "saved_model.pb").touch()
    assert version_directory(tmp_path / "9").name == "9"
    with pytest.raises(ServingError, match=r"neither saved_model.pb nor a numbered version: nothing") as refused:
        version_directory(tmp_path / "10")
    assert refused.value.status == "NOT_FOUND"
    shutil.rmtree(tmp_path / "9")
    shutil.rmtree(tmp_path / "10")
    with pytest.raises(ServingError, match=r"version: 11x, models\.config, old"):
        verify(tmp_path)
    with pytest.raises(ServingError, match="is not a folder"):
        verify(tmp_path / "nowhere")


def test_report():
    rows = [Check("loads", True, "1 signature"), Check("serving_default", False, "why"), Check("time", None)]
    report = VerifyReport("toy/1", rows, "2.20.0")
    assert not report.ok
    assert str(report).splitlines() == [
        "toy/1: 1 check failed in TensorFlow 2.20.0",
        "ok    loads            1 signature",
        "FAIL  serving_default  why",
        "info  time",
    ]
    assert json.loads(json.dumps(report.to_dict())) == {
        "path": "toy/1",
        "ok": False,
        "tensorflow": "2.20.0",
        "rows": [
            {"name": "loads", "ok": True, "detail": "1 signature"},
            {"name": "serving_default", "ok": False, "detail": "why"},
            {"name": "time", "ok": None, "detail": ""},
        ],
    }
    assert VerifyReport("toy/1", rows[:1]).ok
    assert str(VerifyReport("toy/1", rows[:1])).startswith("toy/1: verified")
    # Nothing checked is nothing verified.
    assert not VerifyReport("toy/1", []).ok
    assert not VerifyReport("toy/1", rows[2:]).ok
