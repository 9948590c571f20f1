"""Captions with sentence vectors, from word vectors and from a dual encoder."""

import numpy as np
import pandas as pd
import pytest
from tables import caption_table

import kerasfusion as kf
from kerasfusion.evaluation import embed_texts
from kerasfusion.training import Run
from kerasfusion.workflows import add_caption_embeddings

VECTORS = {"crimson": (1, 0), "emerald": (0, 1), "azure": (-1, 0), "red": (2, 0), "green": (0, 2), "blue": (-2, 0)}
SMALL = {"image_encoder": {"name": "small_cnn", "filters": (8,)}, "decoder": "lstm"}
SMALL |= {"num_layers": 0, "units": 8, "dropout": 0.0}


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    """Two captions for each image, some of which have no word that the vectors know; and the file of vectors."""
    folder = tmp_path_factory.mktemp("captions")
    table = caption_table(folder, images=30)
    table.loc[table.index[::7], "caption"] = "nothing over nobody"
    table["split"] = np.repeat(["train", "train", "test", "validation", "train"], 2).tolist() * 6
    table.to_csv(folder / "captions.csv", index=False)
    file = folder / "vectors.txt"
    file.write_text("\n".join(f"{word} {x} {y}" for word, (x, y) in VECTORS.items()))
    return kf.data.load(folder / "captions.csv", image="photo", label="caption", problem_type="captioning"), file


def expected(texts):
    """Mean vectors by hand; NaN where no word is known."""
    found = [[VECTORS[word] for word in text.split() if word in VECTORS] for text in texts]
    return np.array([np.mean(some, axis=0) if some else (np.nan, np.nan) for some in found])


def test_word_vectors_by_hand(captions):
    data, file = captions
    found = add_caption_embeddings(data, file, context_weight=0.5, caption_weight=2.0)
    assert [(t.name, t.type, t.weight) for t in found.schema.tasks] == [
        ("caption", "captioning", 2.0),
        ("context", "embedding_regression", 0.5),
    ]
    mean = np.nanmean(expected(data.splits["train"].frame["caption"]), axis=0)
    for split in found.splits.values():
        vectors = expected(split.frame["caption"]) - mean
        known = ~np.isnan(vectors[:, 0])
        assert 0 < known.sum() < len(known)
        np.testing.assert_array_equal(split.weights["context"], known.astype("float32"))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(split.labels["context"][known], vectors[known], atol=1e-5)


@pytest.mark.slow
def test_both_terms_are_learned_and_reported(captions, tmp_path):
    data, file = captions
    found = add_caption_embeddings(data, file)
    model = kf.create_model("fusion_transformer", found.schema, **SMALL, learn_loss_weights=True)
    config = kf.training.TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-2)
    cost = kf.training.fit(model, found.splits["train"], found.splits["validation"], config, tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert {"caption_loss", "context_loss", "val_caption_loss", "val_context_loss"} <= set(history)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] and cost["epochs"] == 2
    assert all(float(model.get_layer(f"head_{name}").log_variance) != 0 for name in ("caption", "context"))


def test_a_dual_encoders_vectors(captions):
    data, file = captions
    pairs = kf.data.load(file.parent / "captions.csv", image="photo", text="caption", problem_type="retrieval")
    model = kf.create_model("dual_lstm_cnn", pairs.schema, text_encoder="average", units=8)
    run = Run(file.parent, pairs.schema, model, {}, {})
    found = add_caption_embeddings(data, run)
    own = {name: embed_texts(model, pairs.splits[name]) for name in ("train", "test")}
    vectors = own["test"] - own["train"].mean(axis=0)
    np.testing.assert_allclose(
        found.splits["test"].labels["context"], vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-4
    )
    with pytest.raises(ValueError, match="is no dual encoder"):
        add_caption_embeddings(data, Run(file.parent, data.schema, None, {}, {}))


def test_other_tasks_are_refused(captions):
    data, file = captions
    with pytest.raises(ValueError, match="add_caption_embeddings is for captions; the tasks are"):
        add_caption_embeddings(add_caption_embeddings(data, file), file)
