"""AdaLoRA beside an evaluation of its equations in NumPy: what is important, what stays, what is learned."""

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.training import checkpoint
from kerasfusion.training.adalora import AdaLoRA, _towards_orthonormal, low_rank_pair, rank_budget, reinitialize
from kerasfusion.transfer import enable_lora, merge_lora


@pytest.fixture
def model():
    """Two layers, one with its units in two heads; the second change matters more."""
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, "tanh", name="first")(inputs)
    x = keras.layers.EinsumDense("ab,bcd->acd", (2, 4), name="second")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, {"label": keras.layers.Dense(1, name="head")(x)})


class Numpy:
    """AdaLoRA after the paper: one gradient after the other, no tensors."""

    def __init__(self, optimizer):
        self.at = [[np.array(part) for part in triplet] for triplet in optimizer.triplets]
        self.mean = [[np.zeros_like(part) for part in triplet] for triplet in self.at]
        self.spread = [[np.zeros_like(part) for part in triplet] for triplet in self.at]

    def gradients(self, factors, weight):
        """Of P, Λ and Q, by those of A = P Λ and B = Q."""
        found = []
        for (p, values, q), (by_a, by_b) in zip(self.at, factors, strict=True):
            by_a = by_a.reshape(p.shape)
            found.append(
                [
                    by_a * values + weight * 4 * p @ (p.T @ p - np.eye(len(values))),
                    np.array([p[:, k] @ by_a[:, k] for k in range(len(values))]),
                    by_b + weight * 4 * (q @ q.T - np.eye(len(values))) @ q,
                ]
            )
        return found

    def observe(self, gradients):
        for triplet, given, means, spreads in zip(self.at, gradients, self.mean, self.spread, strict=True):
            for i, (part, gradient) in enumerate(zip(triplet, given, strict=True)):
                now = np.abs(part * gradient)
                means[i] = 0.85 * means[i] + 0.15 * now
                spreads[i] = 0.85 * spreads[i] + 0.15 * np.abs(now - means[i])

    def importance(self):
        found = []
        for means, spreads in zip(self.mean, self.spread, strict=True):
            p, values, q = (mean * spread for mean, spread in zip(means, spreads, strict=True))
            found += [values[k] + p[:, k].mean() + q[k].mean() for k in range(len(values))]
        return np.array(found)


def test_what_is_important_and_what_stays(model):
    start = [np.array(weight) for weight in model.weights]
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 5)).astype("float32")
    before = np.array(model(x)["label"])
    found = enable_lora(model, 3, budget=2)
    pairs, kept = rank_budget(model)
    assert found.layers == ("first", "second") and kept == 4
    assert [[tuple(part.shape) for part in pair] for pair in pairs] == [[(5, 3), (3, 6)], [(6, 2, 3), (3, 4)]]
    optimizer = AdaLoRA(pairs, kept, total_steps=20, orthogonality=0.1, learning_rate=0.05)
    optimizer.build(model.trainable_variables)
    np.testing.assert_array_equal(model(x)["label"], before)
    for p, values, q in optimizer.triplets:
        np.testing.assert_allclose(np.transpose(p) @ np.array(p), np.eye(3), atol=1e-6)
        np.testing.assert_allclose(np.array(q) @ np.transpose(q), np.eye(3), atol=1e-6)
        np.testing.assert_array_equal(values, np.zeros(3))
    ours, stays = Numpy(optimizer), np.ones(6)
    others = [v for v in model.trainable_variables if "lora" not in v.name]
    assert (optimizer.begin, optimizer.end, optimizer.every) == (2, 14, 1)
    for step in range(1, 21):
        # Gradients that favor some of the triplets.
        scale = np.array([0.1, 1.0, 0.3])
        factors = [
            [
                (random.normal(size=part.shape) * (scale if part is a else scale[:, None])).astype("float32")
                for part in pair
            ]
            for pair in pairs
            for a in pair[:1]
        ]
        given = {id(v): g for pair, two in zip(pairs, factors, strict=True) for v, g in zip(pair, two, strict=True)}
        given.update((id(v), np.ones(v.shape, "float32")) for v in others)
        gradients = ours.gradients(factors, 0.1)
        ours.observe(gradients)
        optimizer.apply([given[id(v)] for v in model.trainable_variables], model.trainable_variables)
        np.testing.assert_allclose(optimizer.importance(), ours.importance(), rtol=2e-3, atol=1e-9)
        share = max(0.0, 1 - max(0, step - 2) / 12)
        budget = 4 + int(np.ceil(round(2 * share**3, 6)))
        if 2 <= step <= 14:
            stays = np.zeros(6)
            stays[np.argsort(-ours.importance())[:budget]] = 1
        np.testing.assert_array_equal(optimizer.stays, stays)
        values = np.concatenate([np.array(triplet[1]) for triplet in optimizer.triplets])
        if step >= 2:
            np.testing.assert_array_equal(values != 0, stays > 0)
        for (p, v, _), (a, _) in zip(optimizer.triplets, pairs, strict=True):
            np.testing.assert_allclose(np.reshape(a, p.shape), np.array(p) * np.array(v), rtol=1e-6)
        # AdamW itself is Keras's: the parts are taken over as they have become.
        ours.at = [[np.array(part) for part in triplet] for triplet in optimizer.triplets]
    assert stays.sum() == 4
    # All else is as it was, but for the heads; merged, the outputs are the same.
    after = np.array(model(x)["label"])
    assert np.abs(after - before).max() > 0.01
    plain = merge_lora(model)
    np.testing.assert_allclose(plain(x)["label"], after, rtol=1e-5, atol=1e-6)
    rank = [
        np.linalg.matrix_rank((np.array(w) - s).reshape(-1, s.shape[-1]), tol=1e-5)
        for w, s in zip(plain.weights, start, strict=True)
        if w.path in ("first/kernel", "second/kernel")
    ]
    assert sum(rank) == 4
    assert low_rank_pair(model.get_layer("first"))[0] is pairs[0][0]


def test_the_penalty_is_its_gradient():
    """By differences of `|PᵀP - 1|²`."""
    p = np.random.default_rng(0).normal(size=(4, 2))

    def penalty(p):
        return ((p.T @ p - np.eye(2)) ** 2).sum()

    expected = np.zeros_like(p)
    for place in np.ndindex(p.shape):
        step = np.zeros_like(p)
        step[place] = 1e-5
        expected[place] = (penalty(p + step) - penalty(p - step)) / 2e-5
    np.testing.assert_allclose(_towards_orthonormal(keras.ops.convert_to_tensor(p, "float32")), expected, rtol=1e-3)


def test_a_budget_is_below_the_rank(model):
    for budget in (0, 2, 3):
        with pytest.raises(
            ValueError, match=f"budget must be at least 1 and below the rank, 2. Received: budget={budget}"
        ):
            enable_lora(model, 2, budget=budget)
    # Nothing was frozen by what was refused.
    assert model.get_layer("first").kernel.trainable
    enable_lora(model, 2)
    assert rank_budget(model) == ([], 0)


def test_changes_that_were_merged_learn_again(model, tmp_path):
    enable_lora(model, 2)
    shape = low_rank_pair(model.get_layer("first"))[0].shape
    model.save_weights(tmp_path / "merged.weights.h5")
    model.load_weights(tmp_path / "merged.weights.h5")
    low_rank_pair(model.get_layer("second"))[1].assign(np.ones((2, 4)))
    reinitialize(model)
    a, b = low_rank_pair(model.get_layer("first"))
    assert np.all(np.array(a)) and a.shape == shape and not np.any(b)
    # One that changes something is left as it is.
    a, b = low_rank_pair(model.get_layer("second"))
    assert not np.any(a) and np.all(np.array(b))


@pytest.mark.slow
def test_trained_interrupted_and_resumed(tmp_path, monkeypatch):
    table = color_table(tmp_path)[["photo", "color"]]
    table["split"] = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    table.attrs.update(folder=str(tmp_path))
    data = kf.data.load(table, image="photo", label="color", split="split", image_size=16)
    splits = [data.splits[name] for name in ("train", "validation")]
    vit = {"name": "vit", "patch_size": 8, "num_layers": 1, "num_heads": 2}
    parent = kf.models.fusion_model(data.schema, image_encoder=vit, units=8)
    config = kf.training.TrainingConfig(epochs=4, batch_size=4, patience=1)
    blocks = "encode_image/block*"

    def adapted():
        keras.utils.set_random_seed(0)
        model = kf.transfer.replace_head(parent, "encode_image", data.schema)
        return model, enable_lora(model, 3, blocks, budget=2)

    whole, found = adapted()
    cost = kf.training.fit(whole, *splits, config, tmp_path / "whole")
    # Not one of the first two epochs, in which rank is still taken away; nor did it stop there.
    assert cost["best_epoch"] >= 3
    merged, rank = merge_lora(whole), 0
    for path in found.layers:
        old, new = (
            {w.path: np.array(w) for w in one.weights}[f"{path}/kernel"].astype("float64") for one in (parent, merged)
        )
        shape = (-1, old.shape[-1])
        rank += np.linalg.matrix_rank((new - old).reshape(shape), tol=1e-5)
    assert 0 < rank <= 2 * len(found.layers)
    # What was written says nothing of the optimizer.
    assert not keras.saving.load_model(tmp_path / "whole" / "model.keras").compiled

    part, _ = adapted()
    before = checkpoint.Checkpoint.on_train_batch_end

    def pressing(self, batch, logs=None):
        self.interruption.asked = self.epoch == 1 and batch == 7
        before(self, batch, logs)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint.Checkpoint, "on_train_batch_end", pressing)
        kf.training.fit(part, *splits, config, tmp_path / "part")
    resumed, _ = adapted()
    kf.training.fit(resumed, *splits, config, tmp_path / "part", resume=True)
    for ours, theirs in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
