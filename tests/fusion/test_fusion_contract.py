"""What every fusion layer promises, whichever it is."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.fusion import FUSIONS

UNITS = 6
TOKENS = {"hidden_dim": 4, "num_heads": 2, "num_layers": 1}
SETTINGS = {
    "block": {"hidden_dim": 4, "chunks": 2, "rank": 2},
    "bottleneck": {**TOKENS, "num_bottlenecks": 2},
    "co_attention": TOKENS,
    "cross_attention": TOKENS,
    "film": {"filters": 4, "num_blocks": 2},
    "mac": {"num_steps": 3},
    "perceiver": {**TOKENS, "num_latents": 3},
    "relation": {"pair_hidden": (4, 5), "output_hidden": (7,)},
    "tensor": {"hidden_dim": 3},
    "token_transformer": TOKENS,
}
# Something else than the default for every argument.
CHANGES = {
    "block": {"hidden_dim": 6, "chunks": 3, "rank": 2},
    "bottleneck": {"num_bottlenecks": 3, "hidden_dim": 9, "num_heads": 3, "num_layers": 1},
    "branched": {"num_branches": 3, "query": "image"},
    "co_attention": {"hidden_dim": 9, "num_heads": 3, "num_layers": 1},
    "cross_attention": {"query": "image", "hidden_dim": 9, "num_heads": 3, "num_layers": 1},
    "film": {"kernel_size": 1, "num_blocks": 3, "filters": 2, "coordinates": False, "image": "image"},
    "low_rank": {"rank": 2},
    "mac": {"num_steps": 2, "query": "image", "count": True},
    "memory": {"num_hops": 1, "hidden_dim": 3, "query": "image"},
    "mfb": {"num_factors": 2},
    "mfh": {"num_factors": 2, "order": 5},
    "mutan": {"hidden_dim": 3, "rank": 2},
    "perceiver": {"num_latents": 2, "hidden_dim": 9, "num_heads": 3, "num_layers": 1},
    "relation": {"pair_hidden": (3,), "output_hidden": (2, 4), "image": "image"},
    "residual": {"num_layers": 1, "query": "image"},
    "stacked_attention": {"num_hops": 1, "hidden_dim": 3, "query": "image"},
    "tensor": {"hidden_dim": None},
    "token_transformer": {
        "hidden_dim": 9,
        "num_heads": 3,
        "num_layers": 1,
        "read_at": "image",
        "aligned": ("image", "text"),
        "pooled": ("text",),
    },
}
MIXED = {"text": np.array([True, True, False, False]), "image": np.array([True, False, True, False])}

pytestmark = pytest.mark.parametrize("kind", sorted(FUSIONS))


def make(kind, **changes):
    return FUSIONS[kind](**{"units": UNITS, **SETTINGS.get(kind, {}), **changes})


@functools.cache
def built(kind, with_present=True):
    """One layer of the kind, shared by the tests that leave it as it was."""
    keras.utils.set_random_seed(0)
    layer = make(kind)
    layer(encoded(), present=MIXED if with_present else None)
    return layer


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
    for layer, present in ((built(kind), MIXED), (built(kind, with_present=False), None)):
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
    layer, inputs = built(kind), encoded()
    before = numbers(layer(inputs))
    inputs[shuffled] = {part: np.roll(value, 1, axis=0) for part, value in inputs[shuffled].items()}
    assert (np.abs(numbers(layer(inputs)) - before).max(axis=1) > 1e-4).all()


def test_content_of_what_is_missing_cannot_matter(kind):
    layer, inputs, other = built(kind), encoded(), encoded(seed=2)
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
    out = numbers(built(kind)(encoded(), present=present))
    rows = np.abs(out - out[:1]).max(axis=1)
    assert np.isfinite(out).all() and (rows[1:] > 1e-5).all()


def test_content_of_masked_places_cannot_matter(kind):
    check_masks(built(kind))


def check_masks(layer):
    random, inputs = np.random.default_rng(3), encoded()
    inputs["image"]["mask"] = random.random((4, 9)) < 0.5
    inputs["text"]["mask"][:, 0] = [True, True, True, False]
    inputs["text"]["mask"][3] = False
    before = numbers(layer(inputs))
    for parts in inputs.values():
        counts = parts["mask"].copy()
        counts[~counts.any(axis=1), 0] = True  # of an empty sequence, the first place
        other = 50 * random.normal(size=parts["sequence"].shape).astype("float32")
        parts["sequence"] = np.where(counts[:, :, None], parts["sequence"], other)
    np.testing.assert_array_equal(numbers(layer(inputs)), before)
    # Padding neither: a shorter text is the same text.
    inputs["text"]["mask"][:, 2:] = False
    before = numbers(layer(inputs))
    inputs["text"] = {**inputs["text"], **{part: inputs["text"][part][:, :2] for part in ("sequence", "mask")}}
    precision = 1e-5 if layer.compute_dtype == "float32" else 0.05
    np.testing.assert_allclose(numbers(layer(inputs)), before, atol=precision)


def test_a_name_left_out_of_present_is_present(kind):
    layer, inputs = built(kind), encoded()
    everything = numbers(layer(inputs, present={name: np.full(4, True) for name in MIXED}))
    np.testing.assert_array_equal(numbers(layer(inputs)), everything)
    np.testing.assert_array_equal(numbers(layer(inputs, present={"text": np.full(4, True)})), everything)


def test_low_precision(kind, low_precision):
    layer = make(kind)
    out = layer(encoded(), present=MIXED)
    assert keras.backend.standardize_dtype(out.dtype) == low_precision
    assert np.isfinite(numbers(out)).all() and np.ptp(numbers(out)) > 0
    assert {w.dtype for w in layer.trainable_weights} == {"float32"}
    check_masks(layer)


def test_compiles_with_xla(kind):
    layer, inputs = built(kind), over(tf.constant, encoded())
    plain = numbers(layer(inputs, present=MIXED))
    present = {name: tf.constant(there) for name, there in MIXED.items()}
    compiled = tf.function(lambda x, p: layer(x, present=p), jit_compile=True)
    np.testing.assert_allclose(numbers(compiled(inputs, present)), plain, atol=1e-5)


def test_order_of_the_dict_does_not_matter(kind):
    inputs, layer = encoded(), make(kind)
    backwards = {n: inputs[n] for n in reversed(inputs)}, {n: MIXED[n] for n in reversed(MIXED)}
    expected = numbers(built(kind)(inputs, present=MIXED))
    for other in (built(kind), layer):  # the second is built backwards too, from the same seed
        np.testing.assert_array_equal(numbers(other(backwards[0], present=backwards[1])), expected)


def test_config_round_trip(kind):
    changes = {"units": 15, "dropout": 0.25, **CHANGES.get(kind, {})}
    default, config = FUSIONS[kind](8).get_config(), make(kind, **changes).get_config()
    assert config.keys() - keras.layers.Layer().get_config().keys() == changes.keys()
    for key, value in changes.items():
        assert config[key] == value != default[key], key
    assert FUSIONS[kind].from_config(config).get_config() == config


def test_built_without_present_it_cannot_take_it_later(kind):
    with pytest.raises(ValueError, match="without `present`"):
        built(kind, with_present=False)(encoded(), present=MIXED)


def test_vectors_alone_will_do_where_vectors_are_read(kind):
    layer, inputs = built(kind), encoded()
    vectors = {name: parts["pooled"] for name, parts in inputs.items()}
    if set(layer.read.values()) == {"pooled"}:
        np.testing.assert_array_equal(numbers(layer(vectors)), numbers(layer(inputs)))
    else:
        with pytest.raises(ValueError, match="whole output"):
            make(kind)(vectors)


def test_the_example_in_its_docstring_runs(kind):
    (example,) = re.findall(r"```python\n(.*?)```", FUSIONS[kind].__doc__, flags=re.DOTALL)
    names = {"keras": keras, FUSIONS[kind].__name__: FUSIONS[kind]}
    exec(re.sub(r"^    ", "", example, flags=re.MULTILINE), names)
    assert names["fused"].shape == tuple(int(n) for n in re.search(r"# \((\d+), (\d+)\)", example).groups())
