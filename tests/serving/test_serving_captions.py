"""The export of a captioner: captions of images in TensorFlow's C API, from the table to the string."""

import keras
import numpy as np
import pandas as pd
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.serving import CApiSession
from kerasfusion.serving.exporting import export_model
from kerasfusion.serving.reference import FILE, load_reference
from kerasfusion.serving.verify_worker import Failure, card_of, check_size

CAPTIONS = ["红色的圆在上", "蓝色的方块", "圆在方块上", "红色的cat", "方块", "蓝色的圆"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Rows of a table with Chinese captions, a captioner of them that no one has trained, and its export."""
    table = pd.DataFrame({"photo": [png_bytes(n) for n in range(24)], "caption": CAPTIONS * 4})
    data = kf.data.load(table, image="photo", label="caption", problem_type="captioning", image_size=16)
    keras.utils.set_random_seed(2)
    small = {"name": "small_cnn", "filters": (4,)}
    model = kf.models.captioner(data.schema, image_encoder=small, decoder="lstm", units=8)
    # What it writes is to depend on what it sees.
    for weight in (*model.decoder.weights, model.head.dense.kernel, model.get_layer("context").projection.kernel):
        weight.assign(6 * weight if len(weight.shape) > 1 else weight)
    some = data.splits["train"].take(range(4))
    images = [some.banks["image"].encoded(place) for place in some.arrays["image"]]
    base = tmp_path_factory.mktemp("exports") / "captioner"
    version = export_model(model, data.schema, base, {"image_bytes": [*images, b"no image"]})
    with CApiSession(version) as session:
        yield session, version, model, some, images


def text(found):
    return [caption.decode() for caption in found["caption"]]


def test_strings_are_those_that_reports_show(served):
    session, _, model, some, images = served
    found = session.run("serving_default", {"image_bytes": images})
    assert set(found) == {"caption", "log_probability", "image_ok"} and found["image_ok"].all()
    greedy, beam = generate_captions(model, some), generate_captions(model, some, "beam")
    assert text(found) == greedy != beam
    # Characters that the table had, with no blank between them.
    assert set("".join(greedy)) <= set("".join(CAPTIONS)) and all(greedy)
    assert (found["log_probability"] < 0).all() and found["log_probability"].dtype == np.float32
    # Rows of one batch may ask for either.
    strategy = ["greedy", "beam", "greedy", "beam"]
    mixed = session.run("caption", {"image_bytes": images, "prompt": [""] * 4, "strategy": strategy})
    pairs = zip(strategy, beam, greedy, strict=True)
    assert text(mixed) == [best if asked == "beam" else first for asked, best, first in pairs]
    np.testing.assert_allclose(mixed["log_probability"][::2], found["log_probability"][::2], atol=1e-4)


def test_the_log_probability_is_that_of_the_words(served):
    session, _, model, some, images = served
    (caption,) = text(session.run("caption", {"image_bytes": images[1:2], "prompt": [""], "strategy": ["beam"]}))
    task = some.schema["caption"]
    words = [task.vocabulary.index(word) + 4 for word in caption]
    ids = np.zeros((1, task.length - 1), "int32")
    ids[0, : len(words) + 1] = [2, *words]
    pixels = some.banks["image"].fetch(some.arrays["image"][1:2])[0].numpy()
    own = {"image": pixels, "image_present": np.ones(1, bool), "caption": ids}
    logits = model(own)["caption"][0].numpy()
    log = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    found = session.run("tensors", own)["log_probabilities"][0]
    np.testing.assert_allclose(found[: len(words)], [log[i, word] for i, word in enumerate(words)], atol=1e-4)
    assert len(words) > 1 and not found[len(words) :].any()


def test_prompts(served):
    session, _, _, _, images = served
    prompts = ["红色", "一只 Zebra!", "", "圆 cat"]
    given = {"image_bytes": images, "prompt": [prompt.encode() for prompt in prompts]}
    for strategy in ("greedy", "beam"):
        found = text(session.run("caption", {**given, "strategy": [strategy] * 4}))
        # Of what is unknown, 一只 and zebra, the words stay as they were given.
        starts = ["红色", "一只zebra", "", "圆cat"]
        assert all(one.startswith(start) for one, start in zip(found, starts, strict=True))
        assert sum(len(one) > len(start) for one, start in zip(found, starts, strict=True)) >= 3


def test_an_unknown_strategy_costs_its_row_and_not_the_batch(served):
    session, _, _, _, images = served
    strategy = ["greedy", "best", "beam", ""]
    given = {"image_bytes": images, "prompt": ["红色"] * 4}
    found = session.run("caption", {**given, "strategy": strategy})
    known = session.run("caption", {**given, "strategy": ["greedy", "greedy", "beam", "beam"]})
    assert text(found) == [text(known)[0], "", text(known)[2], ""]
    np.testing.assert_array_equal(found["log_probability"][1::2], np.finfo("float32").min)
    np.testing.assert_allclose(found["log_probability"][::2], known["log_probability"][::2], atol=1e-4)
    assert found["image_ok"].all()


def drawn(session, images, **changes):
    rows = len(images)
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 7, "prompt": ""} | changes
    given = {name: value if isinstance(value, list) else [value] * rows for name, value in settings.items()}
    return text(session.run("caption_sample", {"image_bytes": images, **given}))


@pytest.mark.slow
def test_samples_go_by_their_seeds(served):
    session, _, model, some, images = served
    greedy = generate_captions(model, some)
    assert drawn(session, images, temperature=0.0) == drawn(session, images, top_k=1) == greedy
    seeds = [3, 4, 5, 6]
    found = drawn(session, images, seed=seeds)
    # The seeds of a report count up; equal ones draw equally, whatever else is in the batch.
    assert found == generate_captions(model, some, "sample", seed=3)
    assert [drawn(session, [image], seed=seed)[0] for image, seed in zip(images, seeds, strict=True)] == found
    assert len(set(drawn(session, images[:1] * 8, temperature=2.0, seed=list(range(8))))) > 3
    assert all(one.startswith("蓝") for one in drawn(session, images, prompt="蓝".encode()))


def test_a_image_that_cannot_be_read_is_described_like_one_that_is_missing(served):
    session, version, _, _, images = served
    found = session.run("serving_default", {"image_bytes": [b"", images[0], b"no image"]})
    assert found["image_ok"].tolist() == [False, True, False]
    assert found["caption"][0] == found["caption"][2] and found["log_probability"][0] == found["log_probability"][2]
    stored = load_reference(version / FILE)
    assert set(stored) == {"serving_default", "caption", "caption_sample", "tensors"}
    assert stored["serving_default"][1]["caption"][4] == found["caption"][0]


def test_the_export_is_verified(served):
    _, version, *_ = served
    report = kf.verify(version)
    assert report.ok, report
    assert {f"{name}: batch of 32" for name in load_reference(version / FILE)} < {row.name for row in report.rows}
    # A captioner may have loops, nothing else may be larger.
    card = card_of(version)
    assert "+ 0.9)" in check_size(version, card)
    with pytest.raises(Failure, match=r"\+ 0.6\)"):
        check_size(version, {**card, "types": {}, "vocabulary_bytes": card["vocabulary_bytes"] - 100_000})


def test_only_plain_weights(served, tmp_path):
    _, _, model, some, _ = served
    for changes in ({"variant": "frozen"}, {"lite": True}):
        with pytest.raises(ValueError, match="exported with plain weights alone"):
            export_model(model, some.schema, tmp_path, {}, **changes)
