import dataclasses

import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.data import Feature, Task


@pytest.mark.parametrize(
    ("change", "near"),
    [
        ({"text_encoder": "lstn"}, "'bag_of_words', 'gru', 'lstm'"),
        ({"image_encoder": "resnet1"}, "'residual_cnn', 'small_cnn'"),
        ({"fusion": "film2"}, "'concat', 'film'"),
    ],
)
def test_unknown_parts_are_named_with_those_there_are(schema, change, near):
    with pytest.raises(ValueError, match=near):
        kf.models.fused(schema, **change)


def test_inputs_have_the_names_and_types_of_the_contract(schema):
    found = {name: (t.shape, t.dtype) for name, t in kf.models.fused(schema).input.items()}
    assert found == {
        "text": ((None, 6), "int32"),
        "text_present": ((None,), "bool"),
        "image": ((None, 16, 16, 3), "uint8"),
        "image_present": ((None,), "bool"),
    }


def test_several_texts_numbers_and_tasks(schema, rows):
    wide = dataclasses.replace(
        schema,
        features=(
            *schema.features,
            Feature("title", "text", ("title",), length=6, vocabulary=("x", "y")),
            Feature("numbers", "numbers", ("age",), length=1, mean=(3.0,), std=(2.0,)),
        ),
        tasks=(*schema.tasks, Task("price", "number", "price", mean=5.0), Task("warm", "binary", "w", ("n", "y"))),
    )
    x = rows[0]
    x = {**x, "title": x["text"] % 6, "title_present": x["text_present"]}
    x = {**x, "numbers": np.ones((12, 1), "float32"), "numbers_present": np.ones(12, bool)}
    for fusion in ("concat", "gated", "film"):
        out = kf.models.fused(wide, fusion=fusion, units=8)(x)
        assert {task: value.shape for task, value in out.items()} == {
            "label": (12, 3),
            "price": (12, 1),
            "warm": (12, 1),
        }


def test_late_average_counts_what_is_present(schema, rows):
    fused = kf.models.fused(schema, units=8)
    members = {kind: kf.models.unimodal(fused, schema, kind) for kind in ("text", "image")}
    late = kf.models.late_average(schema, members)
    x = rows[0]
    p = {}
    for kind, model in members.items():
        logits = np.asarray(model({k: x[k] for k in model.input})["label"])
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p[kind] = e / e.sum(axis=1, keepdims=True)
    w = np.stack([x["text_present"], x["image_present"]]).astype(float)
    w = np.where(w.sum(0) > 0, w / np.maximum(w.sum(0), 1), 0.5)[..., None]
    expected = w[0] * p["text"] + w[1] * p["image"]
    np.testing.assert_allclose(np.exp(late(x)["label"]), expected, rtol=1e-4)


def test_the_baseline_has_the_models_own_branch(schema):
    fused = kf.models.fused(schema, text_encoder={"name": "gru", "embedding_dim": 3}, units=8)
    own, copy = (m.get_layer("encode_text") for m in (fused, kf.models.unimodal(fused, schema, "text")))
    assert own is not copy and own.get_config() == copy.get_config()
