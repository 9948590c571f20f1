"""Knowledge distillation, including cross-modal distillation from a teacher with more modalities."""

import dataclasses

import keras
import numpy as np

from kerasfusion.data.examples import encode_rows
from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.heads import build_head
from kerasfusion.losses import DistillationLoss
from kerasfusion.models import FusionModel, TrainingWrapper
from kerasfusion.schema import Schema, Task
from kerasfusion.transfer.features import extract_features, feature_extractor

# Names of the tasks that the teacher adds to the examples.
LOGITS = "{}_by_teacher"
FEATURES = "features_of_teacher"


@keras.saving.register_keras_serializable("kerasfusion")
class DistilledHead(keras.layers.Layer):
    """Head that passes the student's logits through to a `DistillationLoss` against the teacher's logits.

    Args:
        temperature: float, see `DistillationLoss`.
        mutually_exclusive: Whether classes are mutually exclusive, see `DistillationLoss`.
    """

    def __init__(self, temperature, mutually_exclusive, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.temperature = temperature
        self.mutually_exclusive = mutually_exclusive

    def call(self, logits):
        return logits

    def loss(self):
        return DistillationLoss(self.temperature, self.mutually_exclusive)

    def metrics_for(self):
        # Logits and probabilities have the same argmax.
        return [keras.metrics.CategoricalAccuracy(name="agreement")] if self.mutually_exclusive else []

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "mutually_exclusive": self.mutually_exclusive,
        }


class DistillationTrainer(TrainingWrapper):
    """Training wrapper that adds outputs for the teacher's logits and features to a student.

    Args:
        model: The student, or a training wrapper of it.
        heads: Dict of new task -> `(task, DistilledHead)`, the task whose logits the head receives.
        hints: Dict of new task -> `(layer, head)`: a built head on the pooled output of an encoder, or on the fused
            representation of a `FusionModel`. Its weights are not part of the student. Defaults to `None`.

    Raises:
        ValueError: If the layer of a hint is neither an encoder nor the fusion of the student.

    Example:

    ```python
    wrapper = DistillationTrainer(student, {"by_teacher": ("label", DistilledHead(4.0, True))})
    ```
    """

    def __init__(self, model, heads, hints=None):
        super().__init__(model, name=f"{model.name}_taught")
        self.distilled, self.hints = dict(heads), dict(hints or {})
        plain, self.places = self.plain, {}
        if self.hints:
            encoders = getattr(plain, "encoders", {})
            self.places = {encoder.name: feature for feature, encoder in encoders.items()}
            known = {*self.places, getattr(getattr(plain, "fusion", None), "name", None)}
            wrong = [layer for layer, _ in self.hints.values() if layer not in known]
            if wrong or not isinstance(plain, FusionModel):
                raise ValueError(
                    f"Features can be distilled into an encoder or the fusion of a FusionModel. Received: {wrong}"
                )

    @property
    def heads(self):
        return {**super().heads, **{name: head for name, (_, head) in (self.distilled | self.hints).items()}}

    def predict_encoded(self, encoded, inputs):
        outputs = super().predict_encoded(encoded, inputs)
        more = {name: head(outputs[task]) for name, (task, head) in self.distilled.items()}
        for name, (layer, head) in self.hints.items():
            if layer in self.places:
                features = encoded[self.places[layer]]["pooled"]
            else:
                features = self.plain.fuse(encoded, self.presence(inputs))
            more[name] = head(features)
        return {**outputs, **more}


def distill(student, teacher, splits, schema=None, temperature=4.0, alpha=0.5, features=None):
    """Wrap a student for distillation (arXiv:1503.02531) and add the teacher's outputs to the rows as labels.

    The teacher is evaluated once per row, before training, with all of its modalities; the student gets only its own.
    (`keras.distillation` evaluates the teacher in every step, on the student's inputs, and does not support sample
    weights.) Rows without labels contribute too. If the teacher has another vocabulary or image size, rows are
    encoded for it accordingly.

    Args:
        student: A plain model. Training the wrapper trains it; it is saved and exported alone.
        teacher: A trained plain model that shares a task with the student. It may have more modalities.
        splits: List of `Examples`, training and validation, with the features of both models.
        schema: `Schema` of the teacher. Defaults to `None`, that of the splits.
        temperature: float, temperature of the logits, see `kf.losses.DistillationLoss`. Defaults to `4.0`.
        alpha: float, weight of the teacher in the loss; the labels have weight `1 - alpha`. Defaults to `0.5`.
        features: tuple `(student layer, teacher layer)`. A dense layer on the first is trained to predict the
            features of the second (FitNets, arXiv:1412.6550), with weight `alpha`. It is not part of the student.
            Defaults to `None`.

    Returns:
        tuple: `DistillationTrainer` of the student, with an additional task per distilled task, and the list of
        `Examples` to train it on.

    Raises:
        ValueError: If the classes differ, the models share no task, the rows lack a feature of the teacher, there is
            no such layer, or `alpha` is not in (0, 1].

    Example:

    ```python
    student = kf.create_model("image_only", data.schema.only("image"))
    wrapper, splits = kf.transfer.distill(student, run.model, [data.splits["train"], data.splits["validation"]])
    kf.training.fit(wrapper, *splits, kf.training.TrainingConfig(), "runs/student")
    student.save("student.keras")
    ```
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"distill: alpha must be in (0, 1]. Received: alpha={alpha}")
    own = splits[0].schema
    schema = schema or own
    orders = teachable_classes(teacher, schema, own, features is None)
    targets, seen = [{} for _ in splits], encode_for_teacher(teacher, schema, splits)
    heads, hints, more = {}, {}, []
    if orders:
        for split, found in zip(seen, targets, strict=True):
            logits = predict_logits(teacher, split)
            found.update({LOGITS.format(name): logits[name][:, order] for name, order in orders.items()})
    for task in (own[name] for name in orders):
        name = LOGITS.format(task.name)
        head = DistilledHead(temperature, task.link == "softmax", name=f"head_{name}")
        heads[name] = (task.name, head)
        more.append(Task(name, "embedding_regression", "", classes=task.classes[-task.outputs :]))
    if features is not None:
        ours, theirs = features
        for split, found in zip(seen, targets, strict=True):
            found[FEATURES] = extract_features(teacher, theirs, split)
        known = targets[0][FEATURES]
        names = tuple(f"{theirs}_{i}" for i in range(known.shape[1]))
        more.append(
            Task(FEATURES, "embedding_regression", "", names, mean=float(known.mean()), std=float(known.std()))
        )
        head = build_head(more[-1])
        head.build(feature_extractor(student, ours).output["features"].shape)
        hints[FEATURES] = (ours, head)
    kept = tuple(dataclasses.replace(task, weight=task.weight * (1 - alpha)) for task in own.tasks)
    both = Schema(own.features, (*kept, *(dataclasses.replace(task, weight=alpha) for task in more)))
    rows = [
        dataclasses.replace(
            split,
            schema=both,
            labels={**split.labels, **found},
            weights={**split.weights, **{name: np.ones(len(split), "float32") for name in found}},
        )
        for split, found in zip(splits, targets, strict=True)
    ]
    return DistillationTrainer(student, heads, hints), rows


def teachable_classes(teacher, schema, own, needed=True):
    """Find the tasks that a teacher shares with the student, and the order of their classes.

    Args:
        teacher: A trained plain model.
        schema: `Schema` of the teacher.
        own: `Schema` of the rows.
        needed: Whether to raise if there is no common task. Defaults to `True`.

    Returns:
        Dict of task -> list with the index of each of the student's classes in the teacher's logits.

    Raises:
        ValueError: If there is no common task, classes differ, or the rows lack an input of the teacher.
    """
    for theirs in schema.features:
        if theirs.name not in teacher.input:
            continue
        ours = next((f for f in own.features if (f.name, f.kind) == (theirs.name, theirs.kind)), None)
        if ours is None:
            kinds = ", ".join(f"{feature.name} ({feature.kind})" for feature in own.features)
            raise ValueError(
                f"The teacher {teacher.name} needs {theirs.name!r} ({theirs.kind}), which the rows lack. They have "
                f"{kinds}."
            )
        if theirs.traits.joint and theirs.columns != ours.columns:
            raise ValueError(
                f"The columns of {theirs.name!r} must be {', '.join(theirs.columns)} for the teacher {teacher.name}. "
                f"Received: {', '.join(ours.columns)}"
            )
    tasks = [task for task in own.tasks if task.link in ("softmax", "sigmoid") and task.name in teacher.output]
    if needed and not tasks:
        gives, learns = (
            ", ".join(f"{task.name} ({task.type})" for task in each.tasks) or "none" for each in (schema, own)
        )
        raise ValueError(
            f"The teacher {teacher.name} with the tasks {gives} shares no task with a student of {learns}. Classes "
            "or tags of a task with the same name can be distilled."
        )
    return {task.name: _order(schema[task.name], task) for task in tasks}


def encode_for_teacher(teacher, schema, splits):
    """Encode rows with the vocabulary and image size of the teacher's `Schema`; `splits` itself if they are equal.

    Numeric features are unchanged.
    """
    own = splits[0].schema
    differ = [
        theirs
        for theirs in (_read_from(theirs, own) for theirs in schema.features if theirs.name in teacher.input)
        if theirs != own[theirs.name]
    ]
    if not differ:
        return splits
    texts = Schema([feature for feature in differ if not feature.traits.stored], ())
    stored = {feature.name: feature for feature in differ if feature.traits.stored}
    # The splits of a table share an image store.
    shared = {id(bank): (bank, name) for split in splits for name, bank in split.banks.items() if name in stored}
    banks = {key: bank.for_feature(stored[name]) for key, (bank, name) in shared.items()}
    return [
        dataclasses.replace(
            split,
            arrays={**split.arrays, **encode_rows(split.frame, texts, {}, {}, with_labels=False).arrays},
            banks={name: banks.get(id(bank), bank) for name, bank in split.banks.items()},
        )
        for split in splits
    ]


def _read_from(theirs, own):
    """A teacher's feature, read from the rows' own columns with the rows' own statistics."""
    ours = own[theirs.name]
    return dataclasses.replace(theirs, columns=ours.columns, mean=ours.mean, std=ours.std)


def _order(theirs, ours):
    """Index of each of the student's classes among the teacher's."""
    if (theirs.type, set(theirs.classes)) != (ours.type, set(ours.classes)):
        lacking, further = sorted({*ours.classes} - {*theirs.classes}), sorted({*theirs.classes} - {*ours.classes})
        raise ValueError(
            f"The task {theirs.name!r} ({theirs.type}) of the teacher differs from that of the student "
            f"({ours.type}). Classes that only the student has: {lacking or 'none'}; only the teacher: "
            f"{further or 'none'}."
        )
    if ours.outputs == 1:
        if theirs.classes != ours.classes:
            order = f"{theirs.classes} for the teacher and {ours.classes} for the student"
            raise ValueError(
                f"The classes of {ours.name!r} are {order}. The order must be equal: negative first, positive second."
            )
        return [0]
    return [theirs.classes.index(name) for name in ours.classes]
