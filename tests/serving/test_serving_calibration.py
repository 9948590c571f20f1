"""A fitted temperature reaches every kind of export, from the head alone."""

import keras
import numpy as np
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.models import get_heads
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import CApiSession, LiteModel, lite_model, reference
from kerasfusion.serving.exporting import export_model
from kerasfusion.serving.metadata import read_metadata

SCHEMA = Schema(
    features=(
        Feature("text", "text", ("said",), length=4, vocabulary=("a", "b", "c")),
        Feature("image", "image", ("photo",), size=(8, 8)),
    ),
    tasks=(
        Task("color", "multiclass", "color", classes=("red", "green", "blue")),
        Task("fits", "binary", "fits", classes=("no", "yes")),
        Task("shade", "regression", "shade", mean=2.0, std=3.0),
    ),
)
EXAMPLES = {"text": [b"a b", b"c", b""], "image_bytes": [png_bytes(seed) for seed in range(3)]}
TEMPERATURES = {"color": 2.5, "fits": 0.4}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with temperatures, saved and loaded."""
    keras.utils.set_random_seed(0)
    image = {"name": "small_cnn", "filters": (4,)}
    model = kf.models.fusion_model(SCHEMA, text_encoder="average", image_encoder=image, fusion="sum", units=8)
    for task, head in get_heads(model).items():
        # Logits far from 0, so that a temperature is seen.
        head.dense.set_weights([8 * weight for weight in head.dense.get_weights()])
        head.temperature = TEMPERATURES.get(task, 1.0)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return keras.saving.load_model(path)


@pytest.mark.parametrize(("variant", "lite"), [("variables", True), ("bfloat16", False)])
def test_an_export_answers_with_the_logits_divided(model, tmp_path, variant, lite):
    if lite:
        pytest.importorskip("ai_edge_litert", reason="needs the extra [lite]")
    version = export_model(model, SCHEMA, tmp_path, EXAMPLES, variant, lite)
    assert read_metadata(version)["temperatures"] == TEMPERATURES
    inputs, kept = reference.load_reference(version / reference.FILE)["tensors"]
    logits = {task: np.asarray(value, "float64") for task, value in model(inputs).items()}
    powers = np.exp(logits["color"] / 2.5)
    yes = 1 / (1 + np.exp(-logits["fits"] / 0.4))
    expected = {
        "color_probabilities": powers / powers.sum(axis=1, keepdims=True),
        "fits_probabilities": np.concatenate([1 - yes, yes], axis=1),
        "shade": logits["shade"][:, 0],
    }
    with CApiSession(version) as session:
        answers = [(kept, 1e-5), (session.run("tensors", inputs), 3e-2 if variant == "bfloat16" else 1e-5)]
    if lite:
        small = LiteModel(version / lite_model.FILE)
        answers.append((small.run({name: inputs[name] for name in small.inputs}), 5e-2))
    for found, tolerance in answers:
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=tolerance, rtol=tolerance, err_msg=name)
    undivided = np.exp(logits["color"]) / np.exp(logits["color"]).sum(axis=1, keepdims=True)
    assert np.abs(undivided - expected["color_probabilities"]).max() > 0.1
