"""Knowledge distillation, also from a teacher with more modalities than its student."""

import dataclasses

import keras
import numpy as np

from kerasfusion.data.examples import encode_rows
from kerasfusion.data.image_store import ImageStore
from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.heads import build_head
from kerasfusion.losses import DistillationLoss
from kerasfusion.models import FusionModel, TrainingWrapper
from kerasfusion.schema import Schema, Task
from kerasfusion.transfer.features import extract_features, feature_extractor

# What the teacher's parts of the examples are called.
LOGITS = "{}_by_teacher"
FEATURES = "features_of_teacher"


@keras.saving.register_keras_serializable("kerasfusion")
class DistilledHead(keras.layers.Layer):
    """A second output of a student's head, the same logits, whose loss is `DistillationLoss` of the teacher's.

    Args:
        temperature: See `DistillationLoss`.
        mutually_exclusive: See `DistillationLoss`.
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
        # The largest of logits is that of the probabilities.
        return [keras.metrics.CategoricalAccuracy(name="agreement")] if self.mutually_exclusive else []

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "mutually_exclusive": self.mutually_exclusive,
        }


class DistillationTrainer(TrainingWrapper):
    """Train a student to give what its teacher gives, beside its labels: its outputs have further tasks.

    Args:
        model: The student, or a training wrapper of it.
        heads: dict new task -> `(task, DistilledHead)`: the logits of that task, for another loss.
        hints: dict new task -> `(layer, head)`: a head on an encoder's pooled vector or on the fused representation
            of a `FusionModel`, given as a built layer. Its weights are no part of the student.

    Raises:
        ValueError: a hint's layer is neither an encoder nor the fusion of the student.

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
                raise ValueError(f"Features are taught to an encoder or the fusion of a FusionModel, not to {wrong}.")

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
    """Wrap a student for training by a teacher, and add to the rows what the teacher says of them.

    The teacher sees each row once, before training, and with all of its modalities; the student sees those that it
    takes. (`keras.distillation` calls the teacher in every step, on the student's own inputs, and knows no weights of
    rows.) Rows without labels teach too. A teacher with other words or another size of images gets the rows as it
    was trained to read them.

    Args:
        student: A plain model; training the wrapper trains it, and it is saved and exported alone.
        teacher: A trained plain model with some of the student's tasks. It may have more modalities.
        splits: List of `Examples`: those to train and to validate on, with the features of both.
        schema: The teacher's `Schema`; None means that of the splits.
        temperature: Of the logits, see `kf.losses.DistillationLoss`.
        alpha: Weight of the teacher in the loss; the labels have the rest.
        features: `(student's layer, teacher's layer)`: a dense layer behind the first learns to give the second's
            features as well (FitNets, arXiv 1412.6550), with the same weight. It is no part of the student.

    Returns:
        tuple: a `DistillationTrainer` of the student, with one task more for each that is taught, and the list of
        `Examples` for it.

    Raises:
        ValueError: the teacher knows other classes than the student, shares no task with it, or needs what the rows
            lack; no such layer; or an `alpha` outside (0, 1].

    Example:

    ```python
    student = kf.create_model("image_only", data.schema.only("image"))
    wrapper, splits = kf.transfer.distill(student, run.model, [data.splits["train"], data.splits["validation"]])
    kf.training.fit(wrapper, *splits, kf.training.TrainingConfig(), "runs/student")
    student.save("student.keras")
    ```
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"distill: alpha must be in (0, 1], not {alpha}.")
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
    """Which tasks a teacher can teach, and where it has each of the student's classes.

    Args:
        teacher: A trained plain model.
        schema: Its `Schema`.
        own: The `Schema` of the rows.
        needed: Having no task in common is an error.

    Returns:
        dict task -> list of places among the teacher's logits.

    Raises:
        ValueError: no task in common, other classes, or an input that the rows lack.
    """
    for theirs in schema.features:
        if theirs.name not in teacher.input:
            continue
        ours = next((f for f in own.features if (f.name, f.kind) == (theirs.name, theirs.kind)), None)
        if ours is None:
            kinds = ", ".join(f"{feature.name} ({feature.kind})" for feature in own.features)
            raise ValueError(
                f"The teacher {teacher.name} needs {theirs.name!r} ({theirs.kind}), which the rows lack; they have "
                f"{kinds}."
            )
        if theirs.kind == "numeric" and theirs.columns != ours.columns:
            raise ValueError(
                f"The teacher {teacher.name} takes the columns {', '.join(theirs.columns)} as {theirs.name!r}, and "
                f"the rows have {', '.join(ours.columns)}."
            )
    tasks = [task for task in own.tasks if task.link in ("softmax", "sigmoid") and task.name in teacher.output]
    if needed and not tasks:
        gives, learns = (
            ", ".join(f"{task.name} ({task.type})" for task in each.tasks) or "none" for each in (schema, own)
        )
        raise ValueError(
            f"The teacher {teacher.name} has the tasks {gives} and teaches nothing to a student of {learns}: classes "
            "or tags of the same name can be taught."
        )
    return {task.name: _order(schema[task.name], task) for task in tasks}


def encode_for_teacher(teacher, schema, splits):
    """The same rows with the words and the images' size of the teacher's `Schema`; `splits` where they are its own.

    Its numbers are the rows' own.
    """
    own = splits[0].schema
    differ = [
        dataclasses.replace(theirs, columns=own[theirs.name].columns)
        for theirs in schema.features
        if theirs.name in teacher.input
        and any(getattr(own[theirs.name], what) != getattr(theirs, what) for what in ("size", "length", "vocabulary"))
    ]
    if not differ:
        return splits
    texts = Schema([feature for feature in differ if feature.kind == "text"], ())
    sizes = {feature.name: feature.size for feature in differ if feature.kind == "image"}
    # Splits of one table share their images.
    shared = {id(bank): (bank, name) for split in splits for name, bank in split.banks.items() if name in sizes}
    banks = {key: ImageStore(bank.keys, sizes[name]) for key, (bank, name) in shared.items()}
    return [
        dataclasses.replace(
            split,
            text={**split.text, **encode_rows(split.frame, texts, {}, {}, with_labels=False).text},
            banks={name: banks.get(id(bank), bank) for name, bank in split.banks.items()},
        )
        for split in splits
    ]


def _order(theirs, ours):
    """Places of the student's classes among the teacher's."""
    if (theirs.type, set(theirs.classes)) != (ours.type, set(ours.classes)):
        lacking, further = sorted({*ours.classes} - {*theirs.classes}), sorted({*theirs.classes} - {*ours.classes})
        raise ValueError(
            f"The teacher's {theirs.name!r} ({theirs.type}) is not the student's ({ours.type}); of its classes the "
            f"teacher lacks {lacking or 'none'}, and knows besides {further or 'none'}."
        )
    if ours.outputs == 1:
        if theirs.classes != ours.classes:
            order = f"{theirs.classes} for the teacher and {ours.classes} for the student"
            raise ValueError(f"{ours.name!r} is {order}: negative first, positive second.")
        return [0]
    return [theirs.classes.index(name) for name in ours.classes]
