"""What a caption means as a vector, for the context term of the fused loss."""

import dataclasses
from pathlib import Path

import numpy as np

from kerasfusion.encoders import load_word_vectors
from kerasfusion.models import get_tower
from kerasfusion.preprocessing.text import text_vectorizer
from kerasfusion.schema import SPECIAL_TOKENS, Task
from kerasfusion.training import Run, load

TASK = "context"
BATCH_SIZE = 256


def add_caption_embeddings(data, source, context_weight=1.0, caption_weight=1.0):
    """Captions with their sentence vectors: what a captioner's fused representation is to be near to.

    The vector of each caption is made once, by something that training does not change, and becomes a second task:
    `L = context_weight · L_context + caption_weight · L_caption`. Both terms stand in the run's history.

    Args:
        data: `Data` whose task is a caption.
        source: A file of word vectors (see `kf.encoders.load_word_vectors`): the mean over a caption's words; or the
            `Run` of a dual encoder, or its folder: what its text branch makes of the caption.
        context_weight: α.
        caption_weight: β.

    Returns:
        Data: the same with a further task `"context"` of type `"embedding_regression"`. Its vectors have the
            mean of the training
        captions taken off and length 1; a caption of unknown words alone has none, and its weight is 0.

    Raises:
        ValueError: the data has no captions, `source` has none of their words, or the run is no dual encoder.

    Example:

    ```python
    data = kf.data.load("photos.jsonl", label="captions", problem_type="captioning")
    run = kf.train(add_caption_embeddings(data, "glove.txt", context_weight=0.5), "fusion_transformer")
    ```
    """
    if data.schema.of_type("captioning") != data.schema.tasks or len(data.schema.tasks) != 1:
        raise ValueError(
            f"add_caption_embeddings is for captions; the tasks are "
            f"{[f'{t.name} ({t.type})' for t in data.schema.tasks]}."
        )
    (task,) = data.schema.tasks
    vectors = _by_run(data, source) if _is_run(source) else _by_words(data, source)
    mean = vectors["train"][0][vectors["train"][1]].mean(axis=0)
    labels, weights = {}, {}
    for name, (found, known) in vectors.items():
        found = found - mean
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        labels[name] = found.astype("float32")
        weights[name] = data.splits[name].weights[task.name] * known
    names = tuple(str(place) for place in range(len(mean)))
    context = Task(
        TASK, "embedding_regression", task.column, names, std=float(labels["train"].std()), weight=context_weight
    )
    schema = dataclasses.replace(data.schema, tasks=(dataclasses.replace(task, weight=caption_weight), context))
    splits = {
        name: dataclasses.replace(
            split,
            schema=schema,
            labels={**split.labels, TASK: labels[name]},
            weights={**split.weights, TASK: weights[name].astype("float32")},
        )
        for name, split in data.splits.items()
    }
    return dataclasses.replace(data, schema=schema, splits=splits)


def _is_run(source):
    return isinstance(source, Run) or Path(source).is_dir()


def _by_words(data, path):
    """The mean vector of each caption's words, and whether the file has any of them, by split."""
    (task,) = data.schema.tasks
    vectors, found = load_word_vectors(path, task.vocabulary)
    vectors = np.concatenate([np.zeros((len(SPECIAL_TOKENS), vectors.shape[1])), vectors])
    found = np.concatenate([np.zeros(len(SPECIAL_TOKENS), bool), found])
    means = {}
    for name, split in data.splits.items():
        ids = split.labels[task.name]
        known = found[ids].sum(axis=1)
        means[name] = vectors[ids].sum(axis=1) / np.maximum(known, 1)[:, None], known > 0
    return means


def _by_run(data, run):
    """What a dual encoder's text branch makes of each caption, by split."""
    run = run if isinstance(run, Run) else load(run)
    if not run.schema.of_type("retrieval"):
        raise ValueError(f"{run.path} is no dual encoder: its tasks are {[t.type for t in run.schema.tasks]}.")
    (task,), (feature,) = data.schema.tasks, run.schema.of_kind("text")
    branch, vectorize = get_tower(run.model, feature), text_vectorizer(feature)
    found = {}
    for name, split in data.splits.items():
        ids = vectorize(split.frame[task.column].astype(str).to_numpy(object)).numpy().astype("int32")
        known = (ids != 0).any(axis=1)
        inputs = {feature.name: ids, f"{feature.name}_present": known}
        found[name] = branch.predict(inputs, batch_size=BATCH_SIZE, verbose=0), known
    return found
