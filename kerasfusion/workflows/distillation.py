import dataclasses
import hashlib

from kerasfusion.training import from_preset
from kerasfusion.transfer import distill
from kerasfusion.transfer.distillation import teachable_classes


class Teacher:
    """A run that another training learns from, beside the labels.

    Args:
        distillation: A `DistillationConfig`.
        data: The student's `Data`.

    Attributes:
        config: What the student's `config.json` says of it. By the hash of its weights an interrupted training finds
            out whether it is still the same.

    Raises:
        FileNotFoundError: the folder is no run.
        ValueError: the run has other tasks or classes, or needs what the data lacks.
    """

    def __init__(self, distillation, data):
        self.run = from_preset(distillation.teacher)
        teachable_classes(self.run.model, self.run.schema, data.schema)
        weights = hashlib.sha256((self.run.path / "model.keras").read_bytes()).hexdigest()
        self.config = {
            "run": str(distillation.teacher),
            "weight": distillation.weight,
            "temperature": distillation.temperature,
            "sha256": weights,
        }

    def __str__(self):
        inputs = (f.name for f in self.run.schema.features if f.name in self.run.model.input)
        return f"Teacher {self.run.path}: {self.run.config['model']} of {', '.join(inputs)}"

    def teach(self, student, splits):
        """The student's training wrapper and its rows, as from `kf.transfer.distill`."""
        weight, temperature = self.config["weight"], self.config["temperature"]
        return distill(student, self.run.model, splits, self.run.schema, temperature, weight)

    def noted(self, data):
        """The data, with a note where the teacher may know the labels that the student is tested on."""
        if self.run.config.get("data", {}).get("train") == data.splits["train"].fingerprint():
            return data
        note = (
            f"Whether the teacher {self.run.path} learned from rows of this test split is not known: it was trained "
            "on other rows, on another split, or with other settings of reading them."
        )
        return dataclasses.replace(data, notes=[*data.notes, note])
