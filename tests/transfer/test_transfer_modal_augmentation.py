"""Tags read behind a text, and vectors predicted where a feature is missing."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

import kerasfusion as kf
from kerasfusion.layers import ModalityImputer, TagTokenAppender
from kerasfusion.models import fusion_model, get_heads
from kerasfusion.schema import Schema, Task
from kerasfusion.transfer import append_tags, impute_modality

SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 6}
TAGS = Task("tags", "multilabel", "tags", ("a", "big red", "z"))


def outputs(model, batch):
    return np.array(model({name: batch[name] for name in model.input})["label"])


def without(batch, *names):
    return {**batch, **{f"{name}_present": np.zeros_like(batch[f"{name}_present"]) for name in names}}


def test_tags_are_written_behind_the_words_the_likeliest_first():
    layer = TagTokenAppender([[7, 0], [8, 9], [5, 0]], max_tags=2)
    ids = np.array([[4, 6, 0], [4, 6, 6], [0, 0, 0], [4, 0, 0]], "int32")
    logits = np.array([[1.0, 2.0, 0.5], [-1, -2, 3], [1, -1, -1], [5, 5, 5]], "float32")
    found = layer(ids, logits, np.array([True, True, True, False]))
    expected = [[4, 6, 8, 9, 7, 0, 0], [4, 6, 6, 5, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found, expected)
    # Of classes the likeliest, be it likely or not.
    one = TagTokenAppender([[7, 0], [8, 9], [5, 0]], mutually_exclusive=True)
    np.testing.assert_array_equal(one(ids[:1], -logits[:1], np.array([True])), [[4, 6, 5, 0, 0]])
    again = TagTokenAppender.from_config(layer.get_config())
    np.testing.assert_array_equal(again(ids, logits, np.array([True, True, True, False])), expected)
    symbolic = layer(keras.Input((3,), dtype="int32"), keras.Input((3,)), keras.Input((), dtype="bool"))
    assert symbolic.shape == (None, 7) and symbolic.dtype == "int32"


@pytest.fixture
def tagger(tiny_schema):
    """Its logits are the same for any image: "big red", then "a"."""
    model = fusion_model(Schema(tiny_schema.only("image").features, (TAGS,)), **SMALL)
    kernel = model.get_layer("head_tags").get_weights()[0]
    model.get_layer("head_tags").set_weights([0 * kernel, np.array([1, 2, -1])])
    return model


def test_a_reader_reads_what_the_tagger_sees(tiny_schema, rows_for, tagger, tmp_path):
    seen = []

    def build(schema):
        seen.append(schema)
        return fusion_model(schema, **SMALL)

    model = append_tags(tagger, TAGS, tiny_schema, build, max_tags=2)
    (longer,) = seen[0].of_kind("text")
    assert (longer.vocabulary, longer.length) == ((*"abcdefghi", "big", "red", "z"), 6 + 2 * 2)
    assert {name: tensor.shape for name, tensor in model.input.items()} == {
        name: tensor.shape for name, tensor in kf.models.make_inputs(tiny_schema).items()
    }
    # "a" is word 4, "big" and "red" are 13 and 14: what the reader alone says of the texts with these words.
    batch = rows_for(tiny_schema, 5)
    reader = build(seen[0])
    own = {layer.name: layer for layer in model.layers}
    for layer in reader.layers:
        layer.set_weights(own[layer.name].get_weights())
    words = [[i for i in row if i] + [13, 14, 4] for row in batch["text"].tolist()]
    longer_ids = np.array([row + [0] * (10 - len(row)) for row in words], "int32")
    expected = outputs(reader, {**batch, "text": longer_ids})
    np.testing.assert_allclose(outputs(model, batch), expected, rtol=1e-5, atol=1e-6)
    # A row without a text has words all the same; without an image nothing is written.
    bare = {**without(batch, "text"), "text": 0 * batch["text"]}
    only_tags = np.tile(np.array([13, 14, 4] + [0] * 7, "int32"), (5, 1))
    expected = outputs(reader, {**batch, "text": only_tags})
    np.testing.assert_allclose(outputs(model, bare), expected, rtol=1e-5, atol=1e-6)
    blind = without(batch, "image")
    unchanged = np.concatenate([batch["text"], np.zeros((5, 4), "int32")], axis=1)
    expected = outputs(reader, {**blind, "text": unchanged})
    np.testing.assert_allclose(outputs(model, blind), expected, rtol=1e-5, atol=1e-6)

    assert list(get_heads(model)) == ["label"]
    trained = {weight.path.split("/")[0] for weight in model.trainable_variables}
    assert trained == {"encode_text", "encode_image", "fusion", "head_label"}
    model.save(tmp_path / "reader.keras")
    again = keras.saving.load_model(tmp_path / "reader.keras")
    np.testing.assert_array_equal(outputs(again, batch), outputs(model, batch))
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_taggers_that_do_not_fit(tiny_schema, tagger):
    def build(schema):
        raise AssertionError

    with pytest.raises(ValueError, match=r"whose outputs are tags. Received: 'price' of type regression"):
        append_tags(tagger, Task("price", "regression", "price"), tiny_schema, build)
    with pytest.raises(ValueError, match=r"must have one text. Received: 0 texts"):
        append_tags(tagger, TAGS, tiny_schema.only("image"), build)
    larger = Schema((tiny_schema["text"], dataclasses.replace(tiny_schema["image"], size=(24, 24))), ())
    with pytest.raises(ValueError, match=r"takes image \(16, 16, 3\), but the images .* are image \(24, 24, 3\)"):
        append_tags(tagger, TAGS, larger, build)
    reading = fusion_model(Schema(tiny_schema.features, (TAGS,)), **SMALL)
    with pytest.raises(ValueError, match=r"takes text \(6,\) and image .* on a single image"):
        append_tags(reading, TAGS, tiny_schema, build)


@pytest.fixture
def at_once(monkeypatch):
    """Vectors of all rows without the cost of `predict`."""

    def predict(model, examples):
        pixels, seen = examples.banks["image"].fetch(examples.arrays["image"])
        x = {"image": np.array(pixels), "image_present": np.array(seen), "text": examples.arrays["text"]}
        x["text_present"] = (x["text"] != 0).any(axis=1)
        return {key: np.array(value) for key, value in model({name: x[name] for name in model.input}).items()}

    monkeypatch.setattr("kerasfusion.transfer.features.predict_logits", predict)


class Images:
    """A bank of given pixels."""

    def __init__(self, pixels):
        self.pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])

    def fetch(self, index):
        return tf.gather(self.pixels, tf.where(index < 0, len(self.pixels) - 1, index)), index >= 0


@pytest.fixture
def pairs(tiny_schema, rows_for):
    """Twelve rows; the first has no image, the second no text."""
    batch = rows_for(tiny_schema, 12)
    text, places = batch["text"].copy(), np.arange(12, dtype="int32")
    text[1], places[0] = 0, -1
    examples = kf.data.Examples(
        tiny_schema, pd.DataFrame(index=range(12)), {"text": text, "image": places},
        {"text": (text != 0).any(axis=1), "image": places >= 0}, {"image": Images(batch["image"])}, {}, {},
    )  # fmt: skip
    return examples, {**batch, "text": text}


def vector(model, name, batch):
    return np.array(model.get_layer(f"encode_{name}")(batch[name])["pooled"])


def test_missing_vectors_are_predicted_from_the_other(tiny_schema, pairs, at_once, tmp_path):
    examples, batch = pairs
    model = fusion_model(tiny_schema, **SMALL)
    once = impute_modality(model, examples, missing="image", given="text", alpha=0.1)
    filled = impute_modality(once, examples, missing="text", given="image", alpha=0.1)
    vectors = {name: vector(model, name, batch) for name in ("text", "image")}
    fusion, head, there = model.get_layer("fusion"), model.get_layer("head_label"), np.ones(12, bool)

    def expected(missing, given):
        # Rows 0 and 1 lack one of the two.
        ridge = Ridge(0.1).fit(vectors[given][2:], vectors[missing][2:])
        both = {given: vectors[given], missing: ridge.predict(vectors[given])}
        return np.array(head(fusion(both, present={"text": there, "image": there})))

    blind, mute, nothing = (without(batch, *names) for names in (["image"], ["text"], ["image", "text"]))
    for one in (once, filled):
        np.testing.assert_array_equal(outputs(one, batch), outputs(model, batch))
        np.testing.assert_allclose(outputs(one, blind), expected("image", "text"), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(outputs(one, nothing), outputs(model, nothing))
    np.testing.assert_allclose(outputs(filled, mute), expected("text", "image"), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs(once, mute), outputs(model, mute))

    filled.save(tmp_path / "filled.keras")
    again = keras.saving.load_model(tmp_path / "filled.keras")
    np.testing.assert_array_equal(outputs(again, blind), outputs(filled, blind))
    # The fused representation is that of the vector that was filled in, as an export's `embed` gives it.
    fused_vector = keras.Model(again.input, again.get_layer("fusion").output)
    np.testing.assert_allclose(head(fused_vector(blind)), outputs(filled, blind), rtol=1e-5, atol=1e-6)


def test_a_text_with_tags_predicts_a_image_by_its_own_words_alone(tiny_schema, pairs, tagger, at_once):
    examples, batch = pairs
    model = append_tags(tagger, TAGS, tiny_schema, lambda schema: fusion_model(schema, **SMALL))
    predict = (
        impute_modality(model, examples, missing="image", given="text", alpha=0.1).get_layer("fill_in_image").dense
    )
    words = vector(model, "text", {"text": np.pad(batch["text"], ((0, 0), (0, 6)))})
    ridge = Ridge(0.1).fit(words[2:], vector(model, "image", batch)[2:])
    np.testing.assert_allclose(predict.bias, ridge.intercept_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predict.kernel, ridge.coef_.T, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_filled_in(tiny_schema, pairs):
    examples, _ = pairs
    model = fusion_model(tiny_schema, **SMALL)
    with pytest.raises(ValueError, match=r"must be two of text, image. Received: missing='photo', given='text'"):
        impute_modality(model, examples, missing="photo", given="text")
    with pytest.raises(ValueError, match="no row has both image and text"):
        impute_modality(model, examples.take([0, 1]), missing="image", given="text")
    attending = fusion_model(tiny_schema, **{**SMALL, "fusion": "stacked_attention"})
    with pytest.raises(ValueError, match="no fusion of pooled vectors for 'image'"):
        impute_modality(attending, examples, missing="image", given="text")


def test_filled_in_by_hand():
    layer = ModalityImputer()
    vector, other = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([[1.0], [10.0], [0.0]])
    there, other_there = np.array([True, False, False]), np.array([False, True, False])
    layer.build((None, 2), (None, 1), (None,), (None,))
    layer.set_weights([np.array([[2.0, 3.0]]), np.array([0.5, 0.0])])
    found, known = layer(vector, other, there, other_there)
    np.testing.assert_array_equal(found, [[1, 2], [20.5, 30], [0.5, 0]])
    assert np.array(known).tolist() == [True, True, False]
    symbols = layer(keras.Input((2,)), keras.Input((1,)), *(keras.Input((), dtype="bool") for _ in range(2)))
    assert [tensor.shape for tensor in symbols] == [(None, 2), (None,)]
