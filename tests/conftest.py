"""What tests of layers and models share."""

import dataclasses
import os

import keras
import numpy as np
import pytest
from hostile import budget
from messages import logged

from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.zoo import get_entry


def pytest_configure(config):
    """`pytest -m hostile` tries thousands of cases of each generated test, in each process."""
    if config.option.markexpr == "hostile":
        os.environ[budget.VARIABLE] = "1"


def pytest_ignore_collect(collection_path):
    """On the JAX backend, collect its tests alone: the others need TensorFlow."""
    if keras.backend.backend() == "jax" and collection_path.suffix == ".py":
        return collection_path.name != "test_jax_backend.py" or None
    return None


def pytest_collection_modifyitems(items):
    """The largest file first: taken last, it would keep one process busy when the other has nothing left."""
    items.sort(key=lambda item: "zoo" not in item.path.parts)


@pytest.fixture(autouse=True)
def same_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def messages():
    """The progress messages of the test."""
    with logged() as lines:
        yield lines


@pytest.fixture
def tiny_schema():
    return Schema(
        features=(
            Feature("text", "text", ("description",), length=6, vocabulary=tuple("abcdefghi")),
            Feature("image", "image", ("photo",), size=(16, 16)),
        ),
        tasks=(Task("label", "multiclass", "color", classes=("red", "green", "blue")),),
    )


@pytest.fixture
def schema_for(tiny_schema):
    """`schema_for(name)`: what a model of the zoo takes of the tiny schema, its task, and images large enough."""

    def make(name):
        large = "mobilenet" in name or name.startswith(("vqa_", "article_tagging"))
        image = dataclasses.replace(tiny_schema["image"], size=(32, 32) if large else (16, 16))
        entry = get_entry(name)
        tasks = {
            "captioning": (Task("caption", "captioning", "said", vocabulary=tuple("abcdefg"), length=6),),
            "retrieval": (Task("match", "retrieval", "photo"),),
            "grounding": (Task("box", "box", "where"),),
        }.get(entry.task, tiny_schema.tasks)
        numbers = Feature("numbers", "numeric", ("a", "b"), length=2, mean=(0, 0), std=(1, 1))
        categories = Feature("categories", "categorical", ("c",), length=1, categories=(("x", "y"),))
        boxes = Feature("boxes", "boxes", ("r",), length=3, categories=(("cup",),), units="fractions")
        series = Feature("signal", "signal", ("s",), length=24, mean=(0,), std=(1,), channels=1)
        video = Feature("video", "video", ("v",), size=(16, 16), length=3)
        # A model of any kinds takes those that no other model is for.
        kinds = entry.inputs or ("numeric", "categorical")
        features = (tiny_schema["text"], image, numbers, categories, boxes, series, video)
        return Schema(features, tasks).only(*kinds)

    return make


@pytest.fixture
def rows_for():
    """`rows_for(schema, rows, present=1.0)`: random model inputs; `present` is how likely a feature is there."""

    def make(schema, rows, present=1.0, seed=0):
        random = np.random.default_rng(seed)
        batch = {}
        for feature in schema.features:
            if feature.kind == "text":
                values = random.integers(1, feature.vocabulary_size, (rows, feature.length)).astype("int32")
                values[np.arange(feature.length) >= random.integers(1, feature.length + 1, (rows, 1))] = 0
            elif feature.traits.dtype == "uint8":
                values = random.integers(0, 256, (rows, *feature.input_shape)).astype("uint8")
            elif feature.kind == "categorical":
                values = random.integers(0, 4, (rows, feature.length)).astype("int32")
            elif feature.kind == "boxes":
                corners = np.sort(random.random((rows, feature.length, 2, 2)), axis=2).reshape(rows, -1, 4)
                ids = random.integers(0, 3, (rows, feature.length, feature.box_width - 4))
                values = np.concatenate([corners, ids], axis=-1).astype("float32")
            else:
                values = random.normal(size=(rows, *feature.input_shape)).astype("float32")
            batch[feature.name] = values
            batch[f"{feature.name}_present"] = random.random(rows) < present
        # A captioner reads the start and the words before the one that it tells.
        for task in schema.tasks:
            if task.type == "captioning":
                batch[task.name] = random.integers(4, task.vocabulary_size, (rows, task.length - 1)).astype("int32")
                batch[task.name][:, 0] = 2
        return batch

    return make


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def low_precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param.removeprefix("mixed_")
    keras.config.set_dtype_policy(before)
