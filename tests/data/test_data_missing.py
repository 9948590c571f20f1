"""Modalities taken away: how often, from which rows, and that they look like missing ones."""

import numpy as np
import pytest
import tensorflow as tf
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.data.missing import drop_modalities, take_away
from kerasfusion.schema import Feature, Schema, Task

SCHEMA = Schema(
    features=(
        Feature("title", "text", ("title",), length=3, vocabulary=("a",)),
        Feature("body", "text", ("body",), length=2, vocabulary=("a",)),
        Feature("image", "image", ("photo",), size=(2, 2)),
        Feature("numbers", "numeric", ("x", "y"), length=2, mean=(1.5, -2.0), std=(1.0, 1.0)),
    ),
    tasks=(Task("label", "binary", "b", classes=("no", "yes")),),
)


def batch(rows, texts=None):
    """Inputs of ones that are all there; image-major with so many texts for each image."""
    shape = (rows,) if texts is None else (rows, texts)
    return {
        "title": tf.ones((*shape, 3), tf.int32),
        "body": tf.ones((*shape, 2), tf.int32),
        "image": tf.ones((rows, 2, 2, 3), tf.uint8),
        "numbers": tf.ones((*shape, 2)),
        "image_present": tf.ones(rows, bool),
        **{f"{name}_present": tf.ones(shape, bool) for name in ("title", "body", "numbers")},
    }


def test_what_is_taken_away_looks_like_what_was_never_there():
    lost = tf.constant([False, True])
    x = {name: value.numpy() for name, value in take_away(batch(2), SCHEMA.features, lost).items()}
    for name, missing in (("title", 0), ("body", 0), ("image", 0), ("numbers", [1.5, -2.0])):
        assert x[f"{name}_present"].tolist() == [True, False]
        assert (x[name][0] == 1).all() and (x[name][1] == missing).all()
        assert x[name].dtype == batch(2)[name].dtype


@pytest.mark.parametrize("texts", [None, 3])
def test_each_modality_goes_as_often_as_the_others(texts):
    rows, random = 20_000, np.random.default_rng(0).random((20_000, 1 + (texts or 1)), "float32")
    real = tf.ones((rows,) if texts is None else (rows, texts), bool)
    x = {k: v.numpy() for k, v in drop_modalities(batch(rows, texts), SCHEMA, real, random, 0.6).items()}
    gone = [~x[f"{name}_present"].reshape(rows, -1) for name in ("title", "image", "numbers")]
    gone = np.stack(np.broadcast_arrays(*gone, real.numpy().reshape(rows, -1))[:3])
    # A share of 0.2 of 20,000 rows has a standard error of 0.003.
    np.testing.assert_allclose(gone.mean(axis=(1, 2)), 0.2, atol=0.01)
    assert gone.sum(axis=0).max() == 1
    # Several texts go together.
    np.testing.assert_array_equal(x["title_present"], x["body_present"])
    np.testing.assert_array_equal(x["title"].any(-1), x["title_present"])
    np.testing.assert_array_equal(x["image"].any((1, 2, 3)), x["image_present"])


def test_the_last_modality_stays():
    x = {**batch(4), "title_present": tf.constant([False, False, True, False])}
    x["body_present"] = tf.constant([False] * 4)
    x["image_present"] = tf.constant([True, False, False, True])
    x["numbers_present"] = tf.constant([False, True, False, True])
    random = np.zeros((4, 2), "float32")  # whatever can go goes
    found = drop_modalities(x, SCHEMA, tf.ones(4, bool), random, 0.9)
    left = np.stack([found[f"{name}_present"].numpy() for name in ("title", "body", "image", "numbers")]).sum(axis=0)
    assert left.tolist() == [1, 1, 1, 1]
    assert not found["image_present"][3] and found["numbers_present"][3]


def test_a_image_stays_while_one_of_its_texts_needs_it():
    schema = SCHEMA.only("text", "image")
    x = {name: value for name, value in batch(3, 2).items() if "numbers" not in name}
    there = tf.constant([[True, False], [True, False], [True, True]])
    x["title_present"] = x["body_present"] = there
    # The second text of the first image is a row without text; that of the second only fills up the batch.
    real = tf.constant([[True, True], [True, False], [True, True]])
    random = np.array([[0, 0, 0], [0, 0, 0], [0.9, 0, 0.9]], "float32")
    found = drop_modalities(x, schema, real, random, 0.6)
    assert found["image_present"].numpy().tolist() == [True, False, True]
    assert found["title_present"].numpy().tolist() == [[False, False], [True, False], [False, True]]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame = color_table(folder, rows=40)
    frame["photo"] = frame["photo"].iloc[np.arange(40) // 3].to_numpy()
    frame.attrs.update(folder=str(folder))
    return kf.data.load(frame, image="photo", text="description", label="fits").splits["train"]


def losses(examples, image_major, batch_size=8, epoch=0, first_step=0, seed=5):
    """Whether each row kept its text and its image: the rows are told apart by their weights."""
    examples = examples.weighted(np.arange(1, 1 + len(examples), dtype="float32"))
    batches = BatchedDataset(examples, batch_size, image_major, shuffle=True, seed=seed, modality_dropout=0.7)
    batches.epoch, batches.first_step = epoch, first_step
    found = {}
    for x, _, w in batches.dataset():
        keys, text = w["label"].numpy(), x["text_present"].numpy()
        image = np.broadcast_to(x["image_present"].numpy().reshape(-1, *[1] * (keys.ndim - 1)), keys.shape)
        found.update({keys[i]: (text[i], image[i]) for i in zip(*np.nonzero(keys), strict=True)})
    return found


@pytest.mark.parametrize("image_major", [False, True])
def test_what_a_row_loses_depends_on_seed_and_epoch_alone(examples, image_major):
    whole = losses(examples, image_major)
    assert len(whole) == len(examples)
    assert {(False, True), (True, False), (True, True)} == set(whole.values())
    assert whole == losses(examples, image_major, batch_size=5)
    rest = losses(examples, image_major, first_step=2)
    assert rest and all(whole[key] == lost for key, lost in rest.items())
    assert whole != losses(examples, image_major, epoch=1) and whole != losses(examples, image_major, seed=6)


def test_baselines_of_one_modality_lose_nothing(examples):
    alone = examples.with_features(examples.schema.only("text"))
    for x, *_ in BatchedDataset(alone, 8, modality_dropout=0.9).dataset():
        assert x["text_present"].numpy().all()


def test_the_rate_is_a_probability():
    with pytest.raises(ValueError, match="from 0 up to but not 1, not 1"):
        kf.training.TrainingConfig(modality_dropout=1)
