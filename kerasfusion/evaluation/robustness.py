"""How a score falls as inputs go missing or get noisy, as MultiBench measures it (arXiv 2107.07502)."""

import dataclasses

import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.integrate import trapezoid

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.data.tf_options import PARALLEL_CALLS, PREFETCHED
from kerasfusion.evaluation.corruptions import CORRUPTIONS
from kerasfusion.evaluation.predict import BATCH_SIZE, postprocess, predict_classes
from kerasfusion.evaluation.scores import row_terms

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
REFERENCE = "late average"


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """Curves and what they amount to.

    Args:
        curves: DataFrame with `task`, `corruption`, `degree` (0 to 1), `model`, `metric`, `value` and `n`, the rows
            scored.
        summary: DataFrame with `task`, `corruption`, `model`, `metric`, `relative`, `effective` and `reference`, the
            model that it is measured against; without another model both are missing.
    """

    curves: pd.DataFrame
    summary: pd.DataFrame


def robustness_curves(models, examples, severities=SEVERITIES, corruptions=CORRUPTIONS, seed=0):
    """Score models on ever worse inputs.

    Every model gets the same rows dropped, the same words masked and the same noise. With `f(σ)` the score at
    severity σ, and areas taken by trapezoids over σ from 0 to 1:

    - relative robustness is the area under `f`: the mean score on the way from clean inputs to spoiled ones;
    - effective robustness is the area between `f` and `β(σ) = g(σ) + f(0) - g(0)`, with `g` the late average, moved
      so that both are alike on clean inputs: what is kept beyond what such an average would keep. It is above 0
      where the model is the more robust one (of an error, too, which counts downwards).

    These are MultiBench's two measures, which it sums over eleven severities and then rescales so that the best of
    its methods gets 1 and the worst 0; areas are in the score's own unit and need no others to compare with.

    Args:
        models: dict name -> plain model. The one called `"late average"` is the reference, else the best of the
            others on clean inputs.
        examples: Labelled `Examples`.
        severities: From 0 to 1, rising.
        corruptions: What to try; those that touch none of the features are left out.
        seed: Seed of what is dropped, masked and added.

    Returns:
        Robustness

    Raises:
        ValueError: Severities that do not rise from 0 to 1.

    Example:

    ```python
    found = kf.evaluation.robustness_curves({"fused": run.model}, data.splits["test"])
    print(found.summary)
    ```
    """
    severities = [float(severity) for severity in severities]
    if len(severities) < 2 or (severities[0], severities[-1]) != (0.0, 1.0) or (np.diff(severities) <= 0).any():
        raise ValueError(f"Severities must rise from 0 to 1, which {severities} do not.")
    clean = {name: _scores(model, examples) for name, model in models.items()}
    rows = []
    for corruption in corruptions:
        if not examples.schema.of_kind(corruption.kind):
            continue
        for name, model in models.items():
            touched = any(feature.name in model.input for feature in examples.schema.of_kind(corruption.kind))
            for degree in severities:
                found = clean[name]
                if touched and degree > 0:
                    found = _scores(model, examples, corruption, degree, seed)
                where = {"corruption": corruption.name, "degree": degree, "model": name}
                rows += [{**where, **score} for score in found]
    curves = pd.DataFrame(rows)[["task", "corruption", "degree", "model", "metric", "value", "n"]]
    return Robustness(curves, _summary(curves))


def _scores(model, examples, corruption=None, degree=0.0, seed=0):
    """The model's main score for each task: list of dicts `task`, `metric`, `value`, `n`."""
    schema = examples.schema
    inputs = type(schema)(tuple(f for f in schema.features if f.name in model.input), schema.tasks)
    batches = BatchedDataset(examples.with_features(inputs), BATCH_SIZE).dataset().map(lambda x, *_: x)
    if corruption is not None:
        features = inputs.of_kind(corruption.kind)
        numbers = tf.data.Dataset.range(len(examples), output_type=tf.int32)
        # The batch's number is part of the seed: the same noise for every model and in every call.
        batches = tf.data.Dataset.zip(numbers, batches).map(
            lambda i, x: corruption.apply(x, features, degree, tf.stack([seed, 100 * i])),
            num_parallel_calls=PARALLEL_CALLS,
        )
    found = postprocess(model, model.predict(batches.prefetch(PREFETCHED), verbose=0))
    scores = []
    for task in schema.tasks:
        labelled = examples.weights[task.name] > 0
        decided = predict_classes(task, found[task.name])[labelled]
        metric, top, bottom = row_terms(task, examples.labels[task.name][labelled], decided)
        value = float(top.sum() / max(bottom.sum(), 1e-12))
        scores.append({"task": task.name, "metric": metric, "value": value, "n": int(labelled.sum())})
    return scores


def _summary(curves):
    rows = []
    for (task, corruption, metric), part in curves.groupby(["task", "corruption", "metric"], sort=False):
        values = part.pivot(index="degree", columns="model", values="value")[part["model"].unique()]
        sign = -1 if metric == "mae" else 1
        others = values.columns[1:]
        reference = REFERENCE if REFERENCE in others else None
        if reference is None and len(others):
            reference = (sign * values.iloc[0][others]).idxmax()
        # How far each has fallen since clean inputs.
        fallen = values - values.iloc[0]
        for name, own in values.items():
            effective = None
            if reference is not None:
                effective = sign * float(trapezoid(fallen[name] - fallen[reference], values.index))
            row = {"task": task, "corruption": corruption, "model": name, "metric": metric}
            row.update(relative=float(trapezoid(own, values.index)), effective=effective, reference=reference)
            rows.append(row)
    return pd.DataFrame(rows)
