"""The networks of keras.applications as encoders: scaling, what learns, where weights come from.

They are slow to build, so each is built once where that will do, and VGG16, the quickest, stands for all in the rest.
"""

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.encoders import IMAGE_ENCODERS, EfficientNetB0Encoder, MobileNetV2Encoder, VGG16Encoder
from kerasfusion.models import image_major, unimodal

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
APPLICATIONS = {
    "vgg16": keras.applications.vgg16,
    "resnet50": keras.applications.resnet50,
    "mobilenet_v2": keras.applications.mobilenet_v2,
}


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


def learning(encoder):
    """Names of the layers of an encoder's network that hold trainable weights."""
    return {layer.name for layer in encoder.backbone.layers if layer.trainable_weights}


@pytest.mark.parametrize("kind", sorted(APPLICATIONS))
def test_pixels_are_scaled_as_the_application_does(kind):
    pixels = np.array([[[[0, 51, 255], [255, 128, 1]]]], "float32")
    expected = APPLICATIONS[kind].preprocess_input(pixels.copy())
    scaled = IMAGE_ENCODERS[kind](units=5).scale(keras.ops.convert_to_tensor(pixels / 255.0))
    np.testing.assert_allclose(numbers(scaled), expected, atol=1e-4)


@pytest.fixture(scope="module")
def vgg():
    encoder = VGG16Encoder(units=5)
    encoder(PIXELS)
    return encoder


@pytest.fixture(scope="module")
def weights_file(vgg, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    vgg.backbone.save_weights(path)
    return path


def test_vgg16_keeps_the_contract(vgg):
    out = vgg(PIXELS)
    assert set(out) == {"grid", "sequence", "pooled"}
    assert out["grid"].shape == (2, 1, 1, 5) and out["sequence"].shape == (2, 1, 5) and out["pooled"].shape == (2, 5)
    np.testing.assert_allclose(numbers(out["pooled"]), numbers(out["grid"])[:, 0, 0], atol=1e-6)
    for row in range(2):
        alone = vgg(PIXELS[row : row + 1])["pooled"]
        np.testing.assert_allclose(numbers(alone)[0], numbers(out["pooled"])[row], atol=1e-5)
    # 0..255 in, as the application's own pipeline has it.
    features = vgg.backbone(keras.applications.vgg16.preprocess_input(PIXELS.astype("float32")))
    np.testing.assert_allclose(numbers(vgg.projection(features)), numbers(out["grid"]), atol=1e-4)


def test_all_layers_learn_from_a_random_start_and_none_from_a_given_one(vgg, weights_file):
    assert vgg.fine_tune == "all" and len(vgg.trainable_weights) == len(vgg.weights) == 28
    frozen = VGG16Encoder(units=5, weights=weights_file)
    frozen(PIXELS)
    assert frozen.fine_tune == "none" and len(frozen.trainable_weights) == 2 and learning(frozen) == set()
    for weight, given in zip(frozen.backbone.weights, vgg.backbone.weights, strict=True):
        np.testing.assert_array_equal(weight, given)


def test_the_last_blocks_learn_and_a_saved_model_needs_no_file(weights_file, tiny_schema, rows_for, tmp_path):
    path = tmp_path / "given.weights.h5"
    path.write_bytes(weights_file.read_bytes())
    feature = kf.Feature("image", "image", ("photo",), size=(32, 32))
    schema = kf.Schema((tiny_schema["text"], feature), tiny_schema.tasks)
    image = {"name": "vgg16", "weights": str(path), "fine_tune": "last_blocks"}
    model = kf.create_model("classifier_concat", schema, image_encoder=image, units=4)
    encoder = model.get_layer("encode_image")
    assert learning(encoder) == {"block5_conv1", "block5_conv2", "block5_conv3"}
    assert not encoder.frozen_backbone.trainable_weights and len(encoder.tuned_backbone.trainable_weights) == 6

    start = {w.path: np.array(w) for w in encoder.backbone.weights}
    batch = rows_for(schema, 4)
    labels = np.arange(4) % 3
    model.compile("sgd", {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True)})
    model.fit(batch, {"label": labels}, verbose=0)
    changed = {w.path.split("/")[-2] for w in encoder.backbone.weights if (np.array(w) != start[w.path]).any()}
    assert changed == {"block5_conv1", "block5_conv2", "block5_conv3"}

    logits = numbers(model(batch)["label"])
    twin = image_major(model)
    several = {
        name: value[:1] if name.startswith("image") else np.repeat(value[None, :1], 2, axis=1)
        for name, value in batch.items()
    }
    np.testing.assert_allclose(numbers(twin(several)["label"])[0], numbers(logits[[0, 0]]), atol=1e-4)

    # The single-modality baseline begins from the file and not from what the fused model has learned.
    fresh = unimodal(model, schema, "image").get_layer("encode_image")
    for weight, given in zip(fresh.backbone.weights, start.values(), strict=True):
        np.testing.assert_array_equal(weight, given)

    model.save(tmp_path / "model.keras")
    path.unlink()
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numbers(loaded(batch)["label"]), logits, atol=1e-6)
    again = loaded.get_layer("encode_image")
    assert again.get_config() == encoder.get_config() and learning(again) == learning(encoder)


def test_imagenet_weights_are_asked_for_once(vgg, monkeypatch):
    make, asked = keras.applications.VGG16, []

    def application(include_top, weights, input_shape):
        asked.append((include_top, weights, input_shape))
        network = make(include_top=include_top, weights=None, input_shape=input_shape)
        if weights == "imagenet":
            network.set_weights(vgg.backbone.get_weights())
        return network

    monkeypatch.setattr(keras.applications, "VGG16", application)
    encoder = VGG16Encoder(units=5, weights="imagenet")
    encoder(PIXELS)
    assert asked == [(False, None, (32, 32, 3)), (False, "imagenet", (224, 224, 3))]
    for weight, given in zip(encoder.backbone.weights, vgg.backbone.weights, strict=True):
        np.testing.assert_array_equal(weight, given)
    VGG16Encoder.from_config(encoder.get_config())(PIXELS)
    assert asked[2:] == [(False, None, (32, 32, 3))]


def test_what_cannot_be_is_refused(tmp_path, weights_file):
    with pytest.raises(FileNotFoundError, match="weights must be None, 'imagenet' or a file; there is no "):
        VGG16Encoder(units=5, weights=tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="fine_tune must be one of none, last_blocks, all, not 'some'"):
        VGG16Encoder(units=5, fine_tune="some")
    with pytest.raises(ValueError, match="images must be 32 x 32 at least, not 31 x 40"):
        VGG16Encoder(units=5)(np.zeros((1, 31, 40, 3), "uint8"))
    with pytest.raises(ValueError, match="images must be 32 x 32 at least, not 16 x 16"):
        VGG16Encoder(units=5, fine_tune="none", global_pool=True, image_sizes=(64, 16))(PIXELS)
    text = tmp_path / "text.weights.h5"
    text.write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.weights\.h5 does not hold the weights of VGG16 without its top"):
        VGG16Encoder(units=5, weights=text)(PIXELS)


def test_resnet50_learns_in_its_last_blocks_alone():
    encoder = IMAGE_ENCODERS["resnet50"](units=5, fine_tune="last_blocks")
    encoder(PIXELS)
    assert {name[:5] for name in learning(encoder)} == {"conv5"} and len(learning(encoder)) == 20
    norms = {layer.name: layer for layer in encoder.backbone.layers if "_bn" in layer.name}
    before = {name: np.array(layer.moving_mean) for name, layer in norms.items()}
    encoder(PIXELS, training=True)
    changed = {name for name, layer in norms.items() if (np.array(layer.moving_mean) != before[name]).any()}
    assert changed == {name for name in norms if name.startswith("conv5")}


def test_efficientnet_scales_outside_and_stays_still_where_frozen(monkeypatch):
    whole, body = [], EfficientNetB0Encoder.body

    def kept(self, network):
        whole.append(network)
        return body(self, network)

    monkeypatch.setattr(EfficientNetB0Encoder, "body", kept)
    encoder = EfficientNetB0Encoder(units=5, fine_tune="none")
    grid = numbers(encoder(PIXELS)["grid"])
    np.testing.assert_array_equal(numbers(encoder(PIXELS, training=True)["grid"]), grid)
    # Keras's own takes 0..255 and scales them inside.
    (network,) = whole
    scaling = network.get_layer(index=2)
    assert isinstance(scaling, keras.layers.Normalization)
    scaling.mean = keras.ops.reshape(keras.ops.convert_to_tensor([0.485, 0.456, 0.406]), (1, 1, 1, 3))
    scaling.variance = keras.ops.reshape(keras.ops.convert_to_tensor([0.229, 0.224, 0.225]), (1, 1, 1, 3)) ** 2
    np.testing.assert_allclose(numbers(encoder.projection(network(PIXELS.astype("float32")))), grid, atol=1e-4)


def test_mobilenet_takes_its_width():
    assert MobileNetV2Encoder(units=5, alpha=0.35).options() == {"alpha": 0.35}
    assert MobileNetV2Encoder(units=5, alpha=0.35).get_config()["alpha"] == 0.35


def test_several_sizes_stand_side_by_side():
    """Each as if it were alone, with the weights that all share."""
    settings = {"units": None, "fine_tune": "none", "global_pool": True, "flip_tta": True}
    several = VGG16Encoder(**settings, image_sizes=(32, 64))
    out = numbers(several(PIXELS)["pooled"])
    assert out.shape == (2, 1024) and several.features(PIXELS).shape == (2, 1, 1, 1024)
    for size, part in zip((32, 64), np.split(out, 2, axis=1), strict=True):
        one = VGG16Encoder.from_config({**several.get_config(), "image_sizes": (size,), "name": "one"})
        one.build(PIXELS.shape)
        one.set_weights(several.get_weights())
        np.testing.assert_allclose(numbers(one(PIXELS)["pooled"]), part, atol=1e-5)
    # A batch of unknown size: a model's, not only an array's.
    assert several(keras.Input(PIXELS.shape[1:], dtype="uint8"))["pooled"].shape == (None, 1024)


@pytest.mark.parametrize("wrong", [{"global_pool": False}, {"fine_tune": "last_blocks"}])
def test_several_sizes_need_one_cell_and_frozen_layers(wrong):
    with pytest.raises(ValueError, match="several image_sizes need global_pool=True and fine_tune='none'"):
        VGG16Encoder(units=None, **{"fine_tune": "none", "global_pool": True, **wrong}, image_sizes=(32, 64))


def test_low_precision(low_precision):
    encoder = VGG16Encoder(units=5, dtype=f"mixed_{low_precision}")
    keras.config.set_dtype_policy("float32")
    out = encoder(PIXELS)
    assert {keras.backend.standardize_dtype(value.dtype) for value in out.values()} == {low_precision}
    assert {layer.compute_dtype for layer in encoder.backbone.layers} == {low_precision}
    assert {weight.dtype for weight in encoder.weights} == {"float32"}
    assert np.isfinite(numbers(out["pooled"])).all() and keras.config.dtype_policy().name == "float32"
