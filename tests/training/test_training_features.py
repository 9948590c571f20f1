"""What is learned where there is no task: the features themselves, whole, of what is left of them."""

import io

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.training import checkpoint

ROWS = 24


@pytest.fixture(scope="module")
def splits():
    rows = []
    for i in range(ROWS):
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 10 * i, "uint8")).save(file, "PNG")
        split = ("train", "train", "validation", "test")[i % 4]
        rows.append({"image": file.getvalue(), "text": ("dark", "light")[i > 11], "split": split})
    data = kf.data.load(
        pd.DataFrame(rows), image="image", text="text", split="split", problem_type="retrieval", image_size=8
    )
    schema = kf.Schema(data.schema.features, tasks=())
    return {name: examples.with_features(schema) for name, examples in data.splits.items()}


def test_labels_are_the_features_before_any_was_dropped(splits):
    batches = BatchedDataset(splits["train"], 12, shuffle=True, seed=1, modality_dropout=0.9)
    batch = next(iter(batches.dataset()))
    x, y, w = ({key: value.numpy() for key, value in part.items()} for part in batch)
    lost = {name: ~x[f"{name}_present"] for name in ("image", "text")}
    assert lost["image"].any()
    assert lost["text"].any()
    assert not (lost["image"] & lost["text"]).any()
    for name in ("image", "text"):
        assert (x[name][lost[name]] == 0).all()
        np.testing.assert_array_equal(x[name][~lost[name]], y[name][~lost[name]])
        assert (w[name] == 1).all()
    # Nothing was lost on the other side: the lightness still says which word it was.
    words = splits["train"].schema["text"].vocabulary
    assert [words[ids[0] - 4] for ids in y["text"]] == [("dark", "light")[int(p[0, 0, 0] > 110)] for p in y["image"]]


def test_what_was_never_there_is_not_learned(splits):
    rows = splits["train"].take(np.arange(2))
    arrays = {**rows.arrays, "image": np.array([-1, rows.arrays["image"][1]], "int32")}
    x, _, w = next(iter(BatchedDataset(type(rows)(**{**vars(rows), "arrays": arrays}), 2).dataset()))
    assert x["image_present"].numpy().tolist() == [False, True]
    assert w["image"].numpy().tolist() == [0, 1]
    assert w["text"].numpy().tolist() == [1, 1]


@pytest.mark.slow
def test_fit_learns_to_fill_in(splits, tmp_path):
    schema = splits["train"].schema
    small = {"name": "small_cnn", "filters": (4,), "flatten": True}
    model = kf.models.autoencoder(schema, "average", small, units=8, latent_dim=2, filters=(8, 8))
    config = kf.training.TrainingConfig(epochs=4, batch_size=4, learning_rate=2e-2, modality_dropout=2 / 3)
    often = splits["train"].take(np.tile(np.arange(len(splits["train"])), 12))
    found = kf.training.fit(model, often, splits["validation"], config, tmp_path)
    losses = [row["val_loss"] for row in found["history"]]
    assert min(losses) < 0.5 * losses[0]
    words = [4 + schema["text"].vocabulary.index(word) for word in ("dark", "light")]
    said = {"text": np.array(words, "int32")[:, None], "text_present": np.ones(2, bool)}
    unseen = {"image": np.zeros((2, 8, 8, 3), "uint8"), "image_present": np.zeros(2, bool)}
    dark, light = np.mean(model({**said, **unseen})["image"], axis=(1, 2, 3))
    assert dark < light - 0.5


@pytest.mark.slow
def test_an_interrupted_training_ends_as_a_whole_one(splits, tmp_path, monkeypatch):
    """Of what is drawn by chance, too: the code, the noise on pixels and words, which modality is lost."""
    schema = splits["train"].schema
    often = splits["train"].take(np.tile(np.arange(len(splits["train"])), 2))
    config = kf.training.TrainingConfig(epochs=3, batch_size=2, learning_rate=1e-2, modality_dropout=0.5)

    def train(folder, resume=False):
        keras.utils.set_random_seed(0)
        small = {"name": "small_cnn", "filters": (4,), "flatten": True}
        drawn = {"noise_stddev": 0.2, "kl_weight": 0.01}
        model = kf.models.autoencoder(schema, "average", small, units=8, latent_dim=2, filters=(8, 8), **drawn)
        kf.training.fit(model, often, splits["validation"], config, tmp_path / folder, resume=resume)
        return model

    whole, before = train("whole"), checkpoint.Checkpoint.on_train_batch_end

    def pressing(self, batch, logs=None):
        self.interruption.asked = self.epoch == 1 and batch == 7
        before(self, batch, logs)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint.Checkpoint, "on_train_batch_end", pressing)
        train("part")
    resumed = train("part", resume=True)
    for ours, theirs in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
