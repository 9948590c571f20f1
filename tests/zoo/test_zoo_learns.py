"""Every fusion learns to look: what a briefly trained model answers depends on the image."""

import keras
import numpy as np
import pytest

from kerasfusion.fusion import FUSIONS
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.zoo import create_model

SIZE = 48
CELLS = ("a", "b", "c", "d")
COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220)}
SCHEMA = Schema(
    features=(
        Feature("text", "text", ("question",), length=2, vocabulary=("color", *CELLS)),
        Feature("image", "image", ("photo",), size=(SIZE, SIZE)),
    ),
    tasks=(Task("label", "multiclass", "answer", classes=tuple(COLORS)),),
)
# By default one fusion whose tanh saturates where nothing is normalized; the others take a minute.
FIRST = "multiply"


def questions(rows, seed):
    """Images of 2 x 2 colored squares on a white ground, and the color that one of them has."""
    random = np.random.default_rng(seed)
    colors, asked = random.integers(3, size=(rows, 4)), random.integers(4, size=rows)
    image = np.full((rows, SIZE, SIZE, 3), 255, "uint8")
    for cell in range(4):
        top, left = 24 * (cell // 2) + 9, 24 * (cell % 2) + 9
        image[:, top : top + 6, left : left + 6] = np.array(list(COLORS.values()))[colors[:, cell], None, None]
    text = np.stack([np.full(rows, 4), 5 + asked], axis=1).astype("int32")
    there = np.ones(rows, bool)
    inputs = {"text": text, "image": image, "text_present": there, "image_present": there}
    return inputs, colors[np.arange(rows), asked]


def learn(fusion, steps=300):
    """Accuracy of a briefly trained model on new images, and with the images shuffled among the questions."""
    model = create_model(f"vqa_{fusion}", SCHEMA, units=32)
    model.compile(
        keras.optimizers.Adam(3e-3, clipnorm=1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    inputs, labels = questions(32 * steps, seed=0)
    model.fit(inputs, {"label": labels}, batch_size=32, verbose=0)
    inputs, labels = questions(400, seed=1)
    shuffled = {**inputs, "image": np.roll(inputs["image"], 1, axis=0)}
    return [np.mean(np.argmax(model.predict(x, verbose=0)["label"], axis=1) == labels) for x in (inputs, shuffled)]


@pytest.mark.parametrize(
    "fusion", [pytest.param(f, marks=[] if f == FIRST else [pytest.mark.every_model]) for f in FUSIONS]
)
def test_the_image_matters_after_a_little_training(fusion):
    accuracy, shuffled = learn(fusion)
    assert accuracy > 0.6 and shuffled < 0.45, (accuracy, shuffled)
