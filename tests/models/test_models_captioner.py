"""Captioners, what their decoders look at, and their training twin."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasfusion.models import as_captioner, captioner, captioning, fusion_model, get_heads
from kerasfusion.models.joint_encoder import JointEncoder
from kerasfusion.schema import Schema, Task

CAPTION = Task("caption", "captioning", "said", vocabulary=tuple("abcdefg"), length=6)
SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
B, K, T = 3, 2, 5


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float32")


def encoded(rows=4, seed=1):
    random = np.random.default_rng(seed)
    text, grid = random.normal(size=(rows, 4, 5)), random.normal(size=(rows, 6, 7))
    mask = np.arange(4) < random.integers(1, 5, (rows, 1))
    return {
        "text": {"sequence": text.astype("float32"), "pooled": text[:, 0], "mask": mask},
        "image": {"sequence": grid.astype("float32"), "pooled": grid[:, 0]},
    }


def test_the_joint_encoder_without_blocks_is_its_equation():
    layer, inputs = JointEncoder(8, num_layers=0), encoded()
    there = {"text": np.array([True, True, False, True]), "image": np.array([True, False, True, True])}
    layer(inputs, present=there)
    for i, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(i).normal(scale=0.5, size=weight.shape))
    found = {name: numbers(value) for name, value in layer(inputs, present=there).items()}
    tokens, masks = [], []
    for name in ("image", "text"):
        own, present = inputs[name]["sequence"], there[name]
        own = np.where(present[:, None, None], own, numbers(layer.missing[name]))
        own = own @ numbers(layer.inputs[name].kernel) + numbers(layer.inputs[name].bias)
        tokens.append(own + numbers(layer.positions[name]))
        mask = inputs[name].get("mask", np.ones(own.shape[:2], bool))
        masks.append(np.where(present[:, None], mask, np.arange(own.shape[1]) == 0))
    tokens, mask = np.concatenate(tokens, axis=1), np.concatenate(masks, axis=1)
    mean, variance = tokens.mean(axis=-1, keepdims=True), tokens.var(axis=-1, keepdims=True)
    tokens = (tokens - mean) / np.sqrt(variance + 1e-5) * numbers(layer.norm.gamma) + numbers(layer.norm.beta)
    tokens = tokens @ numbers(layer.projection.kernel) + numbers(layer.projection.bias)
    np.testing.assert_array_equal(found["mask"], mask)
    np.testing.assert_allclose(found["sequence"][mask], tokens[mask], atol=1e-4)
    pooled = [row[counts].mean(axis=0) for row, counts in zip(tokens, mask, strict=True)]
    np.testing.assert_allclose(found["pooled"], pooled, atol=1e-4)


def test_in_blocks_the_modalities_meet_and_padding_does_not_matter():
    layer, inputs = JointEncoder(8, num_layers=1, num_heads=2), encoded()
    before = layer(inputs)
    mask = numbers(before["mask"]).astype(bool)
    other = encoded()
    text = other["text"]
    text["sequence"] = np.where(text["mask"][..., None], text["sequence"], np.float32(50))
    after = layer(other)
    np.testing.assert_allclose(numbers(after["sequence"])[mask], numbers(before["sequence"])[mask], atol=1e-5)
    np.testing.assert_allclose(numbers(after["pooled"]), numbers(before["pooled"]), atol=1e-5)
    other["image"]["sequence"] = other["image"]["sequence"] + 1
    # The words have seen the image.
    changed = np.abs(numbers(layer(other)["sequence"]) - numbers(before["sequence"])).max(axis=-1)
    assert (changed[:, 6:][mask[:, 6:]] > 1e-4).all()


def rows_of(schema, rows_for, rows, **options):
    batch = rows_for(schema, rows, **options)
    batch["caption"][np.arange(T) >= np.random.default_rng(8).integers(2, T + 1, (rows, 1))] = 0
    return batch


@pytest.fixture
def schema(tiny_schema):
    return Schema(tiny_schema.features, (CAPTION,))


def test_a_captioner_reads_images_and_texts(schema, rows_for, tmp_path):
    model = captioner(
        schema, **SMALL, num_layers=1, decoder={"name": "transformer", "num_layers": 1}, label_smoothing=0.1
    )
    assert list(model.input) == ["text", "text_present", "image", "image_present", "caption"]
    batch = rows_of(schema, rows_for, 4)
    before = numbers(model(batch)["caption"])
    assert before.shape == (4, T, CAPTION.vocabulary_size) and model.output["caption"].dtype == "float32"
    for name in ("text", "image"):
        other = {**batch, name: np.roll(batch[name], 1, axis=0)}
        assert (np.abs(numbers(model(other)["caption"]) - before).max(axis=(1, 2)) > 1e-5).all(), name
        # A missing one is not read at all, and still there is something to write.
        away = {f"{name}_present": np.zeros(4, bool)}
        missing = numbers(model({**batch, **away})["caption"])
        np.testing.assert_array_equal(numbers(model({**other, **away})["caption"]), missing)
        assert np.isfinite(missing).all() and np.abs(missing - before).max() > 1e-5
    assert model.task == "caption" and model.head.label_smoothing == 0.1
    context = model.encode_context({name: value for name, value in batch.items() if name != "caption"})
    apart = model.head(model.decoder(context, batch["caption"]))
    np.testing.assert_allclose(numbers(apart), before, atol=1e-5)
    # Taken apart it is still one model.
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(batch)["caption"]), before)
    assert as_captioner(loaded).decoder.num_layers == 1


def test_what_is_no_captioner_says_so(tiny_schema):
    with pytest.raises(ValueError, match=r"needs one task of type captioning, .* the schema has \['multiclass'\]"):
        captioner(tiny_schema)
    with pytest.raises(ValueError, match=r"there is no 'rnn'; choose one of .*'attention_lstm', 'gru', 'lstm'"):
        captioner(Schema(tiny_schema.only("image").features, (CAPTION,)), **SMALL, decoder="rnn")
    with pytest.raises(ValueError, match="plain writes no captions: its heads are"):
        as_captioner(fusion_model(tiny_schema, **SMALL, fusion="concat", name="plain"))


@pytest.mark.parametrize("decoder", ["attention_lstm", "transformer"])
def test_the_twin_is_the_plain_model_row_by_row(schema, rows_for, decoder):
    meaning = Task("context", "embedding_regression", "said", classes=("0", "1"))
    both = dataclasses.replace(schema.only("image"), tasks=(CAPTION, meaning))
    model = captioner(both, **SMALL, decoder=decoder, label_smoothing=0.1)
    twin = captioning(model)
    assert {id(weight) for weight in twin.weights} == {id(weight) for weight in model.weights}
    images, texts = rows_for(both.only("image"), B, present=0.7), rows_of(both, rows_for, B * K)
    major = {**images, "caption": texts["caption"].reshape(B, K, T)}
    plain = {name: np.repeat(value, K, axis=0) for name, value in images.items()} | {"caption": texts["caption"]}
    expected = model(plain)
    found = twin(major)
    assert found["caption"].shape == (B, K, T, CAPTION.vocabulary_size) and found["context"].shape == (B, 1, 2)
    np.testing.assert_allclose(
        numbers(found["caption"]).reshape(B * K, T, -1), numbers(expected["caption"]), atol=1e-5
    )
    # Labels, weights (the last caption is padding) and what they cost.
    said = np.where(plain["caption"] > 0, np.roll(plain["caption"], -1, axis=1), 0)
    weights = np.array([1, 2.5, 1, 1, 1, 0], "float32")
    labels = {"caption": said.astype("int32"), "context": np.arange(2 * B * K, dtype="float32").reshape(-1, 2)}
    costs = []
    for one, x, shape in ((model, plain, (B * K,)), (twin, major, (B, K))):
        one.compile(
            "sgd",
            loss={task: head.loss() for task, head in get_heads(model).items()},
            weighted_metrics={task: head.metrics_for() for task, head in get_heads(model).items()},
            run_eagerly=True,
        )
        y = {task: values.reshape(*shape, *values.shape[1:]) for task, values in labels.items()}
        w = {task: weights.reshape(shape) for task in labels}
        costs.append(one.test_on_batch(x, y, w, return_dict=True))
    assert costs[0].keys() == costs[1].keys() and len(costs[0]) >= 3
    for name, cost in costs[0].items():
        assert costs[1][name] == pytest.approx(cost, rel=1e-4), name
    assert costs[0]["caption_loss"] > 1
