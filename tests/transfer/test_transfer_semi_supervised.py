"""Labels by what a model is sure of, and rows by what it is not."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import kerasfusion as kf
from kerasfusion.models import dual_encoder, fusion_model, get_heads
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.transfer import pseudo_labels, select_for_labeling, transfer_weights


def saying(tasks):
    """A model whose logits are the rows' own numbers, and its schema."""
    width = sum(task.outputs for task in tasks)
    numbers = Feature(
        "numbers", "numeric", tuple("abcdefgh"[:width]), length=width, mean=(0,) * width, std=(1,) * width
    )
    schema = Schema((numbers,), tasks)
    inputs = kf.models.make_inputs(schema)
    outputs, start = {}, 0
    for task in tasks:
        head = kf.heads.build_head(task)
        outputs[task.name] = head(inputs["numbers"])
        kernel = np.zeros((width, task.outputs))
        kernel[start : start + task.outputs] = np.eye(task.outputs)
        head.set_weights([kernel, np.zeros(task.outputs)])
        start += task.outputs
    return keras.Model(inputs, outputs, name="saying"), schema


def rows(schema, logits, **frame):
    logits = np.asarray(logits, "float32")
    frame = pd.DataFrame({"row": range(len(logits)), **frame})
    there = np.ones(len(logits), bool)
    return kf.data.Examples(schema, frame, {"numbers": logits}, {"numbers": there}, {}, {}, {})


@pytest.fixture
def at_once(monkeypatch):
    """Logits of all rows without the cost of `predict`."""

    def predict(model, examples):
        x = {**examples.arrays, "numbers_present": examples.present["numbers"]}
        return {task: np.array(logits) for task, logits in model(x).items()}

    monkeypatch.setattr("kerasfusion.transfer.semi_supervised.predict_logits", predict)


ABC = Task("label", "multiclass", "species", ("ant", "bee", "cat"))
# Probabilities of the answers: .8, .5, .9, .6, .7, and .95; answers ant, ant, bee, bee, cat, ant.
SURE = np.log(
    [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.05, 0.9, 0.05], [0.1, 0.6, 0.3], [0.1, 0.2, 0.7], [0.95, 0.03, 0.02]]
)


def test_a_row_is_labelled_where_the_model_is_sure():
    model, schema = saying((ABC,))
    found, counts = pseudo_labels(model, rows(schema, SURE), threshold=0.75)
    assert found.frame["row"].tolist() == [0, 2, 5]
    assert found.frame["species"].tolist() == ["ant", "bee", "ant"]
    assert found.labels["label"].tolist() == [0, 1, 0] and found.labels["label"].dtype == np.int32
    assert found.weights["label"].tolist() == [1, 1, 1]
    assert counts[["class", "decided", "labelled"]].to_numpy().tolist() == [
        ["ant", 3, 2],
        ["bee", 2, 1],
        ["cat", 1, 0],
    ]
    np.testing.assert_allclose(counts["probability"], [0.8, 0.9, np.nan], rtol=1e-5)
    assert set(counts["temperature"]) == {1.0}
    # Twice as hot: .8, .1, .1 become .586, .207, .207.
    get_heads(model)["label"].temperature = 2.0
    found, counts = pseudo_labels(model, rows(schema, SURE), threshold=0.58)
    assert found.frame["row"].tolist() == [0, 2, 5] and set(counts["temperature"]) == {2.0}
    np.testing.assert_allclose(counts["probability"][0], 0.8**0.5 / (0.8**0.5 + 2 * 0.1**0.5), rtol=1e-5)


def test_a_share_of_each_answer_keeps_the_rare_ones(at_once):
    model, schema = saying((ABC,))
    found, counts = pseudo_labels(model, rows(schema, SURE), fraction=0.5)
    # Half of three is two, of two one, of one one.
    assert found.frame["row"].tolist() == [0, 2, 4, 5]
    assert counts["labelled"].tolist() == [2, 1, 1]
    assert len(pseudo_labels(model, rows(schema, SURE), fraction=1.0)[0]) == 6


def test_a_label_that_was_given_stays_and_is_not_counted(at_once):
    model, schema = saying((ABC,))
    given = dataclasses.replace(
        rows(schema, SURE, species=["cat", *[None] * 5]),
        labels={"label": np.array([2, 0, 0, 0, 0, 0], "int32")},
        weights={"label": np.array([0.5, 0, 0, 0, 0, 0], "float32")},
    )
    found, counts = pseudo_labels(model, given, threshold=0.75)
    assert found.labels["label"].tolist() == [2, 1, 0]
    assert found.weights["label"].tolist() == [0.5, 1, 1]
    assert found.frame["species"].tolist() == ["cat", "bee", "ant"]
    assert counts["labelled"].tolist() == [1, 1, 0]
    # It is no part of a share either: half of the two other ants.
    assert pseudo_labels(model, given, fraction=0.5)[0].frame["row"].tolist() == [0, 2, 4, 5]


def test_tags_and_two_tasks(at_once):
    tags, binary = Task("tags", "multilabel", "tags", ("wet", "hot")), Task("ok", "binary", "ok", ("no", "yes"))
    model, schema = saying((tags, binary))
    # Wet .9 and hot .2: the less sure answer is .8. "no" with .7.
    examples = rows(schema, logit([[0.9, 0.2, 0.3], [0.6, 0.01, 0.99], [0.5, 0.5, 0.6]]))
    found, counts = pseudo_labels(model, examples, threshold=0.75)
    assert found.frame["row"].tolist() == [0, 1]
    assert found.labels["tags"].tolist() == [[1, 0], [0, 0]] and found.weights["tags"].tolist() == [1, 0]
    assert found.labels["ok"].tolist() == [0, 1] and found.weights["ok"].tolist() == [0, 1]
    assert found.frame["tags"].tolist()[0] == "wet" and found.frame["ok"].tolist()[1] == "yes"
    assert counts.set_index(["task", "class"])["labelled"].to_dict() == {
        ("tags", "wet"): 1,
        ("tags", "hot"): 0,
        ("ok", "no"): 0,
        ("ok", "yes"): 1,
    }
    # Margins: .2 + .4 + .6, .8 + .02 + .02, 1 + 1 + .8.
    assert select_for_labeling(model, examples, 3).tolist() == [2, 0, 1]


def test_the_least_sure_rows_are_asked_for(at_once):
    model, schema = saying((ABC,))
    examples = rows(schema, SURE)
    # Margins are .7, .1, .85, .3, .5, .92.
    assert select_for_labeling(model, examples, 6).tolist() == [1, 3, 4, 0, 2, 5]
    # Nearly even between two is a small margin; spread over three is a large entropy.
    split, spread = [0.50, 0.49, 0.01], [0.42, 0.29, 0.29]
    examples = rows(schema, np.log([split, spread]))
    assert select_for_labeling(model, examples, 1, strategy="margin").tolist() == [0]
    assert select_for_labeling(model, examples, 1, strategy="entropy").tolist() == [1]


def test_what_cannot_be_labelled():
    model, schema = saying((ABC,))
    examples = rows(schema, SURE)
    for wrong in ({"threshold": 0.0}, {"threshold": 1.5}, {"fraction": 0}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"{name} must be in"):
            pseudo_labels(model, examples, **wrong)
    with pytest.raises(ValueError, match=r"count must be from 1 to 6. Received: count=7"):
        select_for_labeling(model, examples, 7)
    with pytest.raises(ValueError, match=r"strategy must be one of margin, entropy. Received: strategy='doubt'"):
        select_for_labeling(model, examples, 1, strategy="doubt")
    price = examples.with_features(Schema(schema.features, (ABC, Task("price", "regression", "price"))))
    with pytest.raises(ValueError, match="'price' of type regression has no probabilities"):
        pseudo_labels(model, price)
    other = examples.with_features(Schema(schema.features, (dataclasses.replace(ABC, name="kind"),)))
    with pytest.raises(ValueError, match="'kind' is not among the outputs of saying: label"):
        select_for_labeling(model, other, 1)


def test_a_classifier_starts_from_branches_that_learned_pairs(tiny_schema, rows_for):
    small = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 6}
    pairs = Schema(tiny_schema.features, (Task("match", "retrieval", "photo"),))
    dual, model = dual_encoder(pairs, **small), fusion_model(tiny_schema, **small)
    found = transfer_weights(model, dual, tiny_schema, pairs).set_index("weight")["status"]
    encoders = found[found.index.str.startswith("encode_")]
    assert set(encoders) == {"copied"} and set(found[found.index.str.startswith(("fusion", "head_label"))]) == {"new"}
    batch = rows_for(tiny_schema, 4)
    for name, key in (("encode_text", "text"), ("encode_image", "image")):
        vectors = [one.get_layer(name)(batch[key])["pooled"] for one in (model, dual)]
        np.testing.assert_array_equal(*vectors)
