"""Features of a frozen network, computed once, train the same model as its pixels do."""

import sys

import keras
import numpy as np
import pytest
from tables import caption_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.encoders import IMAGE_ENCODERS
from kerasfusion.encoders.image import ApplicationEncoder
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.models import TrainingWrapper, image_major

CONFIG = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2}


@keras.saving.register_keras_serializable("tests")
class TinyEncoder(ApplicationEncoder):
    """An application of two convolutions and a normalization that has seen other images before."""

    last_blocks = ("late",)
    last_frozen = "early_dropout"

    def make(self, weights, shape):
        normalization = keras.layers.BatchNormalization(name="early_normalization")
        layers = [
            keras.layers.Conv2D(6, 8, 8, name="early"),
            normalization,
            keras.layers.Dropout(0.5, name="early_dropout"),
            keras.layers.Conv2D(5, 1, activation="relu", name="late"),
        ]
        network = keras.Sequential([keras.Input(shape), *layers])
        normalization.moving_mean.assign(keras.ops.linspace(-0.1, 0.1, 6))
        return keras.Model(network.inputs, network.outputs)

    def scale(self, pixels):
        return pixels * 2.0 - 1.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs of images and captions; as `label`, what the caption says of the sky."""
    folder = tmp_path_factory.mktemp("captions")
    table = caption_table(folder, images=24)
    table["sky"] = table["caption"].str.split().str[0]
    table["split"] = np.repeat(["train", "train", "validation", "test"] * 6, 2)
    table.attrs.update(folder=str(folder))
    columns = {"image": "photo", "text": "caption", "split": "split", "image_size": 32}
    return {
        "match": kf.data.load(table.drop(columns="sky"), problem_type="retrieval", **columns),
        "label": kf.data.load(table, label="sky", **columns),
    }


def make(data, model, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMAGE_ENCODERS, "tiny", TinyEncoder)
        keras.utils.set_random_seed(0)
        image = {"name": "tiny", "fine_tune": "none", **changes}
        settings = {"text_encoder": "average", "units": 8, "dropout": 0.0}
        return kf.create_model(model, data.schema, image_encoder=image, **settings)


def fit(model, data, folder, **config):
    config = kf.training.TrainingConfig(**CONFIG, **config)
    return kf.training.fit(model, data.splits["train"], data.splits["validation"], config, folder)


def test_features_train_the_same_weights_as_pixels(data, tmp_path, messages):
    data = data["match"]
    learning = {"fine_tune": "last_blocks", "flip_tta": True, "units": None}
    ours, theirs = (make(data, "dual_gru_mobilenet", **learning) for _ in range(2))
    start = ours.get_weights()
    cost = fit(ours, data, tmp_path / "features")
    theirs.encoders["image"].frozen_backbone = None
    same = fit(theirs, data, tmp_path / "pixels")
    assert "make of 18 images is computed once and kept in memory (0 MiB, float32)" in messages[0]
    for a, b in zip(cost["history"], same["history"], strict=True):
        assert (a["loss"], a["val_loss"]) == pytest.approx((b["loss"], b["val_loss"]), rel=1e-4)
    for weight, a, b in zip(ours.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=weight.path)
    still = [w.path for w, before in zip(ours.weights, start, strict=True) if np.array_equal(w, before)]
    assert len(still) == 6 and all("early" in path for path in still)
    # What is left takes pixels.
    loaded = keras.saving.load_model(tmp_path / "features" / "model.keras")
    cosines = [kf.evaluation.predict_logits(model, data.splits["test"])["match"] for model in (loaded, theirs)]
    np.testing.assert_allclose(*cosines, atol=1e-3)


@pytest.mark.parametrize("together", [True, False])
def test_fused_models_do_as_well_on_features(data, together):
    model = make(data["label"], "classifier_sum", global_pool=True)
    some = data["label"].splits["validation"].take([0, 1, 2, 3])
    (cached,) = frozen_features(model, [some])
    (pixels, *_), (features, *_) = (next(iter(BatchedDataset(e, 4, together).dataset())) for e in (some, cached))
    twins = (image_major(model), image_major(model)) if together else (model, TrainingWrapper(model))
    assert features["image_features"].shape == (2 if together else 4, 1, 1, 5)
    logits, ours = (twin(x)["label"] for twin, x in zip(twins, (pixels, features), strict=True))
    np.testing.assert_allclose(ours, logits, atol=1e-5)
    assert {id(w) for w in twins[1].trainable_weights} == {id(w) for w in model.trainable_weights}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("augmentation", [None, "light"])
def test_images_that_change_have_no_features_to_keep(data, tmp_path, monkeypatch, messages, together, augmentation):
    twins = []

    def stop(model, *arguments, **settings):
        twins.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["kerasfusion.training.fit"], "compile_model", stop)
    model = make(data["label"], "classifier_sum")
    with pytest.raises(KeyboardInterrupt):
        fit(model, data["label"], tmp_path, augmentation=augmentation, image_major=together)
    assert len(messages) == (0 if augmentation else 1)
    assert (twins[0] is model) == (bool(augmentation) and not together)


def test_a_network_sees_each_image_once(data, tmp_path, monkeypatch):
    rows = []
    scale = TinyEncoder.scale
    monkeypatch.setattr(TinyEncoder, "scale", lambda self, x: rows.append(x.shape[0]) or scale(self, x))
    model = make(data["match"], "dual_gru_mobilenet")
    rows.clear()
    splits = [data["match"].splits[name] for name in ("train", "validation")]
    cached = frozen_features(model, splits)
    # Once for the shape; 12 images and 6, and with both the one that stands for a missing image.
    assert rows == [1, 13, 7]
    bank, pixels = cached[0].banks["image"], splits[0].banks["image"]
    index = splits[0].arrays["image"][:5]
    features, present = bank.fetch(np.append(index, -1))
    expected = model.get_layer("encode_image").features(pixels.fetch(np.append(index, -1))[0])
    np.testing.assert_allclose(features, expected, atol=1e-6)
    np.testing.assert_array_equal(present, [True] * 5 + [False])
    # An image of another split was never seen: there is nothing to train on by mistake.
    with pytest.raises(Exception, match="is not in"):
        bank.fetch(splits[1].arrays["image"][:1])


def test_features_that_are_too_large_are_stored_in_half_or_not_at_all(data, messages):
    model = make(data["match"], "dual_gru_mobilenet")
    splits = [data["match"].splits[name] for name in ("train", "validation")]
    bytes_in_half = 20 * 4 * 4 * 5 * 2
    cached = frozen_features(model, splits, memory_limit=bytes_in_half)
    assert "float16" in messages[0] and cached[1].banks["image"].fetch(np.array([-1]))[0].dtype == "float16"
    assert frozen_features(model, splits, memory_limit=bytes_in_half - 1) is splits
    assert "more than the limit" in messages[1] and "recomputed in every epoch" in messages[1]


def test_a_network_that_learns_is_left_alone(data):
    splits = [data["match"].splits[name] for name in ("train", "validation")]
    learning = make(data["match"], "dual_gru_mobilenet", fine_tune="all")
    assert frozen_features(learning, splits, pytest.fail) is splits
