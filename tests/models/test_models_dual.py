"""Dual encoders and the twin they are trained as."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasfusion.heads import ContrastiveHead
from kerasfusion.metrics import InBatchRecall
from kerasfusion.models import contrastive, dual_encoder, fusion_model, get_heads
from kerasfusion.schema import Task

SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
B, K = 3, 2
# The first text of image 2 is padding; images 0 and 1 are the same one, entered twice.
NUMBERS = np.array([[5, 5], [5, 5], [9, 9]], "int32")
WEIGHTS = np.array([[1, 1], [2, 1], [0, 1]], "float32")
KNOWN = np.array([[1, 1, 1, 1, -1, 0], [1, 1, 1, 1, -1, 0], [0, 0, 0, 0, -1, 1]])


@pytest.fixture
def schema(tiny_schema):
    return dataclasses.replace(tiny_schema, tasks=(Task("match", "retrieval", "photo"),))


@pytest.fixture
def batch(schema, rows_for):
    images, texts = rows_for(schema.only("image"), B), rows_for(schema.only("text"), B * K)
    return {**images, **{k: v.reshape(B, K, *v.shape[1:]) for k, v in texts.items()}}


def embeddings(model, batch):
    """Of all images and of all texts, by models cut out of the plain one."""
    flat = {name: v.reshape(-1, *v.shape[2:]) if name.startswith("text") else v for name, v in batch.items()}
    found = []
    for kind in ("image", "text"):
        inputs = {name: model.input[name] for name in (kind, f"{kind}_present")}
        cut = keras.Model(inputs, model.get_layer(f"embed_{kind}").output)
        found.append(np.array(cut({name: flat[name] for name in inputs})))
    return found


def compiled(model, optimizer="sgd", eagerly=True):
    twin, (head,) = contrastive(model), get_heads(model).values()
    metrics = {"match": head.metrics_for()}
    twin.compile(
        optimizer, loss={"match": head.loss()}, weighted_metrics=metrics, run_eagerly=eagerly, jit_compile=False
    )
    return twin


def test_the_twin_scores_all_pairs_and_the_plain_model_its_rows(schema, batch):
    model = dual_encoder(schema, **SMALL)
    images, texts = embeddings(model, batch)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-5)
    twin = contrastive(model)
    assert {id(w) for w in twin.weights} == {id(w) for w in model.weights}
    np.testing.assert_allclose(np.array(twin(batch)["match"]), images @ texts.T / 0.07, rtol=1e-4)
    rows = {name: v[:, 0] if name.startswith("text") else v for name, v in batch.items()}
    np.testing.assert_allclose(np.array(model(rows)["match"])[:, 0], (images * texts[::K]).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(np.array(twin(rows)["match"]), images @ texts[::K].T / 0.07, rtol=1e-4)


@pytest.mark.parametrize("loss", ["info_nce", "siglip", {"name": "triplet", "margin": 0.3}, "cosine_margin"])
def test_what_is_trained_on_is_the_loss_of_all_known_pairs(schema, batch, loss):
    model = dual_encoder(schema, loss=loss, **SMALL)
    twin = compiled(model)
    (head,) = get_heads(model).values()
    expected = float(head.loss()(KNOWN, twin(batch)["match"]))
    found = twin.evaluate(batch, {"match": NUMBERS}, sample_weight={"match": WEIGHTS}, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    before = [np.array(w) for w in model.trainable_weights]
    twin.fit(batch, {"match": NUMBERS}, sample_weight={"match": WEIGHTS}, verbose=0)
    unmoved = [w.path for w, b in zip(model.trainable_weights, before, strict=True) if np.array_equal(w, b)]
    assert not [path for path in unmoved if "log_scale" in path or "project" in path], unmoved


def test_it_learns_saves_and_loads(schema, batch, tmp_path):
    batch["image"] = np.full_like(batch["image"], 255) * np.eye(3, dtype="uint8")[:, None, None]  # red, green, blue
    batch["text"][:, :, 0] = [[5, 6], [7, 8], [9, 10]]
    batch["text"][:, :, 1:] = 0
    model = dual_encoder(schema, **SMALL)
    twin = compiled(model, keras.optimizers.Adam(0.03), eagerly=False)  # 40 steps of one graph
    numbers, weights = {"match": np.array([[0, 0], [1, 1], [2, 2]], "int32")}, {"match": np.ones((B, K), "float32")}
    history = twin.fit(batch, numbers, sample_weight=weights, epochs=40, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["recall"][-1] == 1.0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(embeddings(model, batch), embeddings(loaded, batch), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        np.array(contrastive(loaded)(batch)["match"]), np.array(twin(batch)["match"]), rtol=1e-5
    )


def test_hidden_units_make_the_projections_perceptrons(schema, batch):
    model = dual_encoder(schema, hidden_units=6, **SMALL)
    rows = {name: v[:, 0] if name.startswith("text") else v for name, v in batch.items()}
    for kind in ("image", "text"):
        x = np.array(model.encode({k: v for k, v in rows.items() if k.startswith(kind)})[kind]["pooled"])
        norm, hidden, project = (model.get_layer(f"{name}_{kind}") for name in ("norm", "hidden", "project"))
        assert hidden.kernel.shape == (8, 6)
        norm.moving_mean.assign(x[0] / 2)
        x = np.array(norm(x))
        expected = project(keras.activations.gelu(x @ np.array(hidden.kernel) + np.array(hidden.bias)))
        expected = np.array(expected) / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(np.array(model.embed(rows)[kind]), expected, rtol=1e-4, atol=1e-5)
    assert "hidden_text" not in [layer.name for layer in dual_encoder(schema, **SMALL).layers]


def test_training_reaches_dropout_and_inference_does_not(schema, batch):
    twin = contrastive(dual_encoder(schema, dropout=0.5, **SMALL))

    def scores(**how):
        return np.array(twin(batch, **how)["match"])

    assert not np.array_equal(scores(training=True), scores(training=True))
    np.testing.assert_array_equal(scores(training=False), scores())


def test_the_scale_is_bounded():
    head = ContrastiveHead("siglip")
    images = keras.ops.normalize(np.random.default_rng(0).normal(size=(2, 4)).astype("float32"))
    head({"image": images, "text": images})
    cosines = np.array(images) @ np.array(images).T
    np.testing.assert_allclose(np.array(head.scores(images, images)), 10 * cosines - 10, rtol=1e-4)
    head.log_scale.assign(9.0)
    assert float(head.log_scale.constraint(head.log_scale)) == pytest.approx(np.log(100))
    np.testing.assert_allclose(np.array(head.predictions(np.array([[0.5], [-1.0]]))["similarity"]), [0.5, -1.0])


def test_in_batch_recall():
    metric = InBatchRecall()
    scores = np.array([[0.9, 0.1, 0.2, 0.3], [0.3, 0.2, 0.8, 0.4], [0.5, 0.4, 0.6, 0.9]])
    # Texts 0 and 2 find their image, text 1 finds another; text 3 is padding.
    metric.update_state(np.array([[1, 1, 0, -1], [0, 0, 1, -1], [0, 0, 0, -1]]), scores)
    np.testing.assert_allclose(float(metric.result()), 2 / 3, rtol=1e-6)


def test_what_is_no_dual_encoder_is_refused(schema, tiny_schema):
    with pytest.raises(
        ValueError, match=r"one task of type retrieval; the schema has \['text', 'image'\] and \['multiclass'\]"
    ):
        dual_encoder(tiny_schema)
    with pytest.raises(ValueError, match="needs one text, one image"):
        dual_encoder(schema.only("image"))
    with pytest.raises(ValueError, match="is no dual encoder"):
        contrastive(fusion_model(tiny_schema, name="joint", **SMALL))
    with pytest.raises(ValueError, match="no loss 'nce'; choose one of info_nce, siglip"):
        ContrastiveHead("nce")
