"""Features of frozen text and image networks: each text once, on disk by content, and read from there."""

import dataclasses

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.data.errors import DataError
from kerasfusion.data.feature_cache import FeatureCache, content_key
from kerasfusion.encoders import BertEncoder
from kerasfusion.evaluation import predict_logits
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.models import TrainingWrapper, image_major
from kerasfusion.training import TrainingConfig
from kerasfusion.training.backbone_rate import SlowBackboneAdamW, backbone_ratios

BERT = {"hidden_dim": 8, "num_layers": 3, "num_heads": 2, "intermediate_dim": 16, "max_length": 16}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    table = color_table(folder, rows=24)
    # Texts repeat, differ in length, and one is empty.
    table["description"] = ["red", "a blue thing", "green and red", "", "red", "that is blue"] * 4
    table["split"] = ["train", "train", "validation", "test"] * 6
    table.attrs.update(folder=str(folder))
    return table


def load(table, **settings):
    columns = {"image": "photo", "text": "description", "label": "fits", "split": "split", "image_size": 16}
    return kf.data.load(table, **columns, **settings)


def make(data, name="classifier_sum", wide=None, **changes):
    text = {"name": "bert", **BERT, "fine_tune": "none", **changes}
    return kf.create_model(
        name, data.schema, text_encoder=text, image_encoder="small_cnn", units=4, dropout=0.0, wide=wide
    )


@pytest.fixture
def calls(monkeypatch):
    """Rows of each call of the text network."""
    rows, features = [], BertEncoder.features
    monkeypatch.setattr(
        BertEncoder, "features", lambda self, ids: rows.append(tuple(ids.shape)) or features(self, ids)
    )
    return rows


@pytest.mark.parametrize(
    "fine_tune, global_pool, together",
    [("none", False, False), ("none", True, True), ("last_blocks", True, False)],
)
def test_models_do_as_well_on_features_of_texts(table, fine_tune, global_pool, together):
    data = load(table)
    model = make(data, fine_tune=fine_tune, global_pool=global_pool)
    some = data.splits["train"]
    (cached,) = frozen_features(model, [some])
    (ids, *_), (features, *_) = (next(iter(BatchedDataset(e, 8, together).dataset())) for e in (some, cached))
    assert "text" not in features and features["text_features"].shape[-1] == 8
    np.testing.assert_array_equal(features["text_present"], ids["text_present"])
    twins = (image_major(model), image_major(model)) if together else (model, TrainingWrapper(model))
    logits, ours = (twin(x)["label"] for twin, x in zip(twins, (ids, features), strict=True))
    np.testing.assert_allclose(ours, logits, atol=1e-4)


@pytest.mark.parametrize("together", [False, True])
def test_a_wide_path_reads_the_ids_beside_the_features(table, together):
    data = load(table)
    model = make(data, wide=2)
    model.wide["text"].table.assign(np.random.default_rng(0).normal(size=model.wide["text"].table.shape))
    some = data.splits["train"]
    (cached,) = frozen_features(model, [some])
    (ids, *_), (features, *_) = (next(iter(BatchedDataset(e, 8, together).dataset())) for e in (some, cached))
    np.testing.assert_array_equal(features["text"], ids["text"])
    twins = (image_major(model), image_major(model)) if together else (model, TrainingWrapper(model))
    logits, ours = (twin(x)["label"] for twin, x in zip(twins, (ids, features), strict=True))
    np.testing.assert_allclose(ours, logits, atol=1e-3)


@pytest.mark.slow
def test_a_dual_encoder_does_as_well_on_features_of_texts(table):
    columns = {"image": "photo", "text": "description", "split": "split", "image_size": 16}
    data = kf.data.load(table, **columns, problem_type="retrieval")
    text = {"name": "bert", **BERT, "fine_tune": "none"}
    model = kf.models.dual_encoder(data.schema, text_encoder=text, image_encoder="small_cnn", units=4)
    some = data.splits["train"]
    (cached,) = frozen_features(model, [some])
    for together in (False, True):
        (ids, *_), (features, *_) = (next(iter(BatchedDataset(e, 8, together).dataset())) for e in (some, cached))
        wrapper = kf.models.contrastive(model)
        np.testing.assert_allclose(wrapper(features)["match"], wrapper(ids)["match"], atol=1e-4)


def test_each_text_is_encoded_once_also_over_several_trainings(table, tmp_path, calls, messages):
    data = load(table, cache_dir=tmp_path)
    model = make(data)
    splits = [data.splits[name] for name in ("train", "validation")]
    calls.clear()
    cached = frozen_features(model, splits)
    # The shape; then of the first split its texts and the empty one, and of the second what is new.
    assert calls[0] == (1, data.schema["text"].length)
    computed = sum(rows or 0 for rows, _ in calls[1:])
    assert 0 < computed <= 6 and f"kept in {tmp_path}" in messages[0] and "float16" in messages[0]
    calls.clear()
    again = frozen_features(model, splits)
    assert len(calls) == 1  # the shape alone
    index = np.append(cached[0].arrays["text"], -1)
    found, theirs = (part[0].banks["text"].fetch(index) for part in (cached, again))
    np.testing.assert_array_equal(found[0], theirs[0])
    assert found[0].dtype == "float16"
    ids = np.concatenate([splits[0].arrays["text"], np.zeros_like(splits[0].arrays["text"][:1])])
    np.testing.assert_allclose(found[0], model.encoders["text"].features(ids), atol=2e-3)
    # Larger than memory: read from disk.
    (on_disk, _) = frozen_features(model, splits, memory_limit=1)
    np.testing.assert_array_equal(on_disk.banks["text"].fetch(index)[0], found[0])
    batch = next(iter(BatchedDataset(on_disk, 8).dataset()))[0]
    assert batch["text_features"].shape == (8, data.schema["text"].length, 8)


def test_other_weights_have_other_features(table, tmp_path, calls):
    data = load(table, cache_dir=tmp_path)
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        model = make(data)
        calls.clear()
        frozen_features(model, [data.splits["train"]])
        assert len(calls) == 2
    assert len(list((tmp_path / "features").iterdir())) == 2


@pytest.mark.slow
def test_training_ends_in_a_model_that_takes_ids(table, tmp_path):
    data = load(table, cache_dir=tmp_path / "cache")
    model = make(data)
    before = model.encoders["text"].blocks[0].expand.kernel.numpy()
    config = TrainingConfig(epochs=1, batch_size=8)
    kf.training.fit(model, data.splits["train"], data.splits["validation"], config, tmp_path / "run")
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert "text" in loaded.input
    np.testing.assert_array_equal(loaded.encoders["text"].blocks[0].expand.kernel, before)
    logits = kf.evaluation.predict_logits(loaded, data.splits["test"])["label"]
    np.testing.assert_allclose(logits, kf.evaluation.predict_logits(model, data.splits["test"])["label"], atol=1e-5)


def test_a_cache_that_is_damaged_names_its_folder(tmp_path):
    cache = FeatureCache(tmp_path / "one", (3,))
    keys = [content_key(np.array([n])) for n in range(4)]
    cache.add(keys[:2], np.ones((2, 3)))
    cache.add(keys[2:], np.full((2, 3), 2.0))
    again = FeatureCache(tmp_path / "one", (3,))
    np.testing.assert_array_equal(again.read(again.places(keys)).sum(axis=1), [3, 3, 6, 6])
    assert again.places([content_key(np.array([9]))]).tolist() == [[-1, -1]]
    for damage in (b"", b"x" * 500):
        next(path for path in (tmp_path / "one").glob("part*.npy") if ".keys" not in path.name).write_bytes(damage)
        with pytest.raises(DataError, match=r"feature cache is damaged: .*Delete the folder"):
            FeatureCache(tmp_path / "one", (3,))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        FeatureCache(tmp_path / "file" / "one", (3,)).add(keys[:1], np.ones((1, 3)))


def test_pretrained_layers_learn_more_slowly(table):
    data = load(table)
    model = make(data, fine_tune="last_blocks")
    # Weights that started at random learn as all others do.
    assert backbone_ratios(model, TrainingConfig()) == []
    model.encoders["text"].start = "somewhere"
    ratios = backbone_ratios(model, TrainingConfig(learning_rate=1e-2, backbone_learning_rate=1e-3))
    assert {ratio for _, ratio in ratios} == {0.1} and len(ratios) == 2 * 16
    assert {ratio for _, ratio in backbone_ratios(model, TrainingConfig())} == {0.025}


def test_updates_of_slow_weights_are_a_share_of_those_of_adamw():
    ours, theirs = ([keras.Variable([1.0, -2.0]), keras.Variable([3.0])] for _ in range(2))
    slow = SlowBackboneAdamW([(ours[0], 0.1)], learning_rate=0.1, weight_decay=0.1)
    plain = keras.optimizers.AdamW(learning_rate=0.1, weight_decay=0.1)
    gradients = [keras.ops.array([0.5, -0.5]), keras.ops.array([1.0])]
    for optimizer, variables in ((slow, ours), (plain, theirs)):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    start = np.array([1.0, -2.0])
    np.testing.assert_allclose(ours[0].numpy() - start, 0.1 * (theirs[0].numpy() - start), rtol=1e-4)
    np.testing.assert_array_equal(ours[1].numpy(), theirs[1].numpy())


def test_predictions_read_the_cache(table, tmp_path, calls):
    data = load(table, cache_dir=tmp_path)
    model, examples = make(data), data.splits["train"]
    kept = predict_logits(model, examples)["label"]
    calls.clear()
    np.testing.assert_array_equal(predict_logits(model, examples)["label"], kept)
    assert len(calls) == 1  # the shape alone
    without = predict_logits(model, dataclasses.replace(examples, cache_dir=None))["label"]
    np.testing.assert_allclose(kept, without, atol=2e-3)
