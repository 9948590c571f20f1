"""Every name in the zoo, and the registry itself."""

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.models import contrastive, get_heads
from kerasfusion.schema import FEATURE_KINDS
from kerasfusion.training import TrainingConfig
from kerasfusion.training.compile import compile_model
from kerasfusion.zoo import create_model, get_entry, list_models, register_model, registry

# All but those that begin with pretrained weights (dual_clip is tried in tests/encoders/test_encoders_clip.py).
MADE = [n for n in list_models() if n not in ("dual_clip", "dual_pretrained") and not n.startswith("pretrained_")]
# Of the large networks, VGG16 is tried with the other tests (tests/encoders/test_encoders_applications.py).
LARGE = {"classifier_mobilenet", "dual_gru_mobilenet"}
# Tracing a graph takes most of the time: the first of each family (a file of the zoo) is trained in one, all others
# step by step. Every part is traced in the tests of its own package.
FIRST = set({get_entry(n).builder.__module__: n for n in reversed(MADE) if n not in LARGE}.values())
# Of those that differ in the fusion alone (each has its contract in tests/fusion), these are tried with the others.
SOME = {"vqa_concat", "vqa_film", "vqa_relation"}
LATER = LARGE | {n for n in list_models("vqa_*") if n not in SOME | FIRST}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.every_model] if n in LATER else []) for n in MADE]
)
def test_every_model_builds_trains_saves_and_loads(name, schema_for, rows_for, tmp_path):
    schema = schema_for(name)
    model = create_model(name, schema, units=8)
    assert model.name == name
    batch = rows_for(schema, 8, present=0.8)
    task = schema.tasks[0]
    before = np.array(model(batch)[task.name])
    labels = np.arange(8, dtype="int32") % 3
    if task.type == "captioning":
        labels = np.roll(batch["caption"], -1, axis=1)
    if task.type == "box":
        labels = np.tile(np.array([0.1, 0.2, 0.5, 0.9], "float32"), (8, 1))
    assert (len(before), before.shape[-1], before.dtype) == (8, task.outputs, "float32")
    trained = contrastive(model) if task.type == "retrieval" else model
    compile_model(
        trained, get_heads(model), schema, TrainingConfig(warmup_ratio=0.0, learning_rate=0.01), total_steps=2
    )
    trained.run_eagerly = name not in FIRST
    weights = {task.name: np.ones(8, "float32")}
    history = trained.fit(batch, {task.name: labels}, sample_weight=weights, batch_size=4, verbose=0)
    assert trained.optimizer.iterations == 2 and np.isfinite(history.history["loss"]).all()
    after = np.array(model(batch)[task.name])
    assert np.abs(after - before).max() > 1e-4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(batch)[task.name]), after)


@pytest.mark.parametrize("name", list_models())
def test_every_entry_says_what_it_is(name):
    entry = get_entry(name)
    assert entry.name == name and 10 < len(entry.summary) < 110 and entry.summary.endswith(".")
    assert set(entry.inputs) <= set(FEATURE_KINDS)
    assert bool(entry.inputs) == (name not in ("mixed_gated", "pretrained_mixed"))


def test_list_models():
    assert list_models("*film*") == ["classifier_film", "vqa_film", "wide_film"]
    assert list_models("vqa_*") == [f"vqa_{fusion}" for fusion in sorted(kf.fusion.FUSIONS)]
    assert list_models() == sorted(list_models()) and {"text_only", "image_only", "late_average"} < set(list_models())
    assert list_models("nothing*") == []


def test_an_unknown_name_is_answered_with_near_ones(tiny_schema):
    with pytest.raises(ValueError, match=r"no model 'clasifier_gated'\. Did you mean 'classifier_gated'"):
        create_model("clasifier_gated", tiny_schema)
    with pytest.raises(ValueError, match="kerasfusion list"):
        create_model("zzzz", tiny_schema)


@pytest.mark.parametrize("name", ["classifier_sum", "late_average", "text_only"])
def test_an_unknown_setting_is_refused(name, tiny_schema):
    with pytest.raises(ValueError, match=f"{name}: .*colour"):
        create_model(name, tiny_schema, colour=3)


def test_a_missing_modality_is_named(tiny_schema):
    with pytest.raises(ValueError, match=r"classifier_sum needs image, which the data lacks; .*text \(text\)"):
        create_model("classifier_sum", tiny_schema.only("text"))
    with pytest.raises(ValueError, match="needs text and image"):
        create_model("vqa_film", tiny_schema.only())


def test_a_model_for_another_task_is_refused(schema_for):
    with pytest.raises(
        ValueError,
        match=r"dual_lstm_cnn is a model for retrieval, and the data is for label.*--problem-type retrieval",
    ):
        create_model("dual_lstm_cnn", schema_for("classifier_sum"))
    with pytest.raises(ValueError, match="classifier_sum is a model for label, and the data is for retrieval"):
        create_model("classifier_sum", schema_for("dual_lstm_cnn"))


def test_changes_reach_the_builder(tiny_schema):
    model = create_model("classifier_sum", tiny_schema, fusion="gated", units=4, text_encoder="bag_of_words")
    assert type(model.get_layer("fusion")).__name__ == "GatedFusion" and model.get_layer("fusion").units == 4
    assert type(model.get_layer("encode_text")).__name__ == "BagOfWordsEncoder"


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def test_register(own_registry, tiny_schema):
    @register_model(inputs=("text",), source="here")
    def my_words(schema, **changes):
        """Words, averaged.

        And more about it.
        """
        return kf.models.fusion_model(schema.only("text"), **{"text_encoder": "average", "units": 4, **changes})

    assert "my_words" in list_models()
    entry = get_entry("my_words")
    assert (entry.summary, entry.inputs, entry.source) == ("Words, averaged.", ("text",), "here")
    assert set(create_model("my_words", tiny_schema).input) == {"text", "text_present"}
    with pytest.raises(ValueError, match="'my_words' is taken"):
        register_model("my_words")(my_words)
    register_model("other_words")(my_words)
    assert list_models("*_words") == ["my_words", "other_words"]


def test_register_needs_a_docstring(own_registry):
    with pytest.raises(ValueError, match="'bare' needs a docstring"):
        register_model("bare")(lambda schema: None)
    assert "bare" not in list_models()


def test_a_builders_own_type_error_is_not_hidden(own_registry, tiny_schema):
    def broken(schema):
        """Broken."""
        return 1 + "1"

    register_model()(broken)
    with pytest.raises(TypeError, match="unsupported operand"):
        create_model("broken", tiny_schema)


def test_article_joint_is_the_articles_network(tiny_schema):
    model = create_model("article_joint", tiny_schema)
    text, image, fusion = (model.get_layer(name) for name in ("encode_text", "encode_image", "fusion"))
    conv, pool = image.stages
    assert isinstance(conv, keras.layers.Conv2D) and conv.filters == 64 and conv.kernel_size == (3, 3)
    assert isinstance(pool, keras.layers.MaxPooling2D) and pool.pool_size == (2, 2)
    assert image.flatten and image.projection.units == 128 and text.projection.units == 128
    assert fusion.units is None and fusion.projection is None and fusion.joined == 256
    branch_text = 13 * 128 + (128 * 128 + 128)
    branch_image = (3 * 3 * 3 * 64 + 64) + (8 * 8 * 64 * 128 + 128)
    missing = 128 + 128
    head = 256 * 3 + 3
    assert model.count_params() == branch_text + branch_image + missing + head == 545_411
