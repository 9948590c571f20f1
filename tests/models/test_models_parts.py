"""Models made of named parts: entered between the parts, rebuilt from them, and ordinary Keras models."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasfusion
from kerasfusion.encoders import GRUEncoder, SmallCNN
from kerasfusion.fusion import GatedFusion
from kerasfusion.heads import build_head
from kerasfusion.layers import ModalityImputer
from kerasfusion.models import (
    FusionModel,
    autoencoder,
    captioner,
    discriminator,
    dual_encoder,
    fusion_model,
    generator,
    get_heads,
    late_average,
    make_inputs,
    rebuild,
)
from kerasfusion.schema import Schema, Task

SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 6}
CODE = {"latent_dim": 3, "filters": (4,)}
CAPTION = Task("caption", "captioning", "said", vocabulary=tuple("abcdefg"), length=6)


def makers(schema):
    features = schema.features
    return {
        "FusionModel": lambda: fusion_model(schema, fusion="gated", **SMALL),
        "LateAverageModel": lambda: late_average(schema, **SMALL),
        "DualEncoder": lambda: dual_encoder(Schema(features, (Task("match", "retrieval", "photo"),)), **SMALL),
        "Captioner": lambda: captioner(Schema(features[1:], (CAPTION,)), decoder="gru", **SMALL),
        "Autoencoder": lambda: autoencoder(Schema(features, ()), noise_stddev=0.1, **CODE, **SMALL),
        "Generator": lambda: generator(schema, "average", noise_dim=3, units=4, filters=(4,)),
        "Discriminator": lambda: discriminator(schema, "average", units=4, filters=(4,)),
    }


def batch_for(model, rows=4):
    random, batch = np.random.default_rng(0), {}
    for name, tensor in model.input.items():
        shape = (rows, *tensor.shape[1:])
        if tensor.dtype == "bool":
            batch[name] = random.random(shape) > 0.3
        elif "int" in tensor.dtype:
            batch[name] = random.integers(0, 256 if tensor.dtype == "uint8" else 8, shape).astype(tensor.dtype)
        else:
            batch[name] = random.random(shape).astype("float32")
    return batch


def flat(outputs):
    return [np.array(value) for value in keras.tree.flatten(outputs)]


def same(ours, theirs):
    for one, other in zip(flat(ours), flat(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_every_class_loads_in_a_new_process_without_its_builder(tiny_schema, tmp_path):
    for name, make in makers(tiny_schema).items():
        model = make()
        assert type(model).__name__ == name
        batch = batch_for(model)
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", *flat(model(batch)))
        np.savez(tmp_path / f"{name}_batch.npz", **batch)
        again = rebuild(model)
        assert type(again) is type(model) and again.name == model.name
        assert [(w.name, w.shape) for w in again.weights] == [(w.name, w.shape) for w in model.weights]
        same(again(batch), model(batch))
        assert not {id(w) for w in again.weights} & {id(w) for w in model.weights}
    code = """
import sys, keras, numpy as np, kerasfusion.models
for name in sys.argv[1:]:
    model = keras.saving.load_model(f"{name}.keras")
    assert type(model).__name__ == name
    expected, batch = np.load(f"{name}.npz"), dict(np.load(f"{name}_batch.npz"))
    for key, value in zip(expected.files, keras.tree.flatten(model(batch)), strict=True):
        np.testing.assert_allclose(np.array(value), expected[key], rtol=1e-5, atol=1e-6)
print("all", len(sys.argv) - 1)
"""
    command = [sys.executable, "-c", code, *makers(tiny_schema)]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(kerasfusion.__file__).parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["all", "7"]


def test_a_model_of_given_parts_trains_like_any_other(tiny_schema, tmp_path):
    text, image = GRUEncoder(tiny_schema["text"].vocabulary_size, 6), SmallCNN(6, filters=(4,))
    fusion, head = GatedFusion(5), build_head(tiny_schema["label"])
    model = FusionModel(make_inputs(tiny_schema), {"text": text, "image": image}, fusion, {"label": head})
    assert model.encoders == {"text": text, "image": image} and model.fusion is fusion
    assert model.heads == {"label": head} == get_heads(model)
    model.compile("adam", loss={"label": head.loss()}, run_eagerly=True)
    batch, before = batch_for(model), [np.array(weight) for weight in model.trainable_weights]
    model.fit(batch, {"label": np.array([0, 1, 2, 0])}, epochs=1, verbose=0)
    changed = [(np.array(w) != old).any() for w, old in zip(model.trainable_weights, before, strict=True)]
    assert sum(changed) > 0.8 * len(changed)
    model.save(tmp_path / "model.keras")
    same(keras.saving.load_model(tmp_path / "model.keras")(batch), model(batch))


def test_the_halves_of_a_call_are_the_call(tiny_schema):
    for name in ("FusionModel", "LateAverageModel", "DualEncoder", "Captioner"):
        model = makers(tiny_schema)[name]()
        batch = batch_for(model)
        # In two steps, as image-major batches do: the image, then what is left.
        parts = {key: value for key, value in batch.items() if key.startswith("image")}
        encoded = model.encode(parts)
        rest = {key: value for key, value in batch.items() if key != "image"}
        encoded = model.encode(rest, encoded)
        same(model.predict_encoded(encoded, rest), model(batch))
        assert set(model.encoders) in (set(encoded), set())
    model = makers(tiny_schema)["FusionModel"]()
    representation = model.fuse(model.encode(batch_for(model)), model.presence(batch_for(model)))
    assert representation.shape == (4, 6)
    same(model.predict_heads(representation), model(batch_for(model)))
    model = makers(tiny_schema)["Autoencoder"]()
    code = model.encode(batch_for(model))
    assert code.shape == (4, 3)
    same(model.decode(code), model(batch_for(model)))


def test_hidden_layers_and_imputers_are_parts(tiny_schema):
    inner = makers(tiny_schema)["FusionModel"]()
    config, hidden, imputer = inner.get_config(), keras.layers.Dense(6, name="hidden"), ModalityImputer(name="fill")
    model = FusionModel.from_config({**config, "hidden": [hidden], "imputers": [["image", "text", imputer]]})
    batch = batch_for(model)
    batch["image_present"], batch["text_present"] = np.zeros(4, bool), np.ones(4, bool)
    before = flat(model(batch))
    same(rebuild(model)(batch), before)
    imputer.set_weights([weight + 1 for weight in imputer.get_weights()])
    assert all((one != other).any() for one, other in zip(flat(model(batch)), before, strict=True))
    assert len(model.weights) == len(inner.weights) + 4


def test_a_model_that_is_no_dual_encoder_of_one_width_is_refused(tiny_schema):
    schema = Schema(tiny_schema.features, (Task("match", "retrieval", "photo"),))
    with pytest.raises(ValueError, match="as wide as one another"):
        dual_encoder(schema, {"name": "average", "units": 4}, {"name": "small_cnn", "units": 5}, units=None)


def test_get_heads_of_any_functional_model(tiny_schema):
    entry = keras.Input((3,), name="numbers")
    heads = {name: build_head(Task(name, "regression", name)) for name in ("price", "age")}
    model = keras.Model({"numbers": entry}, {name: head(entry) for name, head in heads.items()})
    assert get_heads(model) == heads
