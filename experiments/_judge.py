"""The visual question answering model that tells what generated images show (tutorial 14)."""

import keras
import numpy as np
import pandas as pd
from _shapes import draw_labelled_shapes

import kerasfusion as kf
from kerasfusion.preprocessing import text_vectorizer

QUESTIONS = {
    "size": "how large is it",
    "color": "what color is it",
    "shape": "what shape is it",
    "place": "where is it",
}
ATTRIBUTES = tuple(QUESTIONS)


class Judge:
    """A model that answers `QUESTIONS`, trained on real images that show all pairs of color and shape.

    Args:
        sizes: dict split -> number of images.
        arguments: What `_common.parse` returned.
    """

    def __init__(self, sizes, arguments):
        test = sizes[arguments.on]
        shapes = draw_labelled_shapes({"train": sizes["train"], "validation": test, "test": test})
        rows = [shapes[["image", "split"]].assign(question=q, answer=shapes[name]) for name, q in QUESTIONS.items()]
        roles = {"image": "image", "text": "question", "label": "answer", "split": "split"}
        data = kf.data.load(pd.concat(rows, ignore_index=True), **roles, image_size=32)
        keras.utils.set_random_seed(0)
        cnn = {"name": "small_cnn", "filters": (16, 32, 64), "flatten": True}
        self.model = kf.models.fusion_model(data.schema, "average", cnn, "concat", units=128, name="judge")
        config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, batch_size=256, patience=None)
        splits = data.splits["train"], data.splits["validation"]
        kf.training.fit(self.model, *splits, config, arguments.output_dir, verbose=0)
        self.schema = data.schema

    def answers(self, images):
        """Return dict attribute -> array `(n,)` of values, for uint8 images `(n, 32, 32, 3)`."""
        present = np.ones(len(images), bool)
        classes, answers = np.array(self.schema["label"].classes), {}
        for name, question in QUESTIONS.items():
            ids = np.tile(text_vectorizer(self.schema["text"])([question]), (len(images), 1)).astype("int32")
            batch = {"image": images, "image_present": present, "text": ids, "text_present": present}
            answers[name] = classes[self.model.predict(batch, verbose=0)["label"].argmax(axis=1)]
        return answers

    def is_right(self, images, truth):
        """Return dict attribute -> bool `(n,)`: whether each image shows what its row of `truth` says."""
        return {name: answer == truth[name].to_numpy() for name, answer in self.answers(images).items()}
