"""Training wrappers wrap one another, in `fit` and in anybody's `compile`."""

import functools

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import Examples
from kerasfusion.losses import DistillationLoss
from kerasfusion.models import (
    CaptionTrainer,
    ContrastiveTrainer,
    ImageMajor,
    TrainingWrapper,
    captioner,
    dual_encoder,
    fusion_model,
    image_major,
    plain_model,
)
from kerasfusion.reasoning import RuleLoss, RuleRegularizedModel, Rules
from kerasfusion.schema import Schema, Task
from kerasfusion.training.distributed_contrastive import AcrossReplicas
from kerasfusion.training.gradient_cache import GradientCache
from kerasfusion.training.wrapping import wrap_model
from kerasfusion.transfer.distillation import DistillationTrainer, DistilledHead

B, K = 3, 2
SMALL = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 6}


pytest.importorskip("pysat")


@pytest.fixture
def batch(tiny_schema, rows_for):
    """An image-major batch, and the same as rows."""
    rows, images = rows_for(tiny_schema, B * K), rows_for(tiny_schema.only("image"), B, seed=1)
    major = {**images, **{k: v.reshape(B, K, *v.shape[1:]) for k, v in rows.items() if k.startswith("text")}}
    plain = {**rows, **{k: np.repeat(v, K, axis=0) for k, v in images.items()}}
    return major, plain, np.random.default_rng(2).integers(0, 3, (B, K)).astype("int32")


def rule_loss(schema):
    return RuleLoss(Rules(schema, ["not red"]))


def compiled(wrapper):
    losses = {task: head.loss() for task, head in wrapper.heads.items()}
    wrapper.compile(keras.optimizers.SGD(0.1), losses, run_eagerly=True)
    return wrapper


def test_rules_inside_and_outside_of_image_major_are_the_rules_on_rows(tiny_schema, batch):
    major, plain, labels = batch
    model, loss = fusion_model(tiny_schema, **SMALL), rule_loss(tiny_schema)
    ruled = functools.partial(RuleRegularizedModel, loss=loss, weight=0.5)
    expected = compiled(ruled(model)).test_on_batch(plain, {"label": labels.reshape(-1)})
    for wrapper in (image_major(ruled(model)), ruled(image_major(model))):
        assert plain_model(wrapper) is model
        assert {id(w) for w in wrapper.weights} == {id(w) for w in model.weights}
        found = compiled(wrapper).test_on_batch(major, {"label": labels})
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    without = compiled(image_major(model)).test_on_batch(major, {"label": labels})
    assert float(without) < float(expected) - 1e-3


@pytest.mark.parametrize("layer", ["encode_image", "fusion"])
def test_distillation_with_hints_on_image_major_batches(tiny_schema, batch, layer):
    major, plain, labels = batch
    model = fusion_model(tiny_schema, **SMALL)
    head = kf.heads.build_head(Task("hint", "embedding_regression", "", ("0", "1")))
    head.build((None, 6))
    distilled = DistillationTrainer(model, {"soft": ("label", DistilledHead(2.0, True))}, {"hint": (layer, head)})
    random = np.random.default_rng(0)
    y = {"label": labels, "soft": random.normal(size=(B, K, 3)), "hint": random.normal(size=(B, K, 2))}
    by_row = {task: value.reshape(B * K, *value.shape[2:]) for task, value in y.items()}
    expected = compiled(distilled).test_on_batch(plain, by_row, return_dict=True)
    both = compiled(image_major(distilled))
    assert list(both.heads) == ["label", "soft", "hint"] and plain_model(both) is model
    found = both.test_on_batch(major, y, return_dict=True)
    assert {key: float(v) for key, v in found.items()} == pytest.approx(
        {key: float(v) for key, v in expected.items()}, rel=1e-4
    )
    soft = DistillationLoss(2.0, mutually_exclusive=True)(by_row["soft"], model(plain)["label"])
    assert float(found["soft_loss"]) == pytest.approx(float(soft), rel=1e-4)
    before = np.array(head.dense.kernel)
    both.train_on_batch(major, y)
    assert (np.array(head.dense.kernel) != before).any()
    assert len(both.trainable_weights) == len(model.trainable_weights) + len(head.trainable_weights)
    with pytest.raises(ValueError, match=r"an encoder or the fusion of a FusionModel\. Received"):
        DistillationTrainer(model, {}, {"hint": ("head_label", head)})


class Recorded(TrainingWrapper):
    """Counts what it is asked."""

    def __init__(self, model):
        super().__init__(model)
        self.asked = []

    def adjust_loss(self, trainer, loss, y_pred):
        self.asked.append("loss")
        return 0 * super().adjust_loss(trainer, loss, y_pred)


def test_a_wrapper_around_a_gradient_cache_learns_in_parts(tiny_schema, rows_for):
    """Its loss of 0 has no gradient, by way of the cache's own step."""
    schema = Schema(tiny_schema.features, (Task("match", "retrieval", "photo"),))
    model = dual_encoder(schema, **SMALL)
    wrapper = Recorded(GradientCache(model, rows=2))
    assert [type(w) for w in (wrapper.model, wrapper.model.model, wrapper.model.model.model)] == [
        GradientCache,
        AcrossReplicas,
        ContrastiveTrainer,
    ]
    compiled(wrapper)
    before = model.get_weights()
    wrapper.train_on_batch(rows_for(schema, 4), {"match": np.arange(4)})
    assert wrapper.asked and all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


class Batches:
    """What `wrap_model` asks of a `BatchedDataset`."""

    def __init__(self, schema, image_major=True):
        self.image_major, self.batch_size = image_major, 8
        self.examples = Examples(schema, None, {}, {}, {}, {}, {})


def test_which_wrapper_a_task_takes(tiny_schema):
    match = Schema(tiny_schema.features, (Task("match", "retrieval", "photo"),))
    caption = Schema(
        tiny_schema.features[1:], (Task("caption", "captioning", "said", vocabulary=("a", "b"), length=6),)
    )
    fused, dual = fusion_model(tiny_schema, **SMALL), dual_encoder(match, **SMALL)
    writer = captioner(caption, decoder="gru", **SMALL)
    assert isinstance(wrap_model(fused, (), Batches(tiny_schema)), ImageMajor)
    assert wrap_model(fused, (), Batches(tiny_schema, False)) is fused
    assert type(wrap_model(fused, (), Batches(tiny_schema, False), changed=True)) is TrainingWrapper
    assert isinstance(wrap_model(dual, (), Batches(match)), AcrossReplicas)
    cache = wrap_model(dual, (), Batches(match), micro_batch=0.5)
    assert isinstance(cache, GradientCache) and cache.rows == 4
    assert isinstance(wrap_model(writer, (), Batches(caption)), CaptionTrainer)
    with pytest.raises(ValueError, match="micro_batch_size is for a match"):
        wrap_model(fused, (), Batches(tiny_schema), micro_batch=0.5)
    # Given ones are inside, unless they say themselves how batches become outputs.
    both = wrap_model(fused, Recorded, Batches(tiny_schema))
    assert isinstance(both, ImageMajor) and isinstance(both.model, Recorded) and both.plain is fused
    both = wrap_model(fused, [image_major, Recorded], Batches(tiny_schema))
    assert isinstance(both, Recorded) and isinstance(both.model, ImageMajor)


def test_fit_takes_wrappers_and_saves_the_plain_model(tmp_path):
    frame = color_table(tmp_path, rows=60)
    frame.attrs.update(folder=str(tmp_path))
    data = kf.data.load(frame, image="photo", text="description", label="color")
    model, unwanted = fusion_model(data.schema, **SMALL), data.schema["label"].classes[0]
    ruled = functools.partial(RuleRegularizedModel, loss=RuleLoss(Rules(data.schema, [f"not {unwanted}"])), weight=50)
    config = kf.training.TrainingConfig(epochs=2, batch_size=16, learning_rate=0.05)
    splits = data.splits["train"], data.splits["validation"]
    kf.training.fit(model, *splits, config, tmp_path / "run", verbose=0, wrappers=[ruled])
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert type(loaded).__name__ == "FusionModel"
    predicted = kf.evaluation.predict_logits(loaded, splits[1])["label"].argmax(axis=1)
    assert (predicted != 0).all() and len(predicted)
