import csv
import types

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.cli.jobs import training_config
from kerasfusion.models import get_heads
from kerasfusion.training.callbacks import SaveBest, save_whole
from kerasfusion.training.compile import compile_model, is_decayed
from kerasfusion.training.fit import balanced


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame = color_table(folder, rows=120)
    frame.attrs.update(folder=str(folder))
    return kf.data.load(frame, image="photo", text="description", label="color")


def fit(data, out, **config):
    keras.utils.set_random_seed(0)
    plain = {"image_encoder": "small_cnn", "units": 16, "dropout": 0.0}  # graphs that are made quickly
    model = kf.create_model("classifier_sum", data.schema, **plain)
    config = kf.training.TrainingConfig(**{"epochs": 3, "batch_size": 16, "learning_rate": 1e-2, **config})
    return model, kf.training.fit(model, data.splits["train"], data.splits["validation"], config, out)


def test_it_learns_and_leaves_its_best_weights(data, tmp_path):
    model, cost = fit(data, tmp_path, epochs=8)
    history = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert len(history) == cost["epochs"] and cost["history"][-1]["loss"] < cost["history"][0]["loss"]
    losses = [float(row["val_loss"]) for row in history]
    assert int(np.argmin(losses)) + 1 == cost["best_epoch"]
    saved = keras.saving.load_model(tmp_path / "model.keras")
    for own, kept in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(own, kept)
    validation = data.splits["validation"]
    decided = kf.evaluation.predict_logits(model, validation)["label"].argmax(axis=1)
    assert (decided == validation.labels["label"]).mean() > 0.8
    assert {path.name for path in tmp_path.iterdir()} == {"model.keras", "history.csv", "checkpoints"}


def test_the_same_seed_gives_the_same_weights(data, tmp_path):
    first, second = (fit(data, tmp_path / name, epochs=2)[0] for name in "ab")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_it_stops_when_validation_no_longer_improves(data, tmp_path):
    _, cost = fit(data, tmp_path, epochs=30, learning_rate=0.5, patience=1)
    assert cost["epochs"] < 30 and cost["epochs"] == cost["best_epoch"] + 1


@pytest.mark.parametrize("asked, found", [(None, False), (True, True), (False, False)])
def test_xla_compiles_the_step_where_the_config_says_so(data, monkeypatch, asked, found):
    monkeypatch.setattr("kerasfusion.training.compile.on_gpu", lambda: False)
    model = kf.models.fusion_model(data.schema, text_encoder="average", units=4)
    compile_model(model, kf.models.get_heads(model), data.schema, kf.training.TrainingConfig(jit_compile=asked), 10)
    assert model.jit_compile is found


@pytest.mark.parametrize(
    "logs, best",
    [
        ([{"val_loss": 3.0}, {"val_loss": 2.0}, {"val_loss": 2.5}], 1),
        # Of a match, by the recall; a loss that is no number is no model to keep.
        ([{"val_loss": 2.0, "val_recall": 0.2}, {"val_loss": 2.5, "val_recall": 0.4}], 1),
        ([{"val_loss": 2.0, "val_recall": 0.2}, {"val_loss": np.nan, "val_recall": 0.4}], 0),
    ],
)
def test_which_epoch_is_the_best(tmp_path, logs, best):
    inputs = keras.Input((1,))
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    kept = SaveBest(model, tmp_path / "model.keras")
    for epoch, figures in enumerate(logs):
        layer.kernel.assign([[epoch]])
        kept.on_epoch_end(epoch, figures)
    assert kept.best_epoch == best
    layer.kernel.assign([[7]])
    kept.write()
    assert layer.kernel.numpy() == 7 and keras.saving.load_model(tmp_path / "model.keras").get_weights()[0] == best
    kept.restore()
    assert layer.kernel.numpy() == best


def test_balanced_weights_make_classes_equal(data):
    examples = data.splits["train"].take(np.r_[np.arange(20), np.zeros(10, int)])
    weighted = balanced(examples, "balanced")
    codes, weights = weighted.labels["label"], weighted.weights["label"]
    sums = [weights[codes == code].sum() for code in range(3)]
    np.testing.assert_allclose(sums, 10.0, rtol=1e-5)
    assert balanced(examples, None) is examples


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"warmup_ratio": 1.0}, {"class_weight": "even"}])
def test_configs_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kf.training.TrainingConfig(**wrong)


def test_a_time_budget_alone_decides_on_the_epochs():
    config = kf.training.TrainingConfig
    assert config().epochs == 20 and config(epochs=3, max_seconds=60).epochs == 3
    # As --max-seconds on the command line, which takes no default of its own.
    assert config(max_seconds=60).epochs == config(epochs=None, max_seconds=60).epochs == 10_000
    own = {"epochs": None, "max_seconds": 60.0, "seed": 1}
    assert training_config(dict(own)) == config(**own)


@pytest.mark.parametrize(
    "name", ["classifier_transformer", "vqa_token_transformer", "vqa_low_rank", "classifier_bigru"]
)
def test_weight_decay_is_for_matrices_alone(data, name):
    model = kf.create_model(name, data.schema, units=8)
    kept = {v.path.split("/")[-1] for v in model.trainable_variables if not is_decayed(v)}
    decayed = {v.path.split("/")[-1] for v in model.trainable_variables if is_decayed(v)}
    assert decayed <= {"kernel", "recurrent_kernel", "embeddings"}
    learned = {"classifier_transformer": {"positions"}, "vqa_low_rank": {"rank_weights"}}
    assert {"bias", *learned.get(name, ())} <= kept
    compile_model(model, get_heads(model), data.schema, kf.training.TrainingConfig(weight_decay=0.5), 10)
    for variable in model.trainable_variables:
        assert model.optimizer._use_weight_decay(variable) == is_decayed(variable)


def test_a_temperature_and_class_tokens_are_not_decayed():
    def weight(path, *shape):
        return types.SimpleNamespace(path=path, shape=shape)

    for path in ("fusion/first", "fusion/first_image", "fusion/positions_text", "clip/position_embedding/embeddings"):
        assert not is_decayed(weight(path, 1, 8))
    assert not is_decayed(weight("head_match/log_scale")) and not is_decayed(weight("gru/gru_cell/bias", 2, 8))
    assert is_decayed(weight("head_position/logits/kernel", 4, 8)) and is_decayed(
        weight("embedding/embeddings", 9, 8)
    )


def test_a_failed_save_leaves_the_old_model(data, tmp_path, monkeypatch):
    model = kf.create_model("text_only", data.schema, units=4)
    save_whole(model, tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()

    def full_disk(path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(model, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_whole(model, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_folder_without_a_model_is_not_loaded(tmp_path):
    (tmp_path / "schema.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"no trained model: it lacks config.json, model.keras. `keras"):
        kf.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"it lacks model.keras. Resume its training"):
        kf.load(tmp_path)
