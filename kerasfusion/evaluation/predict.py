"""From a model and rows to logits, and from logits to answers."""

import dataclasses
import functools

import numpy as np
import pandas as pd

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.data.row_loading import load_rows
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.models import TrainingWrapper, get_heads

BATCH_SIZE = 256


def predict_logits(model, examples):
    """Run the plain model over all rows, in order.

    With a `cache_dir` in the examples, frozen networks run once per image and text, whichever models ask for them.

    Args:
        model: A plain model.
        examples: `Examples`; features the model does not take are left out.

    Returns:
        dict task -> float32 array `(n, C)`.
    """
    examples = examples.with_features(restrict_schema(model, examples.schema))
    if examples.cache_dir is not None:
        (encoded,) = frozen_features(model, [examples])
        model, examples = (model, examples) if encoded is examples else (TrainingWrapper(model), encoded)
    batches = BatchedDataset(examples, BATCH_SIZE).dataset()
    return model.predict(batches.map(lambda x, *_: x), verbose=0)


def restrict_schema(model, schema):
    """A schema with those features alone that the model takes."""
    return dataclasses.replace(schema, features=[f for f in schema.features if f.name in model.input])


def postprocess(model, logits):
    """What the heads make of logits: dict task -> dict with `probabilities` `(n, C)` or `value` `(n,)`."""
    return {
        task: {key: np.asarray(value) for key, value in head.predictions(logits[task]).items()}
        for task, head in get_heads(model).items()
    }


def predict_classes(task, prediction):
    """The answer that a prediction gives, in the form of the label.

    Args:
        task: A `Task`.
        prediction: `probabilities` `(n, C)` or `value` `(n,)`.

    Returns:
        Array like the task's labels: int32 class numbers, float32 0/1, float32 multi-hot, or float32 values.
    """
    return TASKS[task.type].decide(prediction)


def decode_predictions(task, decided):
    """Decisions as people read them: class names, tags divided by `|`, or the numbers themselves."""
    return TASKS[task.type].decode(task, decided)


def predict_rows(model, schema, rows, image_dir=None, allow_external_paths=False, decide_together=None):
    """Predictions for raw rows.

    Args:
        model: A plain model.
        schema: Its schema.
        rows: A table file, a DataFrame or a list of dicts with the columns of the features that the model takes;
            labels are not needed.
        image_dir: Folder that relative image paths start from.
        allow_external_paths: Allow image paths that leave that folder.
        decide_together: What makes decisions of the predictions, dict task -> dict, for tasks that depend on one
            another (`kf.reasoning.constrained_decode`): dict task -> decisions. The tasks that it leaves out are
            decided alone.

    Returns:
        pandas.DataFrame: one row per row given, with `<task>`, `<task>_probability` (of the class decided for;
        not for tags and numbers), and `<image>_ok`, each by its `title`; `_2` follows one that is also another task's
        title. Of a match `similarity`, the cosine of image and text, NaN
        where one of the two is missing. Of a vector a column for each of its numbers. Of a caption what is written,
        greedily.
    """
    rows, schema = pd.DataFrame(rows) if isinstance(rows, list) else rows, restrict_schema(model, schema)
    examples, _ = load_rows(
        rows, schema, image_dir=image_dir, allow_external_paths=allow_external_paths, with_labels=False
    )
    titles, answer = {task.title for task in schema.tasks}, {}
    writers = [task for task in schema.tasks if TASKS[task.type].answers_alone]
    for task in writers:
        answer |= TASKS[task.type].write(model, examples, task)
    found = {} if writers else postprocess(model, predict_logits(model, examples))
    together = {} if decide_together is None else decide_together(found)
    for task in () if writers else schema.tasks:
        answer |= TASKS[task.type].columns(
            task, found[task.name], together.get(task.name), examples, functools.partial(_beside, titles)
        )
    for feature in schema.stored:
        answer[_beside(titles, f"{feature.title}_ok")] = examples.present[feature.name]
    return pd.DataFrame(answer)


def _beside(titles, name):
    """A column's name that is no task's title."""
    while name in titles:
        name += "_2"
    return name
