"""Fit the linear path of a model after its network, and choose how much of it the predictions take."""

import dataclasses
import functools

import numpy as np
from scipy import sparse

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.evaluation.calibration import fit_temperature
from kerasfusion.evaluation.frozen_features import pooled_features
from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.models import get_heads
from kerasfusion.training.ridge import MixedColumns, fit_ridge

# Strengths of the regularization. The validation split chooses one; of equal scores the first.
STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1)
# Of equal scores, the share closest to one half.
SHARES = sorted((tenth / 10 for tenth in range(11)), key=lambda share: abs(share - 0.5))
# A random choice stands for more rows than this.
MOST_ROWS = 8_000
BATCH_SIZE = 1024
# A regression on zeros and ones gives numbers between about 0 and 1: times this, they are of the size of logits.
LOGITS = 10.0


def fit_linear_path(model, train, validation):
    """Fit the linear path of a trained model by ridge regression, and its share in the predictions.

    N-grams are weighted by their inverse document frequency; where all tasks are binary, also by their naive Bayes
    log-count ratio ("Baselines and Bigrams", Wang & Manning, 2012). The validation split chooses the strength of the
    regularization, the temperature that makes probabilities of the regression's outputs, and the share, by the score
    of the mixture: 0 is the network alone, 1 the linear model.

    Args:
        model: A trained plain model. Save it afterwards: the path is part of it.
        train: `Examples` with labels.
        validation: `Examples` with labels.

    Returns:
        dict: task -> share of the linear model; empty for a model without a linear path.

    Example:

    ```python
    kf.training.fit_linear_path(model, data.splits["train"], data.splits["validation"])  # {"label": 0.4}
    model.save("model.keras")
    ```
    """
    path = getattr(model, "linear", None)
    if path is None:
        return {}
    train = _some_rows(train, path.outputs)
    path.shares.assign(np.zeros(len(path.outputs)))
    network = predict_logits(model, validation)
    known, held_out = _read_columns(model, path, train, validation)
    kernels, biases, shares = [], [], {}
    for name, width in path.outputs.items():
        task, head = train.schema[name], get_heads(model)[name]
        rows, checked = (np.flatnonzero(split.weights[name] > 0) for split in (train, validation))
        kernel, bias, share = np.zeros((known.width, width), "float32"), np.zeros(width, "float32"), 0.0
        if len(rows) and len(checked):
            labels, weights = validation.labels[name][checked], validation.weights[name][checked]
            kernel, bias = _fit(
                task,
                head,
                (known.take(rows), train.labels[name][rows], train.weights[name][rows]),
                (held_out.take(checked), labels, weights),
            )
            both = np.stack([network[name][checked], held_out.take(checked).apply(kernel) + bias])
            share = max(SHARES, key=lambda share: _score(task, head, labels, _mixed(head, both, share)))
        kernels.append(kernel)
        biases.append(bias)
        shares[name] = share
    _assign(path, np.concatenate(kernels, axis=1), np.concatenate(biases), list(shares.values()))
    return shares


def _fit(task, head, train, validation):
    """Kernel and bias of the strength that scores best on the validation rows."""
    columns, labels, weights = train
    checked, its_labels, its_weights = validation
    best = None
    for kernel, bias in fit_ridge(columns, _targets(task, labels), weights, STRENGTHS):
        kernel, bias = _as_logits(task, kernel, bias)
        logits = checked.apply(kernel) + bias
        score = _score(task, head, its_labels, logits)
        if best is None or score > best[0]:
            best = score, kernel, bias, logits
    _, kernel, bias, logits = best
    temperature = fit_temperature(task, its_labels, logits, its_weights) if task.has_probabilities else 1.0
    return kernel / temperature, bias / temperature


def _targets(task, labels):
    """What the regression predicts: float32 `(n, outputs)`."""
    if task.one_class and task.outputs > 1:
        return np.eye(task.outputs, dtype="float32")[labels.astype(int)]
    return labels.reshape(len(labels), task.outputs).astype("float32")


def _as_logits(task, kernel, bias):
    """Kernel and bias of logits, from those that predict `_targets`."""
    if not task.has_probabilities:
        return kernel, bias
    middle = 0.5 if task.link == "sigmoid" else 0.0
    return LOGITS * kernel, LOGITS * (bias - middle)


def _mixed(head, both, share):
    return np.array(head.average(both, np.array([1 - share, share], "float32")[:, None, None]))


def _score(task, head, labels, logits):
    """The task's main score, higher for the better."""
    predictions = {key: np.array(value) for key, value in head.predictions(logits).items()}
    name, top, bottom = TASKS[task.type].row_terms(labels, TASKS[task.type].decide(predictions))
    score = top.sum() / max(bottom.sum(), 1)
    return -score if name == "mae" else score


def _some_rows(examples, tasks):
    """The rows with a label, or a random choice of them."""
    labelled = np.flatnonzero(np.any([examples.weights[name] > 0 for name in tasks], axis=0))
    if len(labelled) > MOST_ROWS:
        labelled = np.sort(np.random.default_rng(0).choice(labelled, MOST_ROWS, replace=False))
    return examples.take(labelled)


def _read_columns(model, path, *splits):
    """What the path's kernels are applied to: `MixedColumns` of each split. Term weights come from the first."""
    looked_up, vectors = [[] for _ in splits], [[] for _ in splits]
    for name in path.ngram_kernels:
        path.term_weights[name].assign(np.ones(path.buckets + 1))
        path.term_weights[name].assign(_weigh_terms(path, _count_ngrams(path, name, splits[0]) > 0, splits[0]))
        for part, split in zip(looked_up, splits, strict=True):
            part.append(_count_ngrams(path, name, split))
    for name, kernel in path.category_kernels.items():
        for part, split in zip(looked_up, splits, strict=True):
            part.append(_count(functools.partial(path.weigh_categories, name), kernel.shape[0], name, split))
    for name in path.feature_kernels:
        found = pooled_features(model.encoders[name], splits[0].schema[name], list(splits))
        for part, (features, present, places) in zip(vectors, found, strict=True):
            part.append(np.array(path.scale_features(features, present))[places])
    for name in path.statistic_kernels:
        found = [_describe(model.encoders[name], name, split) for split in splits]
        _standardize(path, name, found[0])
        for part, (statistics, present) in zip(vectors, found, strict=True):
            part.append(np.array(path.scale_statistics(name, statistics, present)))
    empty = [np.zeros((len(split), 0), "float32") for split in splits]
    return [
        MixedColumns(sparse.hstack([sparse.csr_matrix(none), *a]).tocsr(), np.concatenate([none, *b], axis=1))
        for none, a, b in zip(empty, looked_up, vectors, strict=True)
    ]


def _describe(encoder, name, examples):
    """The statistics of a feature of each row, float32 `(n, d)`, and whether it is there, bool `(n,)`."""
    schema = type(examples.schema)((examples.schema[name],), ())
    batches = BatchedDataset(dataclasses.replace(examples, schema=schema, labels={}), BATCH_SIZE).dataset()
    found = [(np.array(encoder.describe(x[name])), x[f"{name}_present"].numpy()) for x in batches]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _standardize(path, name, described):
    """Set the mean and the deviation of each statistic over the rows that have it."""
    statistics, present = described
    known = np.isfinite(statistics) & present[:, None]
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, statistics, 0.0).sum(axis=0, dtype="float64") / count
    deviation = np.sqrt((np.where(known, statistics - mean, 0.0) ** 2).sum(axis=0) / count)
    path.centers[name].assign(mean)
    # A smaller one is rounding.
    path.scales[name].assign(np.where(deviation > 1e-7 * np.abs(mean), deviation, 1.0))


def _weigh_terms(path, occurs, examples):
    """Weight of each n-gram, `(buckets + 1,)`: IDF, for binary tasks times the size of the log-count ratio.

    Args:
        path: The `LinearPath`.
        occurs: Sparse bool `(n, buckets + 1)`.
        examples: The `Examples` of these rows.
    """
    counts = np.asarray(occurs.sum(axis=0))[0]
    weights = np.log((1 + len(examples)) / (1 + counts)) + 1
    tasks = [examples.schema[name] for name in path.outputs]
    if not all(task.one_class and task.outputs == 1 for task in tasks):
        return weights
    squares = []
    for name in path.outputs:
        shares = []
        for number in (0, 1):
            rows = (examples.weights[name] > 0) & (examples.labels[name] == number)
            counts = 1 + np.asarray(occurs[rows].sum(axis=0))[0]
            shares.append(counts / counts.sum())
        squares.append(np.log(shares[1] / shares[0]) ** 2)
    return weights * np.sqrt(np.mean(squares, axis=0))


def _count_ngrams(path, name, examples):
    """Weights of the n-grams of a text feature: sparse float32 `(n, buckets + 1)`."""
    return _count(functools.partial(path.weigh_ngrams, name), path.buckets + 1, name, examples)


def _count(weigh, width, name, examples):
    """Weights of what a feature's ids stand for: sparse float32 `(n, width)`.

    Args:
        weigh: Function of ids that returns rows and weights.
        width: Number of rows of the kernel.
        name: The feature.
        examples: The `Examples`.
    """
    blocks = [sparse.csr_matrix((0, width), dtype="float32")]
    for start in range(0, len(examples), BATCH_SIZE):
        ids, there = (part[name][start : start + BATCH_SIZE] for part in (examples.arrays, examples.present))
        rows, weights = (np.array(value) for value in weigh(ids))
        weights, ends = weights * there[:, None], np.arange(len(rows) + 1) * rows.shape[1]
        block = sparse.csr_matrix((weights.ravel(), rows.ravel(), ends), shape=(len(rows), width))
        block.eliminate_zeros()
        blocks.append(block)
    return sparse.vstack(blocks).tocsr()


def _assign(path, kernel, bias, shares):
    start = 0
    # In the order of the columns.
    families = (path.ngram_kernels, path.category_kernels, path.feature_kernels, path.statistic_kernels)
    for weights in (kernel for family in families for kernel in family.values()):
        weights.assign(kernel[start : start + weights.shape[0]])
        start += weights.shape[0]
    path.bias.assign(bias)
    path.shares.assign(shares)
