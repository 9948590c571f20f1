"""The image-major twin: the plain model's numbers, the image encoder once per image."""

import keras
import numpy as np
import pytest

from kerasfusion.encoders import SmallCNN
from kerasfusion.models import fusion_model, get_heads, image_major, late_average

B, K = 3, 4
SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
# Of the fusions, one that reads vectors, two that read sequences and one that reads a grid.
KINDS = ["concat", "stacked_attention", "cross_attention", "film", "late_average", "image_only"]


def make(schema, kind, **changes):
    if kind == "late_average":
        return late_average(schema, **{**SMALL, **changes})
    if kind == "image_only":
        return fusion_model(schema.only("image"), name="image_only", **{**SMALL, **changes})
    smaller = {"film": {"filters": 4, "num_blocks": 1}, "cross_attention": {"num_layers": 1}}
    settings = {"name": kind, **smaller.get(kind, {})}
    return fusion_model(schema, name=kind, fusion=settings, **{**SMALL, **changes})


@pytest.fixture
def batch(tiny_schema, rows_for):
    """Image-major inputs, the same as rows, labels and weights (two texts of the last image are padding)."""
    rows = rows_for(tiny_schema, B * K, present=0.7)
    images = rows_for(tiny_schema.only("image"), B, present=0.7, seed=1)
    images["image_present"] = np.array([True, False, True])
    major = {**images, **{k: v.reshape(B, K, *v.shape[1:]) for k, v in rows.items() if k.startswith("text")}}
    plain = {**rows, **{k: np.repeat(v, K, axis=0) for k, v in images.items()}}
    labels = np.random.default_rng(2).integers(0, 3, (B, K)).astype("int32")
    weights = np.ones((B, K), "float32")
    weights[-1, -2:] = 0
    weights[0, 0] = 2.5
    return major, plain, labels, weights


def of(model, inputs):
    return {name: inputs[name] for name in model.input}


def compile_for(model, heads, optimizer="sgd"):
    model.compile(
        optimizer,
        loss={task: head.loss() for task, head in heads.items()},
        weighted_metrics={task: head.metrics_for() for task, head in heads.items()},
        run_eagerly=True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_twin_equals_the_plain_model_row_by_row(tiny_schema, batch, kind):
    major, plain, _, _ = batch
    model = make(tiny_schema, kind)
    twin = image_major(model)
    assert {id(w) for w in twin.weights} == {id(w) for w in model.weights}
    expected = np.array(model(of(model, plain))["label"]).reshape(B, K, 3)
    out = np.array(twin(of(model, major))["label"])
    if kind == "image_only":
        assert out.shape == (B, 1, 3)
        expected = expected[:, :1]
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert np.ptp(expected) > 1e-3
    predicted = twin.predict(of(model, major), batch_size=2, verbose=0)["label"]
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["concat", "film", "late_average", "image_only"])
def test_the_image_encoder_runs_once_per_image(tiny_schema, batch, kind, monkeypatch):
    major, plain, _, _ = batch
    seen = []
    encode = SmallCNN.encode

    def recording(self, pixels, training):
        seen.append(pixels.shape[0])
        return encode(self, pixels, training)

    monkeypatch.setattr(SmallCNN, "encode", recording)
    model = make(tiny_schema, kind)
    twin = image_major(model)
    seen.clear()
    twin(of(model, major))
    assert seen == [B]
    model(of(model, plain))
    assert seen == [B, B * K]


@pytest.mark.parametrize("kind", ["multiply", "late_average", "image_only"])
def test_loss_and_metrics_count_no_padding(tiny_schema, batch, kind):
    major, plain, labels, weights = batch
    model = make(tiny_schema, kind)
    twin = image_major(model)
    compile_for(twin, get_heads(model))
    compile_for(model, get_heads(model))
    by_image = twin.test_on_batch(of(model, major), {"label": labels}, {"label": weights}, return_dict=True)
    flat, flat_weights = labels.reshape(-1), weights.reshape(-1)
    by_row = model.test_on_batch(of(model, plain), {"label": flat}, {"label": flat_weights}, return_dict=True)
    assert by_image.keys() == by_row.keys() and any("accuracy" in key for key in by_row)
    for key, value in by_row.items():
        assert float(by_image[key]) == pytest.approx(float(value), abs=1e-5), key
    # And both are what NumPy says.
    logits = np.array(model(of(model, plain))["label"], "float64")
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(B * K), flat]
    assert float(by_row["loss"]) == pytest.approx((losses * flat_weights).sum() / flat_weights.sum(), abs=1e-4)
    # Labels of padding cannot matter.
    labels = np.where(weights == 0, (labels + 1) % 3, labels)
    again = twin.evaluate(of(model, major), {"label": labels}, sample_weight={"label": weights}, verbose=0)
    assert again[0] == pytest.approx(float(by_row["loss"]), abs=1e-5)


def test_a_step_on_the_twin_is_a_step_on_the_plain_model(tiny_schema, batch):
    major, plain, labels, weights = batch
    models = [make(tiny_schema, "gated") for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    before = models[0].get_weights()
    twin = image_major(models[0])
    compile_for(twin, get_heads(models[0]))
    compile_for(models[1], get_heads(models[1]))
    twin.train_on_batch(major, {"label": labels}, {"label": weights})
    models[1].train_on_batch(plain, {"label": labels.reshape(-1)}, {"label": weights.reshape(-1)})
    moved = [np.abs(a - b).max() > 0 for a, b in zip(before, models[0].get_weights(), strict=True)]
    assert all(moved)
    for by_image, by_row in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(by_image, by_row, atol=1e-5)


@pytest.mark.parametrize("kind", ["film", "late_average"])
def test_the_plain_model_saves_after_its_twin_was_trained(tiny_schema, batch, tmp_path, kind):
    major, plain, labels, weights = batch
    model = make(tiny_schema, kind)
    before = np.array(model(plain)["label"])
    twin = image_major(model)
    compile_for(twin, get_heads(model))
    twin.fit(major, {"label": labels}, sample_weight={"label": weights}, epochs=1, batch_size=2, verbose=0)
    after = np.array(model(plain)["label"])
    assert np.abs(after - before).max() > 1e-4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.array(loaded(plain)["label"]), after, atol=1e-6)
    np.testing.assert_allclose(np.array(image_major(loaded)(major)["label"]), after.reshape(B, K, 3), atol=1e-5)


@pytest.mark.parametrize("kind", ["sum", "late_average"])
def test_training_reaches_dropout_and_inference_does_not(tiny_schema, batch, kind):
    major = batch[0]
    twin = image_major(make(tiny_schema, kind, dropout=0.5))

    def call(**how):
        return np.array(twin(major, **how)["label"])

    assert not np.array_equal(call(training=True), call(training=True))
    np.testing.assert_array_equal(call(training=False), call())


def test_fit_trains_in_training_mode(tiny_schema, batch):
    """Keras's `train_on_batch` says `training=True` only to a model whose `call` names it."""
    major, _, labels, weights = batch
    image = {"name": "residual_cnn", "filters": (4, 4)}
    model = make(tiny_schema, "concat", image_encoder=image, dropout=0.5)
    statistics = [w for w in model.non_trainable_weights if "moving_mean" in w.path]
    before = [np.array(w) for w in statistics]
    twin = image_major(model)
    compile_for(twin, get_heads(model), keras.optimizers.SGD(0.0))
    twin(major)
    twin.test_on_batch(major, {"label": labels}, {"label": weights})
    for weight, value in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)
    losses = [float(twin.train_on_batch(major, {"label": labels}, {"label": weights})[0])]
    assert statistics and all(np.abs(np.array(w) - v).max() > 0 for w, v in zip(statistics, before, strict=True))
    # With a learning rate of 0 and one batch, only dropout tells two steps apart.
    twin.reset_metrics()
    losses.append(float(twin.train_on_batch(major, {"label": labels}, {"label": weights})[0]))
    assert losses[0] != losses[1]


def test_a_model_without_that_image_is_refused(tiny_schema):
    text_only = fusion_model(tiny_schema.only("text"), **SMALL)
    with pytest.raises(ValueError, match=r"no input 'image'.*'text', 'text_present'"):
        image_major(text_only)
