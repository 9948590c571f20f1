import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.encoders import IMAGE_ENCODERS, TEXT_ENCODERS, NumbersEncoder

IDS = np.array([[4, 5, 6, 0, 0], [7, 4, 0, 0, 0], [0, 0, 0, 0, 0], [8, 7, 6, 5, 4]], "int32")
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("uint8")
CASES = [(TEXT_ENCODERS[name], {"vocabulary_size": 9}, IDS) for name in sorted(TEXT_ENCODERS)]
CASES += [(IMAGE_ENCODERS[name], {}, PIXELS) for name in sorted(IMAGE_ENCODERS)]
CASES += [(IMAGE_ENCODERS["small_cnn"], {"flatten": True, "filters": (3, 4)}, PIXELS)]
every = pytest.mark.parametrize(("kind", "settings", "given"), CASES, ids=lambda v: getattr(v, "__name__", ""))
texts = pytest.mark.parametrize("name", sorted(TEXT_ENCODERS))


@every
def test_outputs(kind, settings, given):
    out = kind(units=6, **settings)(given)
    assert out["pooled"].shape == (4, 6)
    assert out["sequence"].shape[0] == 4 and len(out["sequence"].shape) == 3
    for value in keras.tree.flatten(out):
        assert np.isfinite(np.asarray(value, "float32")).all()
    if given is IDS:
        np.testing.assert_array_equal(out["mask"], IDS != 0)
        assert not np.asarray(out["sequence"])[IDS == 0].any()
    else:
        _, height, width, channels = out["grid"].shape
        np.testing.assert_array_equal(np.reshape(out["grid"], (4, height * width, channels)), out["sequence"])


@every
def test_rows_do_not_depend_on_their_batch(kind, settings, given):
    encoder = kind(units=6, **settings)
    whole = encoder(given)["pooled"]
    for row in range(4):
        np.testing.assert_allclose(encoder(given[row : row + 1])["pooled"][0], whole[row], atol=1e-5)


@every
def test_gradient_reaches_every_weight_from_the_pooled_vector(kind, settings, given):
    encoder = kind(units=6, **settings)
    encoder(given)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(given, training=True)["pooled"] ** 2)
    for weight, gradient in zip(
        encoder.trainable_weights, tape.gradient(loss, encoder.trainable_weights), strict=True
    ):
        assert gradient is not None, weight.path


@every
def test_save_and_load(kind, settings, given, tmp_path):
    symbol = keras.Input(given.shape[1:], dtype=given.dtype.name)
    model = keras.Model(symbol, kind(units=6, **settings)(symbol)["pooled"])
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "m.keras")(given), model(given), atol=1e-6)


@every
def test_mixed_precision(kind, settings, given):
    out = kind(units=6, dtype="mixed_float16", **settings)(given)
    assert out["pooled"].dtype == "float16" and np.isfinite(out["pooled"]).all()


@texts
def test_padding_does_not_change_the_meaning(name):
    encoder = TEXT_ENCODERS[name](vocabulary_size=9, units=6)
    longer = np.pad(IDS, ((0, 0), (0, 3)))
    encoder.build((None, None))
    np.testing.assert_allclose(encoder(IDS)["pooled"], encoder(longer)["pooled"], atol=1e-6)


@texts
def test_order_matters_to_recurrent_encoders_alone(name):
    encoder = TEXT_ENCODERS[name](vocabulary_size=9, units=6)
    there, back = (np.asarray(encoder(np.array([ids], "int32"))["pooled"]) for ids in ([4, 5, 6], [6, 5, 4]))
    assert np.allclose(there, back, atol=1e-6) == (name in ("average", "bag_of_words"))


def test_counts_and_means_differ():
    once, twice = np.array([[4, 0]], "int32"), np.array([[4, 4]], "int32")
    for name, equal in (("average", True), ("bag_of_words", False)):
        encoder = TEXT_ENCODERS[name](vocabulary_size=9, units=6)
        assert np.allclose(encoder(once)["pooled"], encoder(twice)["pooled"], atol=1e-6) == equal


def test_pixels_are_scaled_to_one():
    encoder = IMAGE_ENCODERS["small_cnn"](units=6)
    seen = []
    encode = encoder.encode
    encoder.encode = lambda pixels, training: (seen.append(np.asarray(pixels)), encode(pixels, training))[1]
    encoder(np.full((1, 16, 16, 3), 255, "uint8"))
    np.testing.assert_array_equal(seen[0], np.ones((1, 16, 16, 3)))


def test_numbers_are_normalised_by_the_training_statistics():
    encoder = NumbersEncoder(2, mean=(10.0, 5.0), std=(2.0, 0.0))
    encoder.build((None, 2))
    encoder.dense.kernel.assign(np.eye(2))
    np.testing.assert_allclose(encoder(np.array([[14.0, 5.5]], "float32"))["pooled"], [[2.0, 0.5]])
    with pytest.raises(ValueError, match="3 numbers for 2 means"):
        NumbersEncoder(2, mean=(0, 0), std=(1, 1)).build((None, 3))
