"""The default models on the pretrained encoders: trained, saved, loaded and exported with their real weights."""

import dataclasses

import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import predict_logits
from kerasfusion.pretrained import available

pytestmark = [
    pytest.mark.pretrained,
    pytest.mark.skipif(
        not all(available().values()),
        reason="; ".join(found.problem for found in available().values() if not found),
    ),
]


@pytest.mark.parametrize(
    "columns, label, model",
    [
        ({"image": "photo", "text": "description"}, "color", "pretrained_multiply"),
        ({"text": "description"}, "said", "pretrained_text"),
        ({"image": "photo"}, "color", "pretrained_image"),
    ],
)
def test_the_default_learns_is_saved_and_exported(columns, label, model, tmp_path, messages):
    table = color_table(tmp_path, rows=90)
    table["said"] = table["description"].str.split().str[3]
    data = kf.data.load(table[[*columns.values(), label]], **columns, label=label, image_dir=str(tmp_path))
    config = kf.training.TrainingConfig(epochs=3)
    run = kf.train(data, output_dir=tmp_path / "run", config=config)
    assert run.config["model"] == model
    scores = run.metrics["tasks"]["label"]["scores"]
    assert scores[model]["value"] > 0.8
    assert sum("linear path" in line for line in messages) == (3 if len(columns) == 2 else 1)
    # The images are encoded once for the model, its baselines and the report, one split after the other.
    encoded = [line for line in messages if "images is computed once" in line]
    assert len(encoded) <= 3 and bool(encoded) == ("image" in columns)
    loaded = kf.load(tmp_path / "run").model
    test = kf.workflows.read_for_model(data, model).splits["test"]
    for cache_dir, atol in ((None, 1e-5), (tmp_path / "features", 2e-2)):  # features in a folder are float16
        logits = predict_logits(loaded, dataclasses.replace(test, cache_dir=cache_dir))["label"]
        np.testing.assert_allclose(logits, predict_logits(run.model, test)["label"], atol=atol)
    found = kf.verify(kf.export(run, tmp_path / "saved_model"))
    assert found.ok, str(found)
