"""Adapters start as nothing, learn alone, and leave a plain model behind."""

import math

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.layers import Adapter, TransformerBlock
from kerasfusion.models import fusion_model, get_heads
from kerasfusion.serving import verify
from kerasfusion.serving.exporting import export_model
from kerasfusion.transfer import add_adapters, enable_lora, merge_lora

BLOCK = "encode_text/block_0"
SMALL = {
    "text_encoder": {"name": "transformer", "num_heads": 2, "num_layers": 1},
    "image_encoder": {"name": "small_cnn", "filters": (4,)},
    "units": 8,
}


@pytest.fixture
def model(tiny_schema):
    return fusion_model(tiny_schema, **SMALL)


@pytest.fixture
def batch(tiny_schema, rows_for):
    return rows_for(tiny_schema, 6)


def outputs(model, batch):
    return np.array(model(batch)["label"])


def values(model):
    return {weight.path: np.array(weight) for weight in model.weights}


def train(model, batch):
    """Three large steps; returns the paths of the weights that changed."""
    before = values(model)
    loss = {task: head.loss() for task, head in get_heads(model).items()}
    model.compile(keras.optimizers.Adam(0.1), loss, run_eagerly=True)
    labels = {"label": np.arange(6) % 3}
    model.fit(batch, labels, epochs=3, verbose=0)
    return {path for path, value in values(model).items() if not np.array_equal(value, before[path])}


def reloaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras", compile=False)


def test_lora_learns_alone_and_is_merged(model, batch, tiny_schema, tmp_path):
    start = outputs(model, batch)
    count = model.count_params()
    found = enable_lora(model, 2, f"{BLOCK}/*")
    np.testing.assert_array_equal(outputs(model, batch), start)
    assert sorted(path.removeprefix(f"{BLOCK}/") for path in found.layers) == [
        "attention/attention_output",
        "attention/key",
        "attention/query",
        "attention/value",
        "contract",
        "expand",
    ]
    # Of the kernels (8, 2, 4) of query, key and value, (2, 4, 8) back; 8 to 32 and 32 to 8; a head of 8 to 3.
    adapters = 3 * 2 * (16 + 4) + 2 * (8 + 8) + 2 * (8 + 32) + 2 * (32 + 8)
    assert found.trained == adapters + 27
    assert found.total == count + adapters and found.share == found.trained / found.total
    changed = train(model, batch)
    assert changed == {
        *(f"{path}/lora_kernel_{end}" for path in found.layers for end in "ab"),
        "head_label/logits/kernel",
        "head_label/logits/bias",
    }
    after = outputs(model, batch)
    assert np.abs(after - start).max() > 0.1

    plain = merge_lora(model)
    assert [weight.path for weight in plain.weights] == [
        weight.path for weight in fusion_model(tiny_schema, **SMALL).weights
    ]
    assert len(plain.trainable_weights) == len(fusion_model(tiny_schema, **SMALL).trainable_weights)
    assert merge_lora(plain) is plain
    np.testing.assert_allclose(outputs(plain, batch), after, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs(model, batch), after)
    for saved in (plain, model):
        again = reloaded(saved, tmp_path)
        assert again.count_params() == count
        np.testing.assert_allclose(outputs(again, batch), after, rtol=1e-5, atol=1e-6)


def test_by_hand():
    """Behind two dense layers of a functional model, whose settings Keras saves with their rank."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, name="hidden")(inputs)
    model = keras.Model(inputs, {"label": keras.layers.Dense(2, name="head")(hidden)})
    found = enable_lora(model, 2, "hid*", alpha=1)
    assert (found.layers, found.trained, found.total) == (("hidden",), 2 * 3 + 2 * 4 + 10, 16 + 10 + 14)
    layer = model.get_layer("hidden")
    kernel, a, b = (np.array(w) for w in (layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b))
    layer.lora_kernel_b.assign(b + 1)
    plain = merge_lora(model).get_layer("hidden")
    assert not plain.lora_enabled and plain.lora_rank is None
    np.testing.assert_allclose(plain.kernel, kernel + 0.5 * a @ np.ones((2, 4)), rtol=1e-5)


def test_bottlenecks_learn_alone_and_are_saved(model, batch, tiny_schema, tmp_path):
    start = outputs(model, batch)
    found = add_adapters(model, 3)
    np.testing.assert_array_equal(outputs(model, batch), start)
    each = 8 * 3 + 3 + 3 * 8 + 8
    assert found.layers == (BLOCK,) and found.trained == 2 * each + 27
    changed = train(model, batch)
    places = {f"{branch}_bottleneck/{part}" for branch in ("attention", "feed_forward") for part in ("down", "up")}
    assert changed == {f"{place}/{end}" for place in (*places, "head_label/logits") for end in ("kernel", "bias")}
    after = outputs(model, batch)
    assert np.abs(after - start).max() > 0.1
    np.testing.assert_array_equal(outputs(reloaded(model, tmp_path), batch), after)
    # Low-rank changes besides: the bottlenecks learn on, and are left when the others are merged.
    both = enable_lora(model, 2, f"{BLOCK}/expand")
    assert both.trained == found.trained + 2 * (8 + 32)
    assert {f"{BLOCK}/expand/lora_kernel_b", "attention_bottleneck/up/kernel"} < train(model, batch)
    after = outputs(model, batch)
    plain = merge_lora(model)
    np.testing.assert_allclose(outputs(plain, batch), after, rtol=1e-5, atol=1e-6)
    assert plain.get_layer("encode_text").blocks[0].attention_bottleneck.units == 3


@pytest.mark.slow
def test_a_merged_model_is_exported(model, batch, tiny_schema, tmp_path):
    enable_lora(model, 1)
    train(model, batch)
    plain = merge_lora(model)
    white = keras.utils.array_to_img(np.full((16, 16, 3), 255), scale=False)
    white.save(tmp_path / "white.png")
    raw = {"text": [b"a b", b"c"], "image_bytes": [(tmp_path / "white.png").read_bytes()] * 2}
    version = export_model(plain, tiny_schema, tmp_path / "saved_model", raw)
    assert verify(version).ok
    assert b"lora" not in b"".join(file.read_bytes() for file in version.rglob("*.index"))


@pytest.mark.slow
def test_a_run_that_starts_from_another(tmp_path, messages):
    table = color_table(tmp_path)[["photo", "description", "color", "fits"]]
    table.attrs.update(folder=str(tmp_path))
    columns = {"image": "photo", "text": "description", "image_size": 16}
    first, second = (
        kf.data.load(table.drop(columns=other), label=label, **columns)
        for label, other in (("color", "fits"), ("fits", "color"))
    )
    changes = {
        "text_encoder": {"name": "transformer", "num_heads": 2, "num_layers": 1},
        "image_encoder": "small_cnn",
        "units": 8,
    }
    config = kf.training.TrainingConfig(epochs=1)
    parent = kf.train(first, "classifier_concat", tmp_path / "parent", config, baselines=False, **changes)
    run = kf.train(
        second,
        "classifier_concat",
        tmp_path / "child",
        config,
        baselines=False,
        init_from=parent.path,
        lora=kf.training.LoRAConfig(2),
        **changes,
    )
    assert any("Weights from" in line and "copied" in line for line in messages)
    assert any("layers adapted" in line for line in messages)
    assert run.config["lora"] == {"rank": 2, "budget": None} and run.config["init_from"] == str(parent.path)
    kept = "encode_text/block_0/norm/gamma"
    ours, theirs = (values(one.model) for one in (kf.load(run.path), parent))
    assert ours.keys() == theirs.keys()
    np.testing.assert_array_equal(ours[kept], theirs[kept])
    moved = "encode_text/block_0/expand/kernel"
    assert np.linalg.matrix_rank(ours[moved] - theirs[moved], tol=1e-4) == 2
    with pytest.raises(FileNotFoundError, match="nowhere holds no trained model"):
        kf.train(second, "classifier_concat", tmp_path / "other", config, init_from=tmp_path / "nowhere")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ValueError, match="name it by init_from"):
        kf.train(second, "classifier_concat", tmp_path / "other", config, lora=kf.training.LoRAConfig(2))
    with pytest.raises(ValueError, match="budget must be a whole number"):
        kf.training.LoRAConfig(2, budget=0)


def test_frozen_normalization_keeps_its_statistics():
    inputs = keras.Input((3,))
    x = keras.layers.Dense(3, name="dense")(inputs)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    model = keras.Model(inputs, {"label": keras.layers.Dense(2, name="head")(x)})
    enable_lora(model, 1)
    before = np.array(model.get_layer("normalization").moving_mean)
    model(np.ones((4, 3), "float32"), training=True)
    np.testing.assert_array_equal(model.get_layer("normalization").moving_mean, before)


def test_bottleneck_by_hand():
    layer = Adapter(2)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    down, _, up, _ = random = [np.random.default_rng(1).normal(size=w.shape) for w in layer.get_weights()]
    layer.set_weights(random)
    inner = x @ down + random[1]
    gelu = np.array([v * 0.5 * (1 + math.erf(v / 2**0.5)) for v in inner.ravel()]).reshape(inner.shape)
    np.testing.assert_allclose(layer(x), x + gelu @ up + random[3], rtol=1e-4, atol=1e-5)


def test_blocks_outside_of_models_take_them_too():
    block = TransformerBlock(2)
    x = np.ones((1, 3, 4), "float32")
    before = np.array(block(x))
    block.add_bottlenecks(2)
    np.testing.assert_array_equal(block(x), before)
    block.feed_forward_bottleneck.up.bias.assign(np.arange(4.0))
    np.testing.assert_allclose(block(x), before + np.arange(4.0), rtol=1e-5)


def test_what_cannot_be_adapted(model):
    with pytest.raises(
        ValueError, match=r"rank must be from 1 to 4 for encode_text/block_0/attention/query of shape 8 x 2 x 4"
    ):
        enable_lora(model, 5, "*/query")
    with pytest.raises(ValueError, match="Received: rank=0"):
        enable_lora(model, 0)
    with pytest.raises(
        ValueError, match=r"no layer matches 'block\*'; layers of .*encode_text/block_0/expand, .*fusion"
    ):
        enable_lora(model, 1, "block*")
    with pytest.raises(ValueError, match=r"no layer matches 'head_label\*'"):
        enable_lora(model, 1, "head_label*")
    with pytest.raises(ValueError, match=r"units must be from 1 to 7 for encode_text/block_0. Received: units=8"):
        add_adapters(model, 8)
    with pytest.raises(
        ValueError, match=r"no layer matches 'fusion'; layers of .* that support it: encode_text/block_0"
    ):
        add_adapters(model, 2, "fusion")
    # Nothing was frozen by what was refused.
    assert model.get_layer("fusion").projection.kernel.trainable
    enable_lora(model, 1)
    with pytest.raises(ValueError, match=r"already has LoRA. Merge it first: merge_lora\(model\)"):
        enable_lora(model, 1)
    add_adapters(model, 2)
    with pytest.raises(ValueError, match="encode_text/block_0 already has adapters"):
        add_adapters(model, 2)
