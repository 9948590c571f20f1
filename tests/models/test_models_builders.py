"""The builders: what a schema asks for is what the model takes and gives."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasfusion.encoders import IMAGE_ENCODERS, TEXT_ENCODERS
from kerasfusion.fusion import FUSIONS
from kerasfusion.heads import BinaryHead, MulticlassHead, MultiLabelHead, RegressionHead
from kerasfusion.models import LateAverage, fusion_model, get_heads, late_average, unimodal
from kerasfusion.schema import Feature, Task

SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 6}


@pytest.mark.parametrize(
    ("setting", "family"), [("text_encoder", TEXT_ENCODERS), ("image_encoder", IMAGE_ENCODERS), ("fusion", FUSIONS)]
)
@pytest.mark.parametrize("wanted", ["bert9", {"name": "bert9", "filters": 3}])
def test_an_unknown_name_is_answered_with_the_known(tiny_schema, setting, family, wanted):
    with pytest.raises(ValueError) as caught:
        fusion_model(tiny_schema, **{**SMALL, setting: wanted})
    assert "'bert9'" in str(caught.value)
    assert all(name in str(caught.value) for name in family)


def test_settings_are_left_as_they_were(tiny_schema):
    image = {"name": "small_cnn", "filters": (4,), "units": 3}
    model = fusion_model(tiny_schema, "average", image, units=6)
    assert image == {"name": "small_cnn", "filters": (4,), "units": 3}
    assert model.get_layer("encode_image").units == 3 and model.get_layer("encode_text").units == 6


def test_inputs_and_outputs_as_in_the_contract(tiny_schema):
    model = fusion_model(tiny_schema, name="joined", **SMALL)
    taken = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in model.input.items()}
    assert taken == {
        "text": ((None, 6), "int32"),
        "text_present": ((None,), "bool"),
        "image": ((None, 16, 16, 3), "uint8"),
        "image_present": ((None,), "bool"),
    }
    assert {name: (t.shape, str(t.dtype)) for name, t in model.output.items()} == {"label": ((None, 3), "float32")}
    assert model.name == "joined"


def test_several_tasks_at_once(tiny_schema, rows_for):
    tasks = (
        Task("color", "multiclass", "color", classes=("red", "green", "blue")),
        Task("fits", "binary", "fits", classes=("no", "yes")),
        Task("marks", "multilabel", "marks", classes=("a", "b")),
        Task("price", "regression", "price", mean=100.0, std=5.0),
    )
    schema = dataclasses.replace(tiny_schema, tasks=tasks)
    for model in (fusion_model(schema, **SMALL), late_average(schema, **SMALL)):
        out = model(rows_for(schema, 2))
        assert {name: value.shape for name, value in out.items()} == {
            "color": (2, 3),
            "fits": (2, 1),
            "marks": (2, 2),
            "price": (2, 1),
        }
        heads = get_heads(model)
        assert heads.keys() == out.keys()
        assert all(callable(head.loss) and head.metrics_for() and head.predictions for head in heads.values())
        assert (np.abs(np.array(out["price"]) - 100) < 30).all()
    kinds = {name: type(head) for name, head in get_heads(fusion_model(schema, **SMALL)).items()}
    assert kinds == {"color": MulticlassHead, "fits": BinaryHead, "marks": MultiLabelHead, "price": RegressionHead}


@pytest.mark.parametrize(
    "fusion",
    [
        "gated",
        {"name": "film", "filters": 4, "num_blocks": 1},
        {"name": "perceiver", "num_latents": 2, "num_heads": 2, "num_layers": 1},
    ],
)
def test_several_texts_and_numbers(tiny_schema, rows_for, tmp_path, fusion):
    extra = (
        Feature("title", "text", ("title",), length=3, vocabulary=("x", "y")),
        Feature("numbers", "numeric", ("age", "size"), length=2, mean=(40.0, 1.0), std=(10.0, 0.0)),
    )
    schema = dataclasses.replace(tiny_schema, features=tiny_schema.features + extra)
    model = fusion_model(schema, fusion=fusion, **SMALL)
    assert (
        model.get_layer("encode_title").vocabulary_size == 6 and model.get_layer("encode_text").vocabulary_size == 13
    )
    assert model.get_layer("encode_numbers").mean == (40.0, 1.0) and model.get_layer("encode_numbers").std == (
        10.0,
        1.0,
    )
    batch = rows_for(schema, 3)
    before = np.array(model(batch)["label"])
    for feature in schema.features:
        changed = {**batch, feature.name: np.roll(batch[feature.name], 1, axis=0)}
        assert np.abs(np.array(model(changed)["label"]) - before).max() > 1e-5, feature.name
        absent = {**batch, f"{feature.name}_present": np.full(3, False)}
        assert np.abs(np.array(model(absent)["label"]) - before).max() > 1e-5, feature.name
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(keras.saving.load_model(tmp_path / "model.keras")(batch)["label"]), before)
    # One member per kind: the two texts stand for one.
    late = late_average(schema, **SMALL)
    assert {layer.name for layer in late.layers if isinstance(layer, keras.Model)} == {
        "text_only",
        "image_only",
        "numeric_only",
    }
    assert np.isfinite(np.array(late(batch)["label"])).all()


def test_one_modality_alone(tiny_schema, rows_for):
    for kind in ("text", "image"):
        model = fusion_model(tiny_schema.only(kind), **SMALL)
        assert set(model.input) == {kind, f"{kind}_present"}
        assert model(rows_for(tiny_schema.only(kind), 2))["label"].shape == (2, 3)
    with pytest.raises(ValueError, match="steers one image grid"):
        fusion_model(tiny_schema.only("text"), fusion="film", **SMALL)


def test_late_average_renormalises_over_what_is_present():
    layer = LateAverage(MulticlassHead(2))
    text, image = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    logits = {"text": np.log(np.stack([text] * 4)) + 5.0, "image": np.log(np.stack([image] * 4)) - 2.0}
    logits = {name: value.astype("float32") for name, value in logits.items()}
    present = {"text": np.array([True, True, False, False]), "image": np.array([True, False, True, False])}
    averaged = np.array(layer(logits, present=present))
    assert np.isfinite(averaged).all()
    expected = [[0.6, 0.4], [0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]  # nothing present: all count alike
    np.testing.assert_allclose(np.exp(averaged), expected, atol=1e-5)
    number = LateAverage(RegressionHead(1.0, 2.0))
    values = {"text": np.full((4, 1), 2.0, "float32"), "image": np.full((4, 1), 6.0, "float32")}
    np.testing.assert_allclose(np.array(number(values, present=present)), [[4], [2], [6], [4]])


def test_late_average_of_given_members(tiny_schema, rows_for, tmp_path):
    members = {
        kind: fusion_model(tiny_schema.only(kind), name=f"{kind}_alone", **SMALL) for kind in ("text", "image")
    }
    model = late_average(tiny_schema, members)
    batch = rows_for(tiny_schema, 4)
    batch["text_present"] = np.array([True, True, False, False])
    batch["image_present"] = np.array([True, False, True, False])

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    alone = {k: softmax(np.array(m({n: batch[n] for n in m.input})["label"])) for k, m in members.items()}
    weight = np.array([[0.5], [1.0], [0.0], [0.5]])
    expected = weight * alone["text"] + (1 - weight) * alone["image"]
    out = np.array(model(batch)["label"])
    np.testing.assert_allclose(np.exp(out), expected, atol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(keras.saving.load_model(tmp_path / "model.keras")(batch)["label"]), out)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_unimodal_has_the_fused_models_own_branch(tiny_schema, rows_for, kind):
    image = {"name": "small_cnn", "filters": (4, 3), "flatten": True, "units": 5, "dropout": 0.1}
    text = {"name": "gru", "embedding_dim": 3, "dropout": 0.3}
    model = fusion_model(tiny_schema, text, image, fusion="multiply", units=7, dropout=0.4)
    alone = unimodal(model, tiny_schema, kind)
    assert alone.name == f"{kind}_only" and set(alone.input) == {kind, f"{kind}_present"}
    ours, theirs = alone.get_layer(f"encode_{kind}"), model.get_layer(f"encode_{kind}")
    assert ours is not theirs and type(ours) is type(theirs) and ours.get_config() == theirs.get_config()
    assert not {id(w) for w in alone.weights} & {id(w) for w in model.weights}
    fusion = alone.get_layer("fusion")
    assert (fusion.units, fusion.dropout) == (7, 0.4)
    assert alone(rows_for(tiny_schema.only(kind), 2))["label"].shape == (2, 3)


def test_unimodal_of_a_bare_concatenation(tiny_schema):
    model = fusion_model(tiny_schema, fusion={"name": "concat", "units": None}, **SMALL)
    assert unimodal(model, tiny_schema, "text").get_layer("fusion").units == 128


def test_low_precision_model_gives_float32_logits(tiny_schema, rows_for, low_precision):
    for model in (fusion_model(tiny_schema, **SMALL), late_average(tiny_schema, **SMALL)):
        logits = model(rows_for(tiny_schema, 2))["label"]
        assert logits.dtype == "float32" and np.isfinite(np.array(logits)).all()


@pytest.mark.parametrize("text_encoder", ["bag_of_words", "gru"])
def test_low_precision_model_means_the_same_in_another_process(tiny_schema, rows_for, tmp_path, text_encoder):
    batch = rows_for(tiny_schema, 4)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = fusion_model(tiny_schema, **{**SMALL, "text_encoder": text_encoder})
        logits = np.array(model(batch)["label"])
        model.save(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy(before)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(batch)["label"]), logits)
