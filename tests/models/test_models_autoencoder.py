"""One code of an image and a text: from either of them, to both."""

import keras
import numpy as np
import pytest

from kerasfusion.heads import BagOfWordsHead, ImageReconstructionHead
from kerasfusion.layers import GaussianLatent, ImageDecoder, TokenDropout
from kerasfusion.losses import BagOfWordsCrossentropy, PixelMeanSquaredError, gaussian_kl
from kerasfusion.models import autoencoder, get_heads
from kerasfusion.schema import Feature, Schema, Task

FEATURES = (
    Feature("text", "text", ("words",), length=3, vocabulary=("red", "blue", "cross")),
    Feature("image", "image", ("image",), size=(8, 8)),
)
SCHEMA = Schema(FEATURES, ())
SMALL = {
    "text_encoder": "average",
    "image_encoder": {"name": "small_cnn", "filters": (4,), "flatten": True},
    "units": 8,
    "latent_dim": 3,
    "filters": (4, 4),
}


def batch(rows=2, image=True, text=True, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "text": rng.integers(4, 7, (rows, 3)).astype("int32"),
        "text_present": np.full(rows, text),
        "image": rng.integers(0, 256, (rows, 8, 8, 3)).astype("uint8"),
        "image_present": np.full(rows, image),
    }


def test_gaussian_kl_by_hand():
    # ½ (μ² + σ² − log σ² − 1): ½ (4 + 1 − 0 − 1) = 2 and ½ (0 + e − 1 − 1).
    kl = gaussian_kl(np.array([[2.0, 0.0], [0.0, 0.0]], "float32"), np.array([[0.0, 1.0], [0.0, 0.0]], "float32"))
    np.testing.assert_allclose(kl, [2 + (np.e - 2) / 2, 0.0], rtol=1e-6)


def test_image_error_by_hand():
    # Black, known half: an error of 0.5 everywhere, squared, in units of 0.1.
    loss = PixelMeanSquaredError(reduction=None)(np.zeros((1, 2, 2, 3), "uint8"), np.zeros((1, 2, 2, 3), "float32"))
    np.testing.assert_allclose(loss, [25.0], rtol=1e-6)
    white = np.full((1, 2, 2, 3), 255, "uint8")
    np.testing.assert_allclose(
        PixelMeanSquaredError(0.5)(white, np.full((1, 2, 2, 3), 50.0, "float32")), 0.0, atol=1e-6
    )


def test_words_cross_entropy_takes_words_once_and_no_others():
    # Ids 4 and 6 are the first and the third word; 0 is padding, 1 unknown.
    ids, logits = np.array([[4, 6, 4, 1, 0]]), np.array([[1.0, -2.0, 0.0]], "float32")
    expected = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(-2.0)) + np.log(2.0)) / 3
    np.testing.assert_allclose(BagOfWordsCrossentropy()(ids, logits), expected, rtol=1e-5)


def test_the_code_is_drawn_in_training_and_its_mean_after():
    layer = GaussianLatent(2, kl_weight=0.5, seed=1)
    x = np.ones((4000, 1), "float32")
    layer.build(x.shape)
    layer.mean.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    layer.log_variance.set_weights([np.array([[0.0, 2.0]]), np.zeros(2)])
    mean = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(mean, np.tile([[1.0, -1.0]], (4000, 1)), atol=1e-6)
    # Half of ½ (1 + 1 − 0 − 1) + ½ (1 + e² − 2 − 1).
    np.testing.assert_allclose(layer.losses[-1], 0.5 * (0.5 + (np.e**2 - 2) / 2), rtol=1e-5)
    drawn = keras.ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(drawn.mean(axis=0), [1, -1], atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=0), [1, np.e], rtol=0.05)


def test_words_are_lost_in_training_alone():
    ids = np.full((100, 10), 5, "int32")
    ids[:, 8:] = 0
    layer = TokenDropout(0.25, seed=0)
    assert (keras.ops.convert_to_numpy(layer(ids)) == ids).all()
    noisy = keras.ops.convert_to_numpy(layer(ids, training=True))
    assert set(noisy[:, :8].ravel()) == {1, 5}
    assert abs((noisy[:, :8] == 1).mean() - 0.25) < 0.05
    assert (noisy[:, 8:] == 0).all()


def test_a_image_decoder_in_numpy():
    layer = ImageDecoder((2, 2), (2,))
    vector = np.array([[1.0, -2.0]], "float32")
    layer.build(vector.shape)
    dense, kernel = np.array([[1.0, -1.0], [0.5, 0.25]]), np.arange(96, dtype="float32").reshape(4, 4, 3, 2)
    layer.dense.set_weights([dense, np.array([1.0, 5.0])])
    layer.convolutions[0].set_weights([kernel, np.array([0.0, 1.0, 2.0])])
    grid = vector @ dense + [1.0, 5.0]
    # Batch normalization of no experience divides by √(1 + ε); the middle of the kernel falls on the four pixels.
    grid = np.maximum(grid / np.sqrt(1.001), 0)
    expected = np.einsum("xyoc,bc->bxyo", kernel[1:3, 1:3], grid) + np.arange(3)
    np.testing.assert_allclose(layer(vector), expected, rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"noise_stddev": 0.2, "kl_weight": 0.1}])
def test_what_is_missing_does_not_matter_and_what_is_there_does(changes):
    keras.utils.set_random_seed(0)
    model = autoencoder(SCHEMA, **SMALL, **changes)
    for missing in ("image", "text"):
        given, other = ({**batch(seed=seed, **{missing: False})} for seed in (0, 1))
        kept = "text" if missing == "image" else "image"
        same = {**given, missing: other[missing]}
        changed = {**given, kept: other[kept]}
        answers = [keras.tree.map_structure(keras.ops.convert_to_numpy, model(x)) for x in (given, same, changed)]
        for name, shape in (("image", (2, 8, 8, 3)), ("text", (2, 3))):
            assert answers[0][name].shape == shape
            np.testing.assert_array_equal(answers[0][name], answers[1][name])
            assert np.abs(answers[0][name] - answers[2][name]).max() > 1e-6


def test_the_heads_are_those_of_the_features_and_survive_saving(tmp_path):
    keras.utils.set_random_seed(0)
    model = autoencoder(SCHEMA, noise_stddev=0.1, kl_weight=0.1, **SMALL)
    assert {name: type(head) for name, head in get_heads(model).items()} == {
        "text": BagOfWordsHead,
        "image": ImageReconstructionHead,
    }
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for name, logits in model(batch()).items():
        np.testing.assert_allclose(again(batch())[name], logits, atol=1e-6)


def test_schemas_that_it_cannot_take_are_named():
    task = Task("label", "multiclass", "label", classes=("a", "b"))
    with pytest.raises(ValueError, match=r"no task.*the schema has \['text', 'image'\] and \['multiclass'\]"):
        autoencoder(Schema(FEATURES, (task,)))
    numbers = Feature("numbers", "numeric", ("n",), length=1, mean=(0.0,), std=(1.0,))
    with pytest.raises(ValueError, match="images and texts"):
        autoencoder(Schema((*FEATURES, numbers), ()))
    with pytest.raises(ValueError, match=r"8 x 8 pixels is no grid doubled 4 times: choose sides that 16 divides"):
        autoencoder(SCHEMA, **{**SMALL, "filters": (4, 4, 4, 4)})
