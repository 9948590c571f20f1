import keras
import numpy as np
import pytest

from kerasfusion.data import Feature, Schema, Task


@pytest.fixture(autouse=True)
def seeds():
    keras.utils.set_random_seed(0)


@pytest.fixture
def schema():
    """A text of 6 ids out of 13, a picture of 16 x 16, three classes."""
    return Schema(
        (
            Feature("text", "text", ("description",), length=6, vocabulary=tuple("abcdefghi")),
            Feature("image", "image", ("photo",), size=(16, 16)),
        ),
        (Task("label", "classes", "species", classes=("cat", "cow", "dog")),),
    )


@pytest.fixture
def batch():
    """An image-major batch of 4 pictures with 3 texts each, some missing or padding: x, y, w."""
    random = np.random.default_rng(0)
    x = {
        "text": random.integers(1, 13, (4, 3, 6)).astype("int32"),
        "text_present": np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]], bool),
        "image": random.integers(0, 256, (4, 16, 16, 3)).astype("uint8"),
        "image_present": np.array([1, 0, 1, 1], bool),
    }
    y = {"label": random.integers(0, 3, (4, 3)).astype("int32")}
    w = {"label": np.array([[1, 1, 0], [1, 2, 1], [1, 0, 0], [1, 1, 0.5]], "float32")}
    return x, y, w


@pytest.fixture
def rows(batch):
    """The same as plain rows: 12 texts, each with its picture."""
    x, y, w = batch
    plain = {name: value.reshape(12, *value.shape[2:]) for name, value in x.items() if name.startswith("text")}
    plain.update({name: np.repeat(value, 3, axis=0) for name, value in x.items() if name.startswith("image")})
    return plain, {"label": y["label"].reshape(12)}, {"label": w["label"].reshape(12)}
