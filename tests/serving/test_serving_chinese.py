"""Exports of models by Chinese words in TensorFlow's C API: strings and bytes in, odd ones among them."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.evaluation import embed_texts, generate_captions
from kerasfusion.serving import CApiSession
from kerasfusion.serving.exporting import export_model

TEXTS = ["红色的圆在上面", "蓝色的方块", "圆在方块的左边", "红色的方块", "方块在上面", "蓝色的圆"]
ODD = ["", "红色dog的圆", "红色🐶的圆", "Ａ１红色的圆", "紅色的圓", "。", "红色的圆" * 40]
SMALL = {"name": "small_cnn", "filters": (4,)}

# Three exports and their verification.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table():
    return pd.DataFrame({"photo": [png_bytes(n) for n in range(24)], "caption": TEXTS * 4})


@pytest.fixture(scope="module", params=["words", "jieba"])
def matched(request, table, tmp_path_factory):
    if request.param == "jieba":
        pytest.importorskip("jieba")
    data = kf.data.load(
        table, image="photo", text="caption", problem_type="retrieval", image_size=16, tokenizer=request.param
    )
    keras.utils.set_random_seed(0)
    model = kf.models.dual_encoder(data.schema, text_encoder="average", image_encoder=SMALL, units=8)
    examples = data.splits["train"].take(range(4))
    base = tmp_path_factory.mktemp("exports") / "matched"
    version = export_model(model, data.schema, base, examples.raw_inputs())
    with CApiSession(version) as session:
        yield session, version, data, model, examples


def test_a_matched_export_is_verified_and_equals_training(matched):
    session, version, data, model, examples = matched
    assert kf.verify(version).ok
    raw = examples.raw_inputs()
    found = session.run("embed_text", {"text": raw["text"]})["embedding"]
    np.testing.assert_allclose(found, embed_texts(model, examples), atol=1e-5)
    schema = kf.Schema.from_dict(json.loads(json.dumps(data.schema.to_dict())))
    assert schema == data.schema
    assert (schema["text"].tokenizer == "words") == ("红" in schema["text"].vocabulary)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_text_has_an_answer_and_leaves_others_alone(matched, odd):
    session = matched[0]
    usual = "蓝色的方块".encode()
    alone = session.run("embed_text", {"text": [usual]})["embedding"]
    found = session.run("embed_text", {"text": [odd.encode(), usual]})["embedding"]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:], alone, atol=1e-6)


def test_what_is_unknown_is_a_token_of_its_own(matched):
    data = matched[2]
    vectorize = kf.preprocessing.text_vectorizer(data.schema["text"])

    def unknown(text):
        ids = vectorize(np.array([text], object)).numpy()[0]
        return int((ids == 1).sum()), int((ids > 1).sum())

    by_word = data.schema["text"].tokenizer == "longest_match"
    known = 3 if by_word else 4
    assert unknown("红色的圆") == (0, known)
    # 🐶, a full-width letter, and an ASCII word.
    assert unknown("🐶红色的圆") == unknown("红色的圆Ａ") == unknown("红色的dog圆") == (1, known)
    # Of four characters, 色 and 的 are the same in traditional writing; the word model knows 色 only within words.
    assert unknown("紅色的圓") == ((3, 1) if by_word else (2, 2))


def test_images_that_are_empty_or_corrupt_are_flagged(matched):
    session, _, _, _, examples = matched
    image = examples.raw_inputs()["image_bytes"][0]
    found = session.run("embed_image", {"image_bytes": [image, b"", image[:20], b"no image"]})
    assert found["image_ok"].tolist() == [True, False, False, False] and np.isfinite(found["embedding"]).all()


def test_a_captioner_by_word_in_the_c_api(table, tmp_path):
    pytest.importorskip("jieba")
    settings = {"image": "photo", "label": "caption", "problem_type": "captioning", "image_size": 16}
    data = kf.data.load(table, **settings, tokenizer="jieba")
    (task,) = data.schema.tasks
    assert task.tokenizer == "longest_match" and {"红色", "方块"} <= set(task.vocabulary)
    keras.utils.set_random_seed(2)
    model = kf.models.captioner(data.schema, image_encoder=SMALL, decoder="lstm", units=8)
    some = data.splits["train"].take(range(2))
    images = some.raw_inputs()["image_bytes"]
    version = export_model(model, data.schema, tmp_path / "captioner", {"image_bytes": images})
    assert kf.verify(version).ok
    with CApiSession(version) as session:
        assert [text.decode() for text in session.run("caption", request(images, ["", ""]))["caption"]] == (
            generate_captions(model, some)
        )
        prompts = ["红色的", "紅dog方块"]
        found = session.run("caption", request([images[0], b""], prompts))
    captions = [text.decode() for text in found["caption"]]
    assert captions[0].startswith("红色的") and captions[1].startswith("紅dog方块")
    assert found["image_ok"].tolist() == [True, False]


def request(images, prompts):
    return {"image_bytes": images, "prompt": [p.encode() for p in prompts], "strategy": [b"greedy"] * len(prompts)}
