"""LightGCN, VBPR and the two towers, against their equations in NumPy; saved, loaded and trained."""

import keras
import numpy as np
import pytest

import kerasfusion as kf

PAIRS = np.array([[0, 0], [0, 1], [1, 1], [2, 1], [2, 3], [0, 1]])
USERS, ITEMS = 3, 5
RANDOM = np.random.default_rng(0)


def fill(model):
    """Random weights, so that nothing is left at zero; the constants stay."""
    for weight in model.trainable_weights:
        weight.assign(RANDOM.normal(size=weight.shape))
    return model


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def propagated(users, items, num_layers):
    """The mean over powers of the normalized adjacency matrix of the whole graph, in float64."""
    adjacency = np.zeros((USERS + ITEMS,) * 2)
    for user, item in PAIRS:
        adjacency[user, USERS + item] = adjacency[USERS + item, user] = 1
    degrees = np.maximum(adjacency.sum(axis=1), 1)
    normalized = adjacency / np.sqrt(np.outer(degrees, degrees))
    start = np.concatenate([users, items]).astype("float64")
    mean = sum(np.linalg.matrix_power(normalized, k) @ start for k in range(num_layers + 1)) / (num_layers + 1)
    return mean[:USERS], mean[USERS:]


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_lightgcn(num_layers):
    model = fill(kf.models.LightGCN(USERS, ITEMS, PAIRS, dim=4, num_layers=num_layers))
    users, items = propagated(array(model.users.embeddings), array(model.items.embeddings), num_layers)
    found = model.to_numpy()
    np.testing.assert_allclose(found[0], users, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], items, rtol=1e-5, atol=1e-6)
    scores = model({"user": np.array([2, 0]), "item": np.array([[3, 4], [1, 1]])})
    expected = [[users[2] @ items[3], users[2] @ items[4]], [users[0] @ items[1]] * 2]
    np.testing.assert_allclose(array(scores), expected, rtol=1e-5, atol=1e-6)


def test_vbpr():
    features = RANDOM.normal(size=(ITEMS, 6)).astype("float32")
    model = fill(kf.models.VBPR(USERS, ITEMS, features, dim=2, visual_dim=3))
    user, item = 1, 4
    kernel = array(model.projection.kernel)
    expected = array(model.bias.embeddings)[item, 0] + features[item] @ kernel[:, 3]
    expected += array(model.users.embeddings)[user] @ array(model.items.embeddings)[item]
    expected += array(model.visual_users.embeddings)[user] @ (features[item] @ kernel[:, :3])
    np.testing.assert_allclose(
        array(model({"user": np.array([user]), "item": np.array([[item]])})), [[expected]], rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"float \(5, F\)"):
        kf.models.VBPR(USERS, ITEMS, features[:4])


def tower(width, texts=("title",)):
    features = tuple(kf.Feature(name, "text", (name,), vocabulary=("red", "blue"), length=3) for name in texts)
    names = tuple(str(i) for i in range(width + 1))
    schema = kf.Schema(features, (kf.Task("factors", "embedding_regression", "factors", names, std=1.0),))
    return kf.models.fusion_model(schema, text_encoder="average", units=4)


def content(rows):
    return {"title": RANDOM.integers(0, 6, (rows, 3)).astype("int32"), "title_present": np.ones(rows, bool)}


def test_two_towers_score_all_pairs_of_a_batch():
    model = fill(kf.models.TwoTower(USERS, ITEMS, tower(2), dim=2))
    batch = {"user": np.array([0, 2]), "item": np.array([4, 1]), **content(2)}
    vectors = (
        array(model.tower({name: batch[name] for name in model.tower.input})["factors"])
        + array(model.own.embeddings)[[4, 1]]
    )
    expected = array(model.users.embeddings)[[0, 2]] @ vectors[:, :2].T + vectors[:, 2]
    np.testing.assert_allclose(array(model(batch)), expected, rtol=1e-5, atol=1e-6)
    corrected = model({**batch, "log_probability": np.log(np.array([0.5, 0.25], "float32"))})
    np.testing.assert_allclose(array(corrected), expected - np.log([0.5, 0.25]), rtol=1e-5, atol=1e-6)
    users, items, bias = model.to_numpy([{key: value[:1] for key, value in batch.items()}, batch])
    np.testing.assert_allclose(users[[0, 2]] @ items[1:].T + bias[1:], expected, rtol=1e-5, atol=1e-6)


def test_own_vectors_are_dropped_in_training_alone():
    model = fill(kf.models.TwoTower(USERS, ITEMS, tower(2), dim=2, own_dropout=1.0))
    batch = {"user": np.array([0, 2]), "item": np.array([4, 1]), **content(2)}
    alone = array(model.tower({name: batch[name] for name in model.tower.input})["factors"])
    np.testing.assert_allclose(array(model.item_vectors(batch, training=True)), alone, rtol=1e-5)
    assert np.abs(array(model.item_vectors(batch)) - alone).min() > 1e-3
    with pytest.raises(ValueError, match="own=True"):
        kf.models.TwoTower(USERS, ITEMS, None, own=False)


MODELS = {
    "lightgcn": (lambda: kf.models.LightGCN(USERS, ITEMS, PAIRS, dim=4), kf.losses.BPRLoss(), 2),
    "vbpr": (lambda: kf.models.VBPR(USERS, ITEMS, np.eye(ITEMS), dim=4, visual_dim=2), kf.losses.BPRLoss(), 2),
    "towers": (lambda: kf.models.TwoTower(USERS, ITEMS, tower(4), dim=4), kf.losses.SampledSoftmaxLoss(), None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_trained_saved_and_loaded(name, tmp_path):
    make, loss, negatives = MODELS[name]
    keras.utils.set_random_seed(0)
    model = make()
    batches = kf.data.InteractionBatches(*PAIRS.T, batch_size=3, num_negatives=negatives).dataset()
    of_items = {key: keras.ops.convert_to_tensor(value) for key, value in content(ITEMS).items()}

    def with_content(x, y):
        return {**x, **{key: keras.ops.take(value, x["item"], axis=0) for key, value in of_items.items()}}, y

    batches = batches if negatives else batches.map(with_content)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, jit_compile=False)
    losses = model.fit(batches, epochs=12, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.05
    model.save(tmp_path / "model.keras")
    x, _ = next(iter(batches))
    np.testing.assert_allclose(
        array(keras.saving.load_model(tmp_path / "model.keras")(x)), array(model(x)), atol=1e-6
    )


def test_interactions_of_users_that_do_not_exist():
    with pytest.raises(ValueError, match=r"interaction 1 is of user 3 and item 0, but there are 3 users"):
        kf.layers.GraphPropagation(3, 5, [[0, 0], [3, 0]])
    with pytest.raises(ValueError, match=r"must be int \(E, 2\)"):
        kf.layers.GraphPropagation(3, 5, [[0.5, 1.0]])
