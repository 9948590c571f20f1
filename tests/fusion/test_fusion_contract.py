"""What every fusion layer promises, whichever it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.fusion import FUSIONS

UNITS = 6
SETTINGS = {name: {"units": UNITS} for name in FUSIONS}
SETTINGS["film"] = {"units": UNITS, "filters": 4, "blocks": 2}
MIXED = {"text": np.array([True, True, False, False]), "image": np.array([True, False, True, False])}

pytestmark = pytest.mark.parametrize("kind", sorted(FUSIONS))


def make(kind, **changes):
    return FUSIONS[kind](**{**SETTINGS[kind], **changes})


def encoded(rows=4, seed=1):
    random = np.random.default_rng(seed)

    def normal(*shape):
        return random.normal(size=shape).astype("float32")

    grid = normal(rows, 3, 3, 7)
    text = {"sequence": normal(rows, 4, 5), "pooled": normal(rows, 5), "mask": random.random((rows, 4)) < 0.7}
    return {"text": text, "image": {"grid": grid, "sequence": grid.reshape(rows, 9, 7), "pooled": normal(rows, 7)}}


def over(function, inputs):
    """`function` on every array of the nested dict."""
    return {name: {part: function(value) for part, value in parts.items()} for name, parts in inputs.items()}


def model_of(layer):
    """A functional model around the layer; its inputs are one flat dict."""
    inputs, present = {}, {}
    for name, parts in encoded(1).items():
        for part, value in parts.items():
            key = f"{name}_{part}"
            inputs[key] = keras.Input(value.shape[1:], dtype=str(value.dtype), name=key)
        present[name] = inputs[f"{name}_present"] = keras.Input((), dtype="bool", name=f"{name}_present")
    nested = {name: {part: inputs[f"{name}_{part}"] for part in parts} for name, parts in encoded(1).items()}
    return keras.Model(inputs, layer(nested, present=present))


def flat(inputs, present):
    batch = {f"{name}_{part}": value for name, parts in inputs.items() for part, value in parts.items()}
    return {**batch, **{f"{name}_present": there for name, there in present.items()}}


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


def test_shape_and_range(kind):
    layer = make(kind)
    for present in (None, MIXED):
        layer = make(kind)
        out = numbers(layer(encoded(), present=present))
        assert out.shape == (4, UNITS) and np.isfinite(out).all() and np.ptp(out) > 0


def test_gradient_reaches_both_inputs_and_every_weight(kind):
    layer = make(kind)
    inputs = over(tf.constant, encoded())
    layer(inputs, present=MIXED)
    entries = {name: inputs[name][part] for name, part in layer.read.items()}
    assert set(entries) == {"text", "image"}
    aim = np.random.default_rng(5).normal(size=(4, UNITS)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(list(entries.values()))
        loss = tf.reduce_sum(layer(inputs, present=MIXED, training=True) * aim)
    weights = layer.trainable_weights
    gradients = tape.gradient(loss, [*entries.values(), *[w.value for w in weights]])
    for name, gradient in zip([*entries, *[w.path for w in weights]], gradients, strict=True):
        assert gradient is not None and np.abs(numbers(gradient)).max() > 0, name
    # Nothing flows to the content of what is missing.
    for name, gradient in zip(entries, gradients, strict=False):
        assert not numbers(gradient)[~MIXED[name]].any()
    assert {f"missing_{name}" for name in MIXED} <= {w.name for w in weights}


def test_inference_is_deterministic_and_knows_no_batch_mates(kind):
    layer, inputs = make(kind, dropout=0.5), encoded()
    whole = numbers(layer(inputs, present=MIXED))
    np.testing.assert_array_equal(numbers(layer(inputs, present=MIXED)), whole)
    for row in range(4):
        here = slice(row, row + 1)
        alone = layer(over(lambda v, s=here: v[s], inputs), present={k: v[here] for k, v in MIXED.items()})
        np.testing.assert_allclose(numbers(alone), whole[here], atol=1e-5)
    # Last, because training moves the statistics of a batch normalisation.
    assert not np.array_equal(numbers(layer(inputs, present=MIXED, training=True)), whole)


def test_saves_and_loads_with_any_batch_size(kind, tmp_path):
    model = model_of(make(kind))
    assert model.output.shape == (None, UNITS)
    for i, weight in enumerate(model.weights):  # no weight may keep an initial value that loading would restore
        weight.assign(np.random.default_rng(i).uniform(0.1, 0.6, weight.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for rows in (1, 3):
        present = {name: there[:rows] for name, there in MIXED.items()}
        batch = flat(encoded(rows, seed=rows), present)
        out = numbers(model(batch))
        assert out.shape == (rows, UNITS)
        np.testing.assert_array_equal(numbers(loaded(batch)), out)


@pytest.mark.parametrize("shuffled", ["text", "image"])
def test_either_input_matters(kind, shuffled):
    layer, inputs = make(kind), encoded()
    before = numbers(layer(inputs))
    inputs[shuffled] = {part: np.roll(value, 1, axis=0) for part, value in inputs[shuffled].items()}
    assert (np.abs(numbers(layer(inputs)) - before).max(axis=1) > 1e-4).all()


def test_content_of_what_is_missing_cannot_matter(kind):
    layer, inputs, other = make(kind), encoded(), encoded(seed=2)
    before = numbers(layer(inputs, present=MIXED))
    for name, there in MIXED.items():
        for part, value in inputs[name].items():
            at = there.reshape(-1, *[1] * (value.ndim - 1))
            hidden = other[name][part] if value.dtype == bool else np.float32(np.nan)
            inputs[name][part] = np.where(at, value, hidden)
    np.testing.assert_array_equal(numbers(layer(inputs, present=MIXED)), before)
    assert np.isfinite(before).all()


@pytest.mark.parametrize("there", ["text", "image"])
def test_one_present_modality_is_enough(kind, there):
    present = {name: np.full(4, name == there) for name in MIXED}
    layer = make(kind)
    out = numbers(layer(encoded(), present=present))
    rows = np.abs(out - out[:1]).max(axis=1)
    assert np.isfinite(out).all() and (rows[1:] > 1e-5).all()


def test_a_name_left_out_of_present_is_present(kind):
    layer, inputs = make(kind), encoded()
    everything = numbers(layer(inputs, present={name: np.full(4, True) for name in MIXED}))
    np.testing.assert_array_equal(numbers(layer(inputs)), everything)
    np.testing.assert_array_equal(numbers(layer(inputs, present={"text": np.full(4, True)})), everything)


def test_low_precision(kind, low_precision):
    layer = make(kind)
    out = layer(encoded(), present=MIXED)
    assert keras.backend.standardize_dtype(out.dtype) == low_precision
    assert np.isfinite(numbers(out)).all() and np.ptp(numbers(out)) > 0
    assert {w.dtype for w in layer.trainable_weights} == {"float32"}


def test_compiles_with_xla(kind):
    layer, inputs = make(kind), over(tf.constant, encoded())
    plain = numbers(layer(inputs, present=MIXED))
    present = {name: tf.constant(there) for name, there in MIXED.items()}
    compiled = tf.function(lambda x, p: layer(x, present=p), jit_compile=True)
    np.testing.assert_allclose(numbers(compiled(inputs, present)), plain, atol=1e-5)


def test_order_of_the_dict_does_not_matter(kind):
    inputs = encoded()
    outs = []
    for names in (["text", "image"], ["image", "text"]):
        keras.utils.set_random_seed(3)
        layer = make(kind)
        outs.append(numbers(layer({n: inputs[n] for n in names}, present={n: MIXED[n] for n in names})))
        outs.append(numbers(layer({n: inputs[n] for n in names[::-1]}, present={n: MIXED[n] for n in names[::-1]})))
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])


def test_config_round_trip(kind):
    changes = {"units": 5, "dropout": 0.25, "name": "joined"}
    if kind == "film":
        changes |= {"kernel_size": 1, "blocks": 3, "filters": 2, "coordinates": False, "image": "image"}
    config = make(kind, **changes).get_config()
    assert {key: config[key] for key in changes} == changes
    assert type(make(kind)).from_config(config).get_config() == config


def test_built_without_present_it_cannot_take_it_later(kind):
    layer, inputs = make(kind), encoded()
    layer(inputs)
    with pytest.raises(ValueError, match="without `present`"):
        layer(inputs, present=MIXED)


def test_vectors_alone_will_do_except_where_a_grid_is_read(kind):
    inputs = encoded()
    vectors = {name: parts["pooled"] for name, parts in inputs.items()}
    layer = make(kind)
    if kind == "film":
        with pytest.raises(ValueError, match="image grid"):
            layer(vectors)
    else:
        np.testing.assert_array_equal(numbers(layer(vectors)), numbers(layer(inputs)))
