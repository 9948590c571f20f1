"""A structure taken to another task, and grown without a change of what it computes."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasfusion.models import fusion_model, get_heads
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.transfer import deepen, transfer_weights, widen

SMALL = {
    "text_encoder": "average",
    "image_encoder": {"name": "small_cnn", "filters": (4,), "flatten": True},
    "units": 6,
}


def status(found):
    return dict(zip(found["weight"], found["status"], strict=True))


def outputs(model, batch):
    return np.array(model(batch)["label"])


def test_the_same_structure_is_the_same_model(tiny_schema, rows_for):
    parent, model = fusion_model(tiny_schema, **SMALL), fusion_model(tiny_schema, **SMALL)
    batch = rows_for(tiny_schema, 5)
    assert np.abs(outputs(model, batch) - outputs(parent, batch)).max() > 0.01
    found = transfer_weights(model, parent)
    assert set(found["status"]) == {"copied"} and (found["share"] == 1).all()
    assert len(found) == len(model.weights) and (found["was"] == found["now"]).all()
    np.testing.assert_array_equal(outputs(model, batch), outputs(parent, batch))


def test_words_and_classes_go_by_their_names(tiny_schema, rows_for):
    words = ("x", "i", "h", "g", "f", "e", "y", "d", "c", "b", "a")
    schema = Schema(
        (dataclasses.replace(tiny_schema["text"], vocabulary=words), tiny_schema["image"]),
        (dataclasses.replace(tiny_schema["label"], classes=("blue", "yellow", "red", "green")),),
    )
    parent, model = fusion_model(tiny_schema, **SMALL), fusion_model(schema, **SMALL)
    found = transfer_weights(model, parent, schema, tiny_schema)
    resized = found[found["status"] == "resized"].set_index("weight")
    assert list(resized.index) == [
        "encode_text/embedding/embeddings",
        "head_label/logits/kernel",
        "head_label/logits/bias",
    ]
    assert resized["share"].tolist() == [13 / 15, 3 / 4, 3 / 4]
    assert set(found["status"]) == {"copied", "resized"}
    batch = rows_for(tiny_schema, 5)
    # The same letters by their new numbers.
    ids = {i + 4: words.index(word) + 4 for i, word in enumerate("abcdefghi")}
    same = {**batch, "text": np.vectorize(lambda i: ids.get(i, i))(batch["text"]).astype("int32")}
    before, after = outputs(parent, batch), outputs(model, same)
    np.testing.assert_allclose(after[:, [2, 3, 0]], before, rtol=1e-5, atol=1e-6)


def test_what_follows_the_size_of_the_image_is_new(tiny_schema):
    schema = Schema(
        (tiny_schema["text"], dataclasses.replace(tiny_schema["image"], size=(24, 24))), tiny_schema.tasks
    )
    parent, model = fusion_model(tiny_schema, **SMALL), fusion_model(schema, **SMALL)
    began = np.array(model.get_layer("encode_image").projection.kernel)
    found = status(transfer_weights(model, parent, schema, tiny_schema))
    assert found.pop("encode_image/projection/kernel") == "new"
    assert set(found.values()) == {"copied"} and "encode_image/conv_0/kernel" in found
    np.testing.assert_array_equal(model.get_layer("encode_image").projection.kernel, began)


def test_wider_deeper_and_with_another_task(tiny_schema):
    schema = Schema(tiny_schema.features, (Task("size", "binary", "size", classes=("small", "large")),))
    grid = {"name": "small_cnn", "filters": (4,)}
    parent = fusion_model(tiny_schema, text_encoder="average", image_encoder=grid, units=6)
    larger = {**grid, "filters": (6, 8)}
    model = fusion_model(schema, text_encoder={"name": "average", "units": 6}, image_encoder=larger, units=8)
    found = transfer_weights(model, parent, schema, tiny_schema).set_index("weight")
    assert found.loc["encode_image/conv_0/kernel", ["was", "now", "status"]].tolist() == [
        (3, 3, 3, 4),
        (3, 3, 3, 6),
        "resized",
    ]
    np.testing.assert_array_equal(
        model.get_layer("encode_image").weights[0][..., :4], parent.get_layer("encode_image").weights[0]
    )
    assert found.loc["encode_image/conv_1/kernel", "status"] == "new"
    assert found.loc["encode_text/embedding/embeddings", "status"] == "copied"
    assert found.loc["head_size/logits/kernel", "status"] == "new"
    assert found.loc["head_label/logits/kernel", ["status", "now"]].tolist() == ["dropped", None]


def test_numbers_go_by_their_column_and_answers_of_yes_and_no_stay_in_order():
    def schema(columns, classes):
        numbers = Feature(
            "numbers", "numeric", columns, length=len(columns), mean=(0.0,) * len(columns), std=(1.0,) * len(columns)
        )
        return Schema((numbers,), (Task("label", "binary", "label", classes=classes),))

    old, new = schema(("age", "weight"), ("no", "yes")), schema(("weight", "height", "age"), ("yes", "no"))
    parent, model = fusion_model(old, units=3), fusion_model(new, units=3)
    found = status(transfer_weights(model, parent, new, old))
    kernels = [np.array(one.get_layer("encode_numbers").dense.kernel) for one in (parent, model)]
    np.testing.assert_array_equal(kernels[1][[2, 0]], kernels[0])
    assert found["encode_numbers/dense/kernel"] == "resized" and found["head_label/logits/kernel"] == "new"


def test_nothing_in_common_is_an_error(tiny_schema):
    model = fusion_model(tiny_schema, **SMALL)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="other")])
    with pytest.raises(ValueError, match=r"no weight of .* matches .* encode_text"):
        transfer_weights(model, other)
    with pytest.raises(ValueError, match="pass both schemas"):
        transfer_weights(model, model, tiny_schema)


def images():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.BatchNormalization(),
            layers.Activation("relu", name="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(5, 2, activation="relu", name="second"),
            layers.Flatten(),
            layers.Dense(6, activation="tanh", name="third"),
            layers.Dense(2, name="last"),
        ]
    )


@pytest.mark.parametrize(("layer", "width"), [("first", 7), ("second", 12), ("third", 9)])
def test_a_wider_network_computes_the_same(layer, width):
    model = images()
    # As if trained: nothing is 0 or 1.
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    x = random.normal(size=(16, 8, 8, 3)).astype("float32")
    before = np.array(model(x))
    grown = widen(model, layer, width)
    np.testing.assert_allclose(np.array(grown(x)), before, rtol=1e-4)
    assert grown.get_layer(layer).output.shape[-1] == width
    assert grown.count_params() > model.count_params()
    np.testing.assert_array_equal(np.array(model(x)), before)
    again = widen(model, layer, width)
    assert all(np.array_equal(a, b) for a, b in zip(grown.get_weights(), again.get_weights(), strict=True))


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_wider_recurrent_layer_computes_the_same(kind):
    layers = [keras.Input((5, 3)), getattr(keras.layers, kind)(4, name="a"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
    np.testing.assert_allclose(np.array(widen(model, "a", 7)(x)), np.array(model(x)), rtol=1e-4, atol=1e-6)


def test_copies_of_a_unit_grow_apart():
    grown = widen(images(), "third", 12)
    kernel = np.array(grown.get_layer("third").kernel)
    copies = next((i, j) for i in range(6) for j in range(6, 12) if np.array_equal(kernel[:, i], kernel[:, j]))
    grown.compile("sgd", "mse", run_eagerly=True)
    random = np.random.default_rng(0)
    grown.train_on_batch(random.normal(size=(4, 8, 8, 3)), random.normal(size=(4, 2)))
    kernel = np.array(grown.get_layer("third").kernel)
    assert np.abs(kernel[:, copies[0]] - kernel[:, copies[1]]).max() > 1e-6


@pytest.mark.parametrize(("layer", "activation"), [("relu", "relu"), ("second", "relu"), ("third", "linear")])
def test_a_deeper_network_computes_the_same(layer, activation):
    model = images()
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    grown = deepen(model, layer, activation)
    assert len(grown.weights) == len(model.weights) + 2
    np.testing.assert_allclose(np.array(grown(x)), np.array(model(x)), rtol=1e-5, atol=1e-6)


def test_a_model_of_the_zoo_grows_and_is_still_one(tiny_schema, rows_for, tmp_path):
    model, batch = fusion_model(tiny_schema, **SMALL), rows_for(tiny_schema, 6, present=0.7)
    grown = deepen(widen(model, "fusion", 10), "fusion")
    np.testing.assert_allclose(outputs(grown, batch), outputs(model, batch), rtol=1e-4, atol=1e-5)
    assert grown.get_layer("fusion").units == 10 and get_heads(grown)["label"].name == "head_label"
    grown.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(outputs(loaded, batch), outputs(grown, batch), rtol=1e-5)


def test_what_cannot_grow_is_refused(tiny_schema):
    model, layers = fusion_model(tiny_schema, **SMALL), keras.layers
    with pytest.raises(ValueError, match=r"There is no layer 'fusoin'. Layers are .*fusion"):
        widen(model, "fusoin", 10)
    with pytest.raises(ValueError, match="units must be above the 6 units of 'fusion'"):
        widen(model, "fusion", 6)
    with pytest.raises(
        ValueError, match=r"an axis of size 12 after 'encode_text'|does not consist of its units only"
    ):
        widen(model, "encode_text", 9)
    with pytest.raises(ValueError, match="'image' has neither units nor filters"):
        widen(model, "image", 9)
    with pytest.raises(ValueError, match="the output of 'encode_text' is not a single tensor"):
        deepen(model, "encode_text")
    normed = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, name="a"), layers.LayerNormalization(), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="a layer after 'a' cannot be widened"):
        widen(normed, "a", 7)
    with pytest.raises(ValueError, match="relu changes the outputs of 'a'"):
        deepen(keras.Sequential([keras.Input((3,)), layers.Dense(4, name="a")]), "a")
