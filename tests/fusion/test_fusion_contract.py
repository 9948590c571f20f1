"""The contract that every fusion layer keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasfusion.fusion import FUSIONS

UNITS = 4
B = 5


def inputs(batch=B, seed=0):
    random = np.random.default_rng(seed)

    def make(*shape):
        return random.normal(size=(batch, *shape)).astype("float32")

    return {
        "text": {"pooled": make(5), "sequence": make(6, 5), "mask": np.arange(6) < random.integers(1, 7, (batch, 1))},
        "image": {"pooled": make(7), "sequence": make(9, 7), "grid": make(3, 3, 7)},
    }


def presence(batch=B):
    return {"text": np.arange(batch) != 1, "image": np.arange(batch) != 2}


def take(tree, rows):
    return keras.tree.map_structure(lambda value: value[rows], tree)


def make(name, **changes):
    return FUSIONS[name](UNITS, name="fusion", **changes)


pytestmark = pytest.mark.parametrize("name", sorted(FUSIONS))


def test_shape_and_determinism(name):
    layer = make(name, dropout=0.5)
    out = ops.convert_to_numpy(layer(inputs(), present=presence()))
    assert out.shape == (B, UNITS) and np.isfinite(out).all()
    np.testing.assert_array_equal(out, layer(inputs(), present=presence()))
    assert (out != ops.convert_to_numpy(layer(inputs(), present=presence(), training=True))).any()


def test_gradient_reaches_both_inputs_and_every_weight(name):
    layer = make(name)
    values = keras.tree.map_structure(tf.constant, inputs(32))
    read = {k: {p: v for p, v in d.items() if p != "mask"} for k, d in values.items()}
    with tf.GradientTape() as tape:
        tape.watch(read)
        loss = tf.reduce_sum(layer(values, present=presence(32)) ** 2)
    weights, parts = tape.gradient(loss, [layer.trainable_weights, read])
    for weight, gradient in zip(layer.trainable_weights, weights, strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, weight.path
    for modality, found in parts.items():
        assert any(g is not None and np.abs(g).max() > 0 for g in found.values()), modality


def test_rows_do_not_depend_on_their_batch(name):
    layer = make(name)
    whole = layer(inputs(), present=presence())
    for row in range(B):
        alone = layer(take(inputs(), slice(row, row + 1)), present=take(presence(), slice(row, row + 1)))
        np.testing.assert_allclose(whole[row], alone[0], atol=1e-5)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_every_modality_matters(name, modality):
    layer = make(name)
    before = ops.convert_to_numpy(layer(inputs()))
    changed = {**inputs(), modality: take(inputs()[modality], np.roll(np.arange(B), 1))}
    assert np.abs(before - ops.convert_to_numpy(layer(changed))).max(axis=1).min() > 1e-6


@pytest.mark.parametrize("modality", ["text", "image"])
def test_what_is_missing_cannot_matter(name, modality):
    layer = make(name)
    present = {"text": np.ones(B, bool), "image": np.ones(B, bool), modality: np.zeros(B, bool)}
    other = {**inputs(), modality: inputs(seed=9)[modality]}
    out = layer(inputs(), present=present)
    np.testing.assert_array_equal(out, layer(other, present=present))
    assert np.isfinite(out).all()
    everything = layer(inputs(), present={"text": np.ones(B, bool), "image": np.ones(B, bool)})
    assert np.abs(out - everything).max() > 1e-6
    np.testing.assert_allclose(everything, layer(inputs()), atol=1e-6)


def test_the_order_of_the_dict_does_not_matter(name):
    layer = make(name)
    forward = layer(inputs(), present=presence())
    backward = layer(dict(reversed(inputs().items())), present=dict(reversed(presence().items())))
    np.testing.assert_array_equal(forward, backward)


def test_presence_must_be_known_when_built(name):
    layer = make(name)
    layer(inputs())
    with pytest.raises(ValueError, match="was built without `present`"):
        layer(inputs(), present=presence())


def test_save_and_load_in_a_functional_model(name, tmp_path):
    symbols = keras.tree.map_structure(
        lambda value: keras.Input(value.shape[1:], dtype=value.dtype.name), {"x": inputs(), "p": presence()}
    )
    model = keras.Model(symbols, make(name)(symbols["x"], present=symbols["p"]))
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for batch in (1, B):  # the batch size was unknown when the model was made
        feed = {"x": inputs(batch), "p": presence(batch)}
        np.testing.assert_allclose(model(feed), loaded(feed), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(name, policy):
    out = make(name, dtype=policy)(inputs(), present=presence())
    assert keras.backend.standardize_dtype(out.dtype) == policy.removeprefix("mixed_")
    assert np.isfinite(ops.convert_to_numpy(ops.cast(out, "float32"))).all()


def test_xla(name):
    layer = make(name)
    expected = layer(inputs(), present=presence())
    compiled = tf.function(lambda x, p: layer(x, present=p), jit_compile=True)
    np.testing.assert_allclose(compiled(inputs(), presence()), expected, atol=1e-4)


def test_config(name):
    layer = make(name, dropout=0.25)
    config = layer.get_config()
    assert config["units"] == UNITS and config["dropout"] == 0.25
    assert type(layer).from_config(config).get_config() == config
