"""The wide path: a linear model of hashed n-grams beside a network."""

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.layers import NGramLinear
from kerasfusion.layers.ngrams import hash_ngrams
from kerasfusion.losses import SmoothedCrossentropy
from kerasfusion.models import fusion_model, unimodal


def test_it_is_a_linear_model_of_distinct_ngrams():
    ids = np.array([[4, 5, 4, 5, 9], [7, 1, 8, 0, 0], [0, 0, 0, 0, 0]], "int32")
    layer = NGramLinear(2, buckets=1009, scale=3.0)
    layer.build(ids.shape)
    assert not np.array(layer(ids)).any()
    table = np.random.default_rng(0).normal(size=(1010, 2)).astype("float32")
    layer.table.assign(table)

    def row(*ngram):
        hashed = ngram[0]
        for n, token in enumerate(ngram[1:], 2):
            hashed = hashed % 65521 * 16381 + token % 32749 * 31357 + n
        return hashed % 1009

    ngrams = [[(4,), (5,), (9,), (4, 5), (5, 4), (5, 9)], [(7,), (8,)]]  # none with the unknown word, 1
    expected = [3 * sum(table[row(*g)] for g in found) / len(found) ** 0.5 for found in ngrams]
    np.testing.assert_allclose(np.array(layer(ids)), [*expected, [0, 0]], rtol=1e-5)


def test_hashes_stay_in_the_table_for_any_ids():
    ids = np.array([[4, 2**31 - 1, 2**31 - 5, 70_000, 65_535]], "int32")
    rows = np.array(hash_ngrams(keras.ops.convert_to_tensor(ids), 4, 97))
    assert rows.shape == (1, 5 + 4 + 3 + 2) and rows.min() >= 0 and rows.max() < 97


def test_a_model_adds_it_to_the_logits_of_present_texts(schema_for, rows_for, tmp_path):
    schema = schema_for("classifier_concat")
    model = fusion_model(schema, text_encoder="average", units=8, wide=2, label_smoothing=0.1)
    batch = rows_for(schema, 8, present=0.5)
    present = np.array(batch["text_present"])
    assert present.any() and not present.all()
    task = schema.tasks[0].name
    before = np.array(model(batch)[task])
    layer = model.wide["text"]
    layer.table.assign(np.random.default_rng(0).normal(size=layer.table.shape))
    after = np.array(model(batch)[task])
    added = np.where(present[:, None], np.array(layer(batch["text"])), 0)
    np.testing.assert_allclose(after, before + added, atol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(batch)[task]), after)
    assert loaded.heads[task].label_smoothing == 0.1
    # A baseline has the model's own branches: the text alone its wide path, the image alone none.
    assert set(unimodal(model, schema, "text").wide) == {"text"} and not unimodal(model, schema, "image").wide
    assert unimodal(model, schema, "text").heads[task].label_smoothing == 0.1


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_smoothed_crossentropy_is_that_of_one_hot_labels(smoothing):
    logits = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    labels = np.array([0, 1, 2, 3, 4, 1])
    reference = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    expected = float(reference(np.eye(5, dtype="float32")[labels], logits))
    assert float(SmoothedCrossentropy(smoothing)(labels, logits)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="share"):
        SmoothedCrossentropy(1.0)


def test_chinese_texts_get_longer_ngrams(schema_for):
    import dataclasses

    schema = schema_for("text_only")
    feature = dataclasses.replace(schema["text"], vocabulary=tuple("红色圆形"))
    model = kf.create_model("wide_deep", dataclasses.replace(schema, features=(feature,)), units=8)
    assert model.wide["text"].max_n == 4
