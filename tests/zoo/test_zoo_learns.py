"""Every fusion learns to look: what a briefly trained model answers depends on the image."""

import keras
import numpy as np
import pytest

from kerasfusion.fusion import FUSIONS
from kerasfusion.models import fusion_model
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


def learn(fusion, steps, **encoder):
    """Accuracy of a briefly trained model on new images, and with the images shuffled among the questions."""
    image_encoder = {
        "name": "residual_cnn",
        "filters": (8, 16, 16),
        "num_blocks": 0,
        "coordinates": True,
        "batch_renorm": True,
        "pooling": "max",
        **encoder,
    }
    text_encoder = {"name": "average", "activation": None}
    model = fusion_model(SCHEMA, text_encoder, image_encoder, fusion, units=16)
    model.compile(
        keras.optimizers.Adam(3e-3, clipnorm=1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    inputs, labels = questions(32 * steps, seed=0)
    model.fit(inputs, {"label": labels}, batch_size=32, verbose=0)
    inputs, labels = questions(400, seed=1)
    shuffled = {**inputs, "image": np.roll(inputs["image"], 1, axis=0)}
    return [np.mean(np.argmax(model.predict(x, verbose=0)["label"], axis=1) == labels) for x in (inputs, shuffled)]


@pytest.mark.every_model
@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_image_matters_after_a_little_training(fusion):
    accuracy, shuffled = learn(fusion, steps=600)
    assert accuracy > 0.5 and shuffled < 0.42, (accuracy, shuffled)


@pytest.mark.every_model
def test_without_normalization_the_image_does_not_matter():
    accuracy, shuffled = learn("multiply", steps=300, batch_norm=False, batch_renorm=False)
    assert max(accuracy, shuffled) < 0.42, (accuracy, shuffled)


def test_pooled_vectors_of_the_shared_encoder_differ_between_images():
    encoder = create_model("vqa_gated", SCHEMA).encoders["image"]
    inputs, _ = questions(16, seed=0)
    for _ in range(20):
        pooled = np.array(encoder(inputs["image"], training=True)["pooled"])
    spread = np.linalg.norm(pooled - pooled.mean(axis=0), axis=1).mean()
    # 0.02 without normalization: a tanh behind them saturates before it sees a difference.
    assert spread > 0.2 * np.linalg.norm(pooled, axis=1).mean()
