"""Gradients of a batch in parts are those of the whole batch."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.models import contrastive, dual_encoder, get_heads
from kerasfusion.schema import Task
from kerasfusion.training.gradient_cache import GradientCache

SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
B, K = 7, 2


def trained(schema, batch, make, dropout, eagerly):
    """The model and what it logged in two steps that go down the gradients."""
    keras.utils.set_random_seed(0)
    model = dual_encoder(schema, dropout=dropout, **SMALL)
    twin, (head,) = make(model), get_heads(model).values()
    metrics = {"match": head.metrics_for()}
    twin.compile(keras.optimizers.SGD(1.0), {"match": head.loss()}, weighted_metrics=metrics, run_eagerly=eagerly)
    numbers = np.array([[0, 0], [0, 0], *([i, i] for i in range(2, B))], "int32")
    weights = np.ones((B, K), "float32")
    weights[3, 1] = 0
    logs = [twin.train_on_batch(batch, {"match": numbers}, {"match": weights}, return_dict=True) for _ in range(2)]
    return model, logs


@pytest.mark.parametrize("dropout, eagerly", [(0.0, False), (0.5, True)])
def test_parts_give_the_gradients_of_the_whole(tiny_schema, rows_for, dropout, eagerly):
    schema = dataclasses.replace(tiny_schema, tasks=(Task("match", "retrieval", "photo"),))
    images, texts = rows_for(schema.only("image"), B), rows_for(schema.only("text"), B * K)
    batch = {**images, **{k: v.reshape(B, K, *v.shape[1:]) for k, v in texts.items()}}
    # Parts of 3, 3 and 1 images; with dropout, one part of all: what it drops is drawn as for the whole.
    rows = 3 if not dropout else B
    whole, expected = trained(schema, batch, contrastive, dropout, eagerly)
    parts, found = trained(schema, batch, lambda m: GradientCache(m, rows), dropout, eagerly)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-5)
    for weight, a, b in zip(whole.weights, parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=weight.path)
    assert found[1]["loss"] != found[0]["loss"]


def test_a_label_has_no_use_for_it(tmp_path):
    frame = pd.DataFrame({"description": list("abcdef") * 4, "color": ["red", "green", "blue"] * 8})
    data = kf.data.load(frame, text="description", label="color")
    config = kf.training.TrainingConfig(micro_batch_size=8)
    model = kf.create_model("text_only", data.schema, units=4)
    with pytest.raises(ValueError, match="micro_batch_size is for a match"):
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, tmp_path)
    with pytest.raises(ValueError, match="micro_batch_size must be a whole number from 1"):
        kf.training.TrainingConfig(micro_batch_size=0)
