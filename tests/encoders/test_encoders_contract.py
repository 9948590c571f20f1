"""What every encoder promises, whichever it is.

The large pretrained networks, too slow to build for every test, are in test_encoders_applications.py and
test_encoders_hub.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.encoders import (
    IMAGE_ENCODERS,
    SIGNAL_ENCODERS,
    TEXT_ENCODERS,
    VIDEO_ENCODERS,
    ImageEncoder,
    NumericEncoder,
    TransformerTextEncoder,
)
from kerasfusion.encoders.text.transformer import positions

IDS = np.array([[4, 5, 6, 7, 0, 0], [8, 1, 0, 0, 0, 0], [9, 10, 11, 12, 4, 5]], "int32")
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 4, 16, 16, 3)).astype("uint8")
RAW_NUMBERS = np.array([[14.0, 6.0], [8.0, 5.0], [11.0, 7.5]], "float32")
# Of two channels: the first row ends early, the second lacks a sample.
SERIES = np.random.default_rng(0).normal(size=(3, 24, 2)).astype("float32")
SERIES[0, 18:], SERIES[1, 5, 1] = np.nan, np.nan
SOUNDS = np.random.default_rng(0).normal(size=(3, 800, 1)).astype("float32")
SOUNDS[0, 500:] = np.nan

ELSEWHERE = {
    "clip",
    "keras_hub",
    "vgg16",
    "resnet50",
    "mobilenet_v2",
    "efficientnet_b0",
    "efficientnet_lite0",
    "minilm",
}
SETTINGS = {
    "text_cnn": {"kernel_sizes": (2, 3), "filters": 6},
    "transformer": {"hidden_dim": 8, "num_heads": 2, "num_layers": 1},
    "bert": {"hidden_dim": 8, "num_heads": 2, "num_layers": 1, "intermediate_dim": 16, "max_length": 16},
    "small_cnn": {"filters": (4, 6)},
    "residual_cnn": {"filters": (4, 6)},
    "row_rnn": {"row_units": 6},
    "vit": {"patch_size": 4, "hidden_dim": 8, "num_heads": 2, "num_layers": 1},
}
TEXT = {
    name: lambda n=name, **c: TEXT_ENCODERS[n](**{"vocabulary_size": 13, "units": 5, **SETTINGS.get(n, {}), **c})
    for name in TEXT_ENCODERS
    if name not in ELSEWHERE
}
IMAGE = {
    name: lambda n=name, **c: IMAGE_ENCODERS[n](**{"units": 5, **SETTINGS[n], **c})
    for name in IMAGE_ENCODERS
    if name not in ELSEWHERE
}
IMAGE["small_cnn_flatten"] = lambda **c: IMAGE_ENCODERS["small_cnn"](
    **{"units": 5, "filters": (4, 6), "flatten": True, **c}
)
IMAGE["residual_cnn_plain"] = lambda **c: IMAGE_ENCODERS["residual_cnn"](
    **{"units": 5, "filters": (4, 6), "num_blocks": 0, "coordinates": True, **c}
)
NUMBERS = {"numbers": lambda **c: NumericEncoder(**{"units": 5, "mean": (10, 5), "std": (2, 0), **c})}
SMALL = {"cnn": {"filters": (4, 6)}, "gru": {"max_frames": 8}, "transformer": {"num_heads": 2, "max_frames": 8}}
SIGNALS = {
    f"series_{name}": lambda n=name, **c: SIGNAL_ENCODERS[n](
        **{"units": 6, "mean": (0, 1), "std": (2, 0), **SMALL[n], **c}
    )
    for name in SIGNAL_ENCODERS
}
SIGNALS["sounds"] = lambda **c: SIGNAL_ENCODERS["cnn"](
    **{"units": 6, "mean": (0,), "std": (1,), "rate": 8000, "num_mels": 8, **SMALL["cnn"], **c}
)
_FRAME = {"frame_encoder": {"name": "small_cnn", "filters": (4, 6), "units": 7}}
_TIME = {"transformer": {"num_heads": 2, "num_layers": 1, **_FRAME}, "conv3d": {"filters": (4, 6)}}
VIDEO = {
    f"video_{name}": lambda n=name, **c: VIDEO_ENCODERS[n](**{"units": 6, **_TIME.get(n, _FRAME), **c})
    for name in VIDEO_ENCODERS
}
EVERY = {**TEXT, **IMAGE, **NUMBERS, **SIGNALS, **VIDEO}

text_encoders = pytest.mark.parametrize("kind", sorted(TEXT))
image_encoders = pytest.mark.parametrize("kind", sorted(IMAGE))
all_encoders = pytest.mark.parametrize("kind", sorted(EVERY))


def batch_for(kind):
    if kind in SIGNALS:
        return SOUNDS if kind == "sounds" else SERIES
    if kind in VIDEO:
        return FRAMES
    return IDS if kind in TEXT else PIXELS if kind in IMAGE else RAW_NUMBERS


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


@text_encoders
def test_text_shapes(kind):
    out = TEXT[kind]()(IDS)
    assert set(out) == {"sequence", "pooled", "mask"}
    assert out["sequence"].shape == (3, 6, 5) and out["pooled"].shape == (3, 5)
    assert out["sequence"].dtype == out["pooled"].dtype == "float32" and out["mask"].dtype == "bool"
    np.testing.assert_array_equal(numbers(out["mask"]), [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1] * 6])
    assert not numbers(out["sequence"])[IDS == 0].any()
    assert (np.abs(numbers(out["sequence"])[IDS != 0]).max(axis=1) > 0).all()


@pytest.mark.parametrize("kind", sorted(set(TEXT) - {"bert"}))
def test_word_vectors_may_have_another_width(kind):
    layer = TEXT[kind](embedding_dim=3)
    out = layer(IDS)
    assert layer.embedding.embeddings.shape == (13, 3)
    assert out["sequence"].shape == (3, 6, 5) and out["pooled"].shape == (3, 5)


@text_encoders
def test_more_padding_changes_nothing(kind):
    layer = TEXT[kind]()
    short = layer(IDS)
    padded = layer(np.pad(IDS, ((0, 0), (0, 4))))
    np.testing.assert_allclose(numbers(padded["pooled"]), numbers(short["pooled"]), atol=1e-6)
    np.testing.assert_allclose(numbers(padded["sequence"])[:, :6], numbers(short["sequence"]), atol=1e-6)
    assert not numbers(padded["sequence"])[:, 6:].any()


@text_encoders
def test_text_without_words_is_defined(kind):
    layer = TEXT[kind]()
    out = layer(np.concatenate([np.zeros((2, 6), "int32"), IDS]))
    pooled = numbers(out["pooled"])
    assert np.isfinite(pooled).all() and np.isfinite(numbers(out["sequence"])).all()
    np.testing.assert_array_equal(pooled[0], pooled[1])
    layer.embedding.embeddings.assign(layer.embedding.embeddings + 1.0)
    np.testing.assert_array_equal(numbers(layer(np.zeros((1, 6), "int32"))["pooled"])[0], pooled[0])


@text_encoders
def test_word_order(kind):
    layer = TEXT[kind]()
    forward, backward = np.array([[4, 5, 6, 7, 0, 0]]), np.array([[7, 6, 5, 4, 0, 0]])
    apart = np.abs(numbers(layer(forward)["pooled"]) - numbers(layer(backward)["pooled"])).max()
    assert apart < 1e-6 if kind in ("average", "bag_of_words") else apart > 1e-3


def test_bag_of_words_is_the_product_with_the_counts():
    layer = TEXT["bag_of_words"]()
    ids = np.array([[4, 6, 4, 0, 0, 0]])
    layer(ids)
    layer.bias.assign(np.linspace(-0.2, 0.2, 5))
    counts = np.zeros(13)
    counts[[4, 6]] = 2, 1
    hidden = np.maximum(counts @ np.array(layer.embedding.embeddings) + np.array(layer.bias), 0)
    expected = np.maximum(hidden @ np.array(layer.projection.kernel) + np.array(layer.projection.bias), 0)
    np.testing.assert_allclose(numbers(layer(ids)["pooled"])[0], expected, atol=1e-5)


@pytest.mark.parametrize("activation, apply", [("relu", lambda x: np.maximum(x, 0)), (None, lambda x: x)])
def test_average_is_the_mean_over_words_alone(activation, apply):
    layer = TEXT["average"](activation=activation)
    ids = np.array([[4, 6, 4, 0, 0, 0]])
    layer(ids)
    vectors = np.array(layer.embedding.embeddings)
    expected = apply((2 * vectors[4] + vectors[6]) / 3 @ np.array(layer.projection.kernel))
    np.testing.assert_allclose(numbers(layer(ids)["pooled"])[0], expected, atol=1e-5)
    assert TEXT_ENCODERS["average"].from_config(layer.get_config()).activation == activation


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_pooled_is_the_state_after_the_last_word(kind):
    out = TEXT[kind]()(IDS)
    last = numbers(out["sequence"])[np.arange(3), (IDS != 0).sum(axis=1) - 1]
    np.testing.assert_allclose(numbers(out["pooled"]), last, atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "gru", "bilstm", "bigru"])
def test_recurrent_unrolled_or_not_is_the_same(kind):
    layer = TEXT[kind]()
    layer(IDS)
    directions = [layer.recurrent, *([layer.backward] if kind.startswith("bi") else [])]
    for i, direction in enumerate(directions):
        direction.cell.bias.assign(np.random.default_rng(i).normal(size=direction.cell.bias.shape))
    # Besides IDS: a text without words, and one with a hole.
    ids = np.array([*IDS, [0] * 6, [4, 0, 5, 0, 0, 6]], "int32")
    out = {name: numbers(value) for name, value in layer(ids).items()}
    for direction in directions:
        assert direction.unroll
        direction.unroll = False
    for name, value in layer(ids).items():
        np.testing.assert_allclose(numbers(value), out[name], atol=1e-6)


@pytest.mark.parametrize(("kind", "cell"), [("bilstm", keras.layers.LSTM), ("bigru", keras.layers.GRU)])
def test_both_directions_begin_at_a_word(kind, cell):
    layer = TEXT[kind]()
    pooled = numbers(layer(IDS)["pooled"])
    plain = {name: cell(5) for name in ("recurrent", "backward")}
    for ids, found in zip(IDS, pooled, strict=True):
        words = np.array(layer.embedding.embeddings)[ids[ids != 0]][None]
        states = []
        for name, order in (("recurrent", words), ("backward", words[:, ::-1])):
            plain[name].build(order.shape)
            plain[name].set_weights(getattr(layer, name).get_weights())
            states.append(numbers(plain[name](order))[0])
        expected = np.tanh(np.concatenate(states) @ np.array(layer.projection.kernel))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_text_cnn_is_the_largest_answer_over_the_windows():
    layer = TEXT["text_cnn"](kernel_sizes=(3,))
    ids = np.array([[4, 6, 5, 8, 0, 0]])
    layer(ids)
    words = np.array(layer.embedding.embeddings)[[4, 6, 5, 8]]
    kernel, bias = np.array(layer.convolutions[0].kernel), np.linspace(-0.1, 0.1, 6)
    layer.convolutions[0].bias.assign(bias)
    around = np.concatenate([np.zeros((1, 5)), words, np.zeros((1, 5))])
    answers = [np.einsum("ke,kef->f", around[i : i + 3], kernel) + bias for i in range(4)]
    largest = np.maximum(np.max(answers, axis=0), 0)
    expected = np.maximum(largest @ np.array(layer.projection.kernel), 0)
    np.testing.assert_allclose(numbers(layer(ids)["pooled"])[0], expected, atol=1e-5)


def test_words_are_heard_beside_their_places():
    keras.utils.set_random_seed(0)
    layer = TransformerTextEncoder(vocabulary_size=100, units=64)
    vectors = numbers(layer(np.random.default_rng(0).integers(4, 100, (20, 3)).astype("int32"))["pooled"])
    apart = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).mean()
    assert apart > 0.4 * np.linalg.norm(vectors, axis=1).mean()


def test_positions_are_the_papers_sines_and_cosines():
    found = numbers(positions(3, 4))
    expected = [[np.sin(p), np.sin(p / 100), np.cos(p), np.cos(p / 100)] for p in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert positions(3, 5).shape == (3, 5)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="a width of 8 cannot be shared out among 3 heads"):
        TEXT["transformer"](num_heads=3)(IDS)


@image_encoders
def test_image_shapes(kind):
    out = IMAGE[kind]()(PIXELS)
    assert set(out) == {"grid", "sequence", "pooled"}
    channels = 6 if kind == "small_cnn_flatten" else 5
    cells = (16, 1) if kind == "row_rnn" else (4, 4)
    assert out["grid"].shape == (3, *cells, channels) and out["sequence"].shape == (3, 16, channels)
    assert out["pooled"].shape == (3, 5)
    assert {str(keras.backend.standardize_dtype(v.dtype)) for v in out.values()} == {"float32"}
    np.testing.assert_array_equal(numbers(out["sequence"]), numbers(out["grid"]).reshape(3, 16, channels))
    if kind == "row_rnn":
        np.testing.assert_array_equal(numbers(out["pooled"]), numbers(out["grid"])[:, -1, 0])
    elif kind != "small_cnn_flatten":
        np.testing.assert_allclose(numbers(out["pooled"]), numbers(out["grid"]).mean(axis=(1, 2)), atol=1e-6)
    assert np.ptp(numbers(out["pooled"])) > 0


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="patches of 5 pixels do not fill images of 16 x 16"):
        IMAGE["vit"](patch_size=5)(PIXELS)


def test_rows_are_read_from_the_top():
    layer = IMAGE["row_rnn"]()
    before = numbers(layer(PIXELS)["grid"])
    changed = PIXELS.copy()
    changed[:, 9] = 255 - changed[:, 9]
    apart = np.abs(numbers(layer(changed)["grid"]) - before).max(axis=(0, 2, 3))
    assert not apart[:9].any() and (apart[9:] > 0).all()


class Probe(ImageEncoder):
    """Gives back the pixels that an encoder's layers see."""

    def build_encoder(self, pixels_shape):
        pass

    def encode(self, pixels, training):
        return pixels, keras.ops.mean(pixels, axis=(1, 2))


def test_pixels_are_scaled_to_one():
    pixels = np.stack([np.full((2, 2, 3), value, "uint8") for value in (0, 51, 255)])
    np.testing.assert_allclose(numbers(Probe(3)(pixels)["pooled"]), [[0.0] * 3, [0.2] * 3, [1.0] * 3], atol=1e-6)


@image_encoders
def test_white_bytes_are_ones(kind):
    layer = IMAGE[kind]()
    white = layer(np.full((1, 16, 16, 3), 255, "uint8"))
    grid, pooled = layer.encode(keras.ops.ones((1, 16, 16, 3)), training=False)
    np.testing.assert_allclose(numbers(white["grid"]), numbers(grid), atol=1e-5)
    np.testing.assert_allclose(numbers(white["pooled"]), numbers(pooled), atol=1e-5)


@all_encoders
def test_inference_knows_no_batch_mates(kind):
    changes = {} if kind == "numbers" else {"dropout": 0.5}
    layer, batch = EVERY[kind](**changes), batch_for(kind)
    whole = layer(batch)
    for row in range(3):
        alone = layer(batch[row : row + 1])
        for part, value in alone.items():
            np.testing.assert_allclose(numbers(value)[0], numbers(whole[part])[row], atol=1e-5)
    if changes:
        assert not np.array_equal(numbers(layer(batch, training=True)["pooled"]), numbers(whole["pooled"]))


@all_encoders
def test_saves_and_loads(kind, tmp_path):
    batch = batch_for(kind)
    entry = keras.Input(batch.shape[1:], dtype=str(batch.dtype))
    model = keras.Model(entry, EVERY[kind](name="encoder")(entry))
    for i, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(i).uniform(0.1, 0.4, weight.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("encoder").get_config() == model.get_layer("encoder").get_config()
    for rows in (1, 3):
        before, after = model(batch[:rows]), loaded(batch[:rows])
        assert set(before) == set(after)
        for part in before:
            np.testing.assert_array_equal(numbers(after[part]), numbers(before[part]))


@all_encoders
def test_gradient_reaches_every_weight(kind):
    layer, batch = EVERY[kind](), batch_for(kind)
    layer(batch)
    random = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        out = layer(batch, training=True)
        parts = ["pooled", "grid" if kind in IMAGE else "sequence"]
        loss = sum(tf.reduce_sum(out[p] * random.normal(size=out[p].shape).astype("float32")) for p in parts)
    weights = layer.trainable_weights
    assert weights
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None and np.abs(numbers(tf.convert_to_tensor(gradient))).max() > 0, weight.path


@all_encoders
def test_low_precision(kind, low_precision):
    layer = EVERY[kind]()
    out = layer(batch_for(kind))
    for part, value in out.items():
        wanted = "bool" if part == "mask" else low_precision
        assert keras.backend.standardize_dtype(value.dtype) == wanted, part
        assert np.isfinite(numbers(value)).all()
    assert {w.dtype for w in layer.trainable_weights} == {"float32"}


def test_numbers_are_normalised_and_a_constant_column_counts_as_one():
    layer = NumericEncoder(2, mean=(10, 5), std=(2, 0))
    layer.build((None, 2))
    layer.dense.set_weights([np.eye(2, dtype="float32"), np.array([0.0, 0.5], "float32")])
    out = layer(np.array([[14.0, 6.0], [7.0, 5.0]], "float32"))
    np.testing.assert_allclose(numbers(out["pooled"]), [[2.0, 1.5], [0.0, 0.5]], atol=1e-6)
    np.testing.assert_array_equal(numbers(out["sequence"])[:, 0], numbers(out["pooled"]))
    assert set(out) == {"pooled", "sequence"} and out["sequence"].shape == (2, 1, 2)


def test_large_numbers_are_normalised_before_precision_is_lost(low_precision):
    layer = NumericEncoder(1, mean=(70000.0,), std=(1.0,))
    layer.build((None, 1))
    layer.dense.set_weights([np.ones((1, 1), "float32"), np.zeros(1, "float32")])
    np.testing.assert_allclose(numbers(layer(np.array([[70002.0]], "float32"))["pooled"]), [[2.0]])


def test_numbers_of_another_width_are_refused():
    with pytest.raises(ValueError, match="3 numbers for 2 means"):
        NumericEncoder(2, mean=(0, 0), std=(1, 1))(np.zeros((1, 3), "float32"))


@pytest.mark.parametrize("kind", sorted(VIDEO))
def test_video_shapes_and_the_order_of_frames(kind):
    layer = VIDEO[kind]()
    out = layer(FRAMES)
    assert set(out) == {"sequence", "pooled"}
    assert out["sequence"].shape == (3, 4, 6) and out["pooled"].shape == (3, 6)
    apart = np.abs(numbers(layer(FRAMES[:, ::-1])["pooled"]) - numbers(out["pooled"])).max()
    assert apart < 1e-6 if kind == "video_average" else apart > 1e-4
    if kind == "video_gru":
        np.testing.assert_allclose(numbers(out["pooled"]), numbers(out["sequence"])[:, -1], atol=1e-6)


def test_the_image_encoder_is_shared_over_time():
    layer = VIDEO["video_average"]()
    out = layer(FRAMES)
    vectors = [numbers(layer.frame_encoder(FRAMES[:, time])["pooled"]) for time in range(4)]
    tokens = np.stack(vectors, axis=1) @ np.array(layer.entry.kernel) + np.array(layer.entry.bias)
    np.testing.assert_allclose(numbers(out["sequence"]), tokens, atol=1e-5)
    np.testing.assert_allclose(numbers(out["pooled"]), np.maximum(tokens.mean(axis=1), 0), atol=1e-5)


def test_a_video_encoder_takes_an_image_encoder_by_name_or_as_a_layer():
    encoder = VIDEO_ENCODERS["gru"](6, IMAGE_ENCODERS["small_cnn"](5, filters=(4,)))
    assert encoder(FRAMES)["pooled"].shape == (3, 6)
    again = VIDEO_ENCODERS["gru"].from_config(encoder.get_config())
    assert again.frame_encoder.filters == (4,) and again.get_config() == encoder.get_config()
    with pytest.raises(ValueError, match="there is no image encoder 'nothing'; choose one of"):
        VIDEO_ENCODERS["gru"](6, "nothing")
