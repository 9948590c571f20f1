"""A network cut at a layer, what it gives kept, and other tasks learned from that."""

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import predict_logits
from kerasfusion.models import fusion_model
from kerasfusion.transfer import add_features, extract_features, feature_extractor, linear_probe, replace_head

IMAGE = {"name": "small_cnn", "filters": (4,)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    table = color_table(folder).drop(columns=["tags", "patient", "shade", "age"])
    table["photo"] = np.repeat(table["photo"][::2], 2).tolist()  # each image is in two rows
    table["color"] = np.repeat(table["color"][::2], 2).tolist()
    table["split"] = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    table.attrs.update(folder=str(folder))
    return kf.data.load(table, image="photo", text="description", label="color", split="split", image_size=16)


@pytest.fixture
def parent(data):
    """It knows another task."""
    schema = kf.Schema(data.schema.features, (kf.Task("sharp", "binary", "", ("no", "yes")),))
    return fusion_model(schema, text_encoder="average", image_encoder=IMAGE, units=8)


def batch(data, rows=6):
    return next(iter(kf.data.BatchedDataset(data.splits["train"], rows).dataset()))[0]


def test_a_cut_has_the_layer_and_the_inputs_it_needs(data, parent):
    part, x = feature_extractor(parent, "encode_image"), batch(data)
    assert sorted(part.input) == ["image", "image_present"]
    vectors = parent.get_layer("encode_image")(x["image"])["pooled"]
    np.testing.assert_array_equal(part({name: x[name] for name in part.input})["features"], vectors)
    assert part.get_layer("encode_image") is parent.get_layer("encode_image")
    assert sorted(feature_extractor(parent, "encode_text").input) == ["text", "text_present"]
    assert len(feature_extractor(parent, "fusion").input) == 4
    head = parent.get_layer("head_sharp")
    fusion = np.array(feature_extractor(parent, "fusion")(x)["features"])
    np.testing.assert_allclose(head(fusion), parent(x)["sharp"], rtol=1e-6)


def test_a_grid_is_averaged():
    inputs = {"image": keras.Input((4, 4, 3), name="image"), "image_present": keras.Input((), name="image_present")}
    grid = keras.layers.Conv2D(2, 2, name="grid")(inputs["image"])
    model = keras.Model(inputs, {"label": keras.layers.Flatten()(grid)})
    x = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype("float32")
    cells = np.array(model.get_layer("grid")(x))
    found = feature_extractor(model, "grid")({"image": x, "image_present": np.ones(5)})["features"]
    np.testing.assert_allclose(found, cells.mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_unknown_layers_and_lacking_inputs(data, parent):
    with pytest.raises(ValueError, match=r"has no layer 'encode_imgae'. Did you mean 'encode_image'"):
        feature_extractor(parent, "encode_imgae")
    with pytest.raises(ValueError, match=r"has no layer 'zzz'. It has .*encode_text.*fusion, head_sharp"):
        feature_extractor(parent, "zzz")
    text_only = data.splits["test"].with_features(data.schema.only("text"))
    with pytest.raises(ValueError, match=r"'fusion' of .* needs image, which the rows do not have"):
        extract_features(parent, "fusion", text_only)


def test_features_of_rows_and_as_a_feature(data, parent, monkeypatch):
    train, test = data.splits["train"], data.splits["test"]
    found = extract_features(parent, "encode_image", train)
    x = batch(data, 40)
    np.testing.assert_allclose(found, parent.get_layer("encode_image")(x["image"])["pooled"], rtol=1e-5, atol=1e-6)
    seen = []

    def predict(model, examples):
        seen.append(len(examples))
        return predict_logits(model, examples)

    monkeypatch.setattr("kerasfusion.transfer.features.predict_logits", predict)
    train, test = add_features(parent, "encode_image", [train, test], name="seen")
    assert seen == [20, 5]  # images, not rows
    feature = train.schema["seen"]
    assert (feature.kind, feature.length, test.schema) == ("numeric", 8, train.schema)
    np.testing.assert_allclose(feature.mean, found.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(train.arrays["seen"], found)
    # Features of images as input of a model that reads.
    reader = fusion_model(train.schema.only("text", "numeric"), text_encoder="average", units=4)
    assert sorted(reader.input) == ["seen", "seen_present", "text", "text_present"]
    assert predict_logits(reader, test)["label"].shape == (10, 3)


def test_a_head_on_frozen_features(data, parent, tmp_path):
    train, validation, test = (data.splits[name] for name in ("train", "validation", "test"))
    before = parent.get_weights()
    fresh = replace_head(parent, "encode_image", data.schema)
    assert sorted(fresh.input) == ["image", "image_present"]
    assert fresh.get_layer("encode_image") is not parent.get_layer("encode_image")
    config = kf.training.TrainingConfig(epochs=4, batch_size=2, learning_rate=0.3, patience=None)
    probe = linear_probe(parent, "encode_image", train, validation, config, tmp_path)
    for mine, theirs in zip(parent.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(
        probe.get_layer("encode_image").get_weights(), parent.get_layer("encode_image").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    # From pixels on, one of three colors.
    right = predict_logits(probe, test)["label"].argmax(axis=1) == test.labels["label"]
    assert right.mean() == 1.0
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = {name: batch(data)[name] for name in probe.input}
    np.testing.assert_array_equal(again(x)["label"], probe(x)["label"])
    with pytest.raises(ValueError, match="remove augmentation"):
        linear_probe(
            parent, "encode_image", train, validation, kf.training.TrainingConfig(augmentation="light"), tmp_path
        )
