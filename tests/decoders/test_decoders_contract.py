"""What every decoder promises, whichever it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_decoders import CELLS, IDS, LENGTH, ROWS, UNITS, WIDTH, WORDS, built, context_of, make, numbers

from kerasfusion.decoders import DECODERS

SEVERAL = np.stack([IDS, IDS[::-1]], axis=1)
# Something else than the default for every argument.
CHANGES = {"transformer": {"num_heads": 3, "num_layers": 1}}
# What a kind looks at in the context.
READS = {
    "attention_lstm": {"pooled", "sequence"},
    "gru": {"pooled"},
    "lstm": {"pooled"},
    "transformer": {"sequence"},
}

pytestmark = pytest.mark.parametrize("kind", sorted(DECODERS))


def step_by_step(decoder, context, ids):
    """Ids `(B, K, T)` one place after the other."""
    context = {name: tf.constant(value) for name, value in context.items()}
    memory = decoder.remember(context)
    state, found = decoder.begin(memory, ids.shape[1]), []
    for place in range(ids.shape[2]):
        hidden, state = decoder.next(memory, state, ids[:, :, place], place)
        found.append(numbers(hidden))
    return np.stack(found, axis=2)


def test_several_texts_of_one_context_are_each_as_if_alone(kind):
    decoder, _ = built(kind)
    together = numbers(decoder(context_of(), SEVERAL))
    assert together.shape == (ROWS, 2, LENGTH, UNITS) and np.isfinite(together).all()
    for text in range(2):
        alone = numbers(decoder(context_of(), SEVERAL[:, text]))
        assert alone.shape == (ROWS, LENGTH, UNITS)
        np.testing.assert_allclose(together[:, text], alone, atol=1e-5)
    assert np.abs(together[0, 0] - together[0, 1]).max() > 1e-3


def test_all_places_at_once_are_what_one_step_after_the_other_gives(kind):
    decoder, _ = built(kind)
    whole = numbers(decoder(context_of(), SEVERAL))
    np.testing.assert_allclose(step_by_step(decoder, context_of(), SEVERAL), whole, atol=1e-5)


def test_later_words_do_not_change_earlier_places(kind):
    decoder, _ = built(kind)
    before = numbers(decoder(context_of(), IDS))
    for place in (1, LENGTH - 1):
        other = IDS.copy()
        other[:, place] = (other[:, place] + 5) % WORDS
        changed = np.abs(numbers(decoder(context_of(), other)) - before).max(axis=(0, 2))
        assert (changed[:place] == 0).all() and (changed[place:] > 1e-4).all()


def check_masks(decoder):
    context = context_of()
    before = numbers(decoder(context, IDS))
    other = 50 * np.random.default_rng(3).normal(size=context["sequence"].shape).astype("float32")
    assert not context["mask"].all()
    context["sequence"] = np.where(context["mask"][..., None], context["sequence"], other)
    np.testing.assert_array_equal(numbers(decoder(context, IDS)), before)


def test_masked_cells_cannot_matter(kind):
    check_masks(built(kind)[0])


def test_the_context_matters(kind):
    decoder, _ = built(kind)
    before = numbers(decoder(context_of(), IDS))
    for part in ("pooled", "sequence"):
        context = context_of()
        context[part] = context[part] + 1
        change = np.abs(numbers(decoder(context, IDS)) - before).max()
        assert change > 1e-3 if part in READS[kind] else change == 0, part


def test_gradient_reaches_what_is_read_and_every_weight(kind):
    decoder = make(kind)
    context = {name: tf.constant(value) for name, value in context_of().items()}
    decoder(context, IDS)
    entries = [context[part] for part in sorted(READS[kind])]
    aim = np.random.default_rng(5).normal(size=(ROWS, LENGTH, UNITS)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(entries)
        loss = tf.reduce_sum(decoder(context, IDS, training=True) * aim)
    weights = decoder.trainable_weights
    found = tape.gradient(loss, [*entries, *[weight.value for weight in weights]])
    for name, gradient in zip([*sorted(READS[kind]), *[w.path for w in weights]], found, strict=True):
        assert gradient is not None and np.abs(numbers(tf.convert_to_tensor(gradient))).max() > 0, name


def test_inference_is_deterministic_and_knows_no_batch_mates(kind):
    decoder, context = make(kind, dropout=0.5), context_of()
    whole = numbers(decoder(context, IDS))
    np.testing.assert_array_equal(numbers(decoder(context, IDS)), whole)
    for row in (0, 2):
        here = slice(row, row + 1)
        alone = decoder({name: value[here] for name, value in context.items()}, IDS[here])
        np.testing.assert_allclose(numbers(alone), whole[here], atol=1e-5)
    assert not np.array_equal(numbers(decoder(context, IDS, training=True)), whole)


def test_saves_and_loads_with_any_batch_size(kind, tmp_path):
    shapes = {"sequence": (CELLS, WIDTH), "mask": (CELLS,), "pooled": (WIDTH,)}
    inputs = {n: keras.Input(s, dtype="bool" if n == "mask" else "float32", name=n) for n, s in shapes.items()}
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    model = keras.Model({**inputs, "ids": ids}, make(kind)(inputs, ids))
    assert model.output.shape == (None, LENGTH, UNITS)
    for i, weight in enumerate(model.weights):  # no weight may keep an initial value that loading would restore
        values = np.random.default_rng(i).uniform(-0.6, 0.6, weight.shape)
        weight.assign(np.abs(values) if weight.path.endswith("variance") else values)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for rows in (1, 3):
        batch = {**context_of(rows), "ids": IDS[:rows]}
        out = numbers(model(batch))
        assert out.shape == (rows, LENGTH, UNITS)
        np.testing.assert_array_equal(numbers(loaded(batch)), out)


def test_low_precision(kind, low_precision):
    decoder = make(kind)
    out = decoder(context_of(), SEVERAL)
    assert keras.backend.standardize_dtype(out.dtype) == low_precision
    assert np.isfinite(numbers(out)).all() and np.ptp(numbers(out)) > 0
    assert {weight.dtype for weight in decoder.trainable_weights} == {"float32"}
    np.testing.assert_allclose(step_by_step(decoder, context_of(), SEVERAL), numbers(out), atol=0.05)
    check_masks(decoder)


def test_compiles_with_xla(kind):
    decoder, _ = built(kind)
    context = {name: tf.constant(value) for name, value in context_of().items()}
    compiled = tf.function(lambda c, ids: decoder(c, ids), jit_compile=True)
    plain = numbers(decoder(context, SEVERAL))
    np.testing.assert_allclose(numbers(compiled(context, tf.constant(SEVERAL))), plain, atol=1e-5)


def test_config_round_trip(kind):
    changes = {"vocabulary_size": 7, "units": 6, "dropout": 0.25, **CHANGES.get(kind, {})}
    default, config = DECODERS[kind](8, 8).get_config(), make(kind, **changes).get_config()
    assert config.keys() - keras.layers.Layer().get_config().keys() == changes.keys()
    for key, value in changes.items():
        assert config[key] == value != default[key], key
    assert DECODERS[kind].from_config(config).get_config() == config
