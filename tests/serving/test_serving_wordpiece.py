"""An export whose texts are cut into pieces inside the graph, and a BERT behind them, in TensorFlow's C API."""

from pathlib import Path

import numpy as np
import pytest

from kerasfusion.models import fusion_model
from kerasfusion.preprocessing import text_vectorizer
from kerasfusion.pretrained import read_vocabulary
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import CApiSession, verify
from kerasfusion.serving.exporting import export_model

TEXTS = [b"A red square", "Crème brûlée 红色!".encode(), b"", b"\xff not UTF-8 \xe4\xb8", b"long words " * 5000]


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    vocabulary = Path(__file__).parents[1] / "pretrained" / "small_vocab.txt"
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    pieces, _, _ = read_vocabulary(folder)
    return Schema(
        (Feature("text", "text", ("a",), length=12, vocabulary=pieces, tokenizer="wordpiece"),),
        (Task("label", "multiclass", "label", classes=("a", "b", "c")),),
    )


@pytest.mark.slow
def test_an_export_reads_pieces_as_training_does(schema, tmp_path):
    text = {"name": "bert", "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "intermediate_dim": 32}
    model = fusion_model(schema, text_encoder={**text, "max_length": 12}, units=8)
    version = export_model(model, schema, tmp_path, {"text": TEXTS})
    report = verify(version)
    assert report.ok, str(report)
    ids = text_vectorizer(schema["text"])(TEXTS).numpy().astype("int32")
    logits = np.array(model({"text": ids, "text_present": ids.any(axis=1)})["label"])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with CApiSession(version) as session:
        # 100,000 characters as well.
        served = session.run("serving_default", {"text": [*TEXTS, b"x" * 100_000]})
    np.testing.assert_allclose(served["probabilities"][: len(TEXTS)], expected, atol=1e-5)
    assert np.isfinite(served["probabilities"]).all()
