"""What is in the rows of a data set: counts, lengths, sizes, ranges, gaps and repeats, as plain JSON for a report."""

import numpy as np
import pandas as pd

from kerasfusion.data.labels import read_numbers
from kerasfusion.data.summaries import describe_texts, value_range
from kerasfusion.data.tasks import TASKS

MOST_SIZES = 8


def profile_splits(splits, image_sizes=None):
    """Describe the rows of a data set, split by split.

    Args:
        splits: Split name -> `Examples` of one schema and the same banks.
        image_sizes: Image feature -> int32 `(images in the bank, 2)`, heights and widths in pixels of the images
            as they came, 0 where unknown. None: sizes are left out.

    Returns:
        dict of JSON values. `rows`: split -> count. `labels`, `text`, `image`, `numbers`: what each task, feature or
        numeric column holds. `missing`: feature -> split -> count. `repeats`: how many rows have the inputs of an
        earlier row, and by task how many have inputs that also occur with another label.

    Example:

    ```python
    profile_splits(data.splits, data.image_sizes)["labels"]["label"]["counts"]["train"]  # [40, 38, 42]
    ```
    """
    schema = next(iter(splits.values())).schema
    columns = [column for feature in schema.of_kind("numeric") for column in feature.columns]
    return {
        "rows": {name: len(split) for name, split in splits.items()},
        # Of a match the label is the row's own image.
        "labels": {
            task.name: {"type": task.type, **TASKS[task.type].profile(task, splits)}
            for task in schema.tasks
            if TASKS[task.type].profiled
        },
        "text": {feature.name: _text(feature, splits) for feature in schema.of_kind("text")},
        "image": {
            feature.name: _image(feature, splits, (image_sizes or {}).get(feature.name))
            for feature in schema.of_kind("image")
        },
        "numeric": {
            column: {name: value_range(read_numbers(split.frame, column)) for name, split in splits.items()}
            for column in columns
        },
        "missing": {
            feature.name: {name: int(_missing(feature, split).sum()) for name, split in splits.items()}
            for feature in schema.features
        },
        "repeats": _repeats(schema, splits),
    }


def _text(feature, splits):
    texts = {name: split.raw(feature) for name, split in splits.items()}
    ids = {name: split.text[feature.name] for name, split in splits.items()}
    return describe_texts(texts, ids, len(feature.vocabulary), feature.length)


def _image(feature, splits, sizes):
    found = {"size": list(feature.size), "images": {}, "rows_per_image": {}}
    shown = {name: split.images[feature.name] for name, split in splits.items()}
    for name, index in shown.items():
        counts = np.unique(index[index >= 0], return_counts=True)[1]
        found["images"][name] = len(counts)
        found["rows_per_image"][name] = value_range(counts)
    if sizes is not None:
        used = np.unique(np.concatenate(list(shown.values())))
        sizes = sizes[used[used >= 0]]
        distinct, counts = np.unique(sizes[sizes[:, 0] > 0], axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        found["distinct_sizes"] = len(distinct)
        found["sizes"] = [[*map(int, distinct[i]), int(counts[i])] for i in order[:MOST_SIZES]]
        found["height"], found["width"] = (value_range(sizes[sizes[:, 0] > 0][:, axis]) for axis in (0, 1))
    return found


def _missing(feature, split):
    if feature.kind == "text":
        return split.frame[feature.columns[0]].isna().to_numpy()
    if feature.kind == "image":
        return split.images[feature.name] < 0
    return ~split.numeric_present[feature.name]


def _repeats(schema, splits):
    """Rows with the same inputs, over all splits together."""
    inputs = [_inputs(schema, split) for split in splits.values()]
    group = pd.concat(inputs, ignore_index=True).groupby(list(inputs[0]), dropna=False, sort=False).ngroup()
    found = {"rows": int(group.duplicated().sum()), "other_label": {}}
    for task in schema.tasks:
        if not TASKS[task.type].one_answer:
            continue
        labels = np.concatenate([split.labels[task.name] for split in splits.values()])
        known = np.concatenate([split.weights[task.name] for split in splits.values()]) > 0
        pairs = pd.DataFrame({"group": group, "label": np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)})
        answers = pairs[known].groupby("group")["label"].transform("nunique")
        found["other_label"][task.name] = int((answers > 1).sum())
    return found


def _inputs(schema, split):
    cells = []
    for feature in schema.features:
        if feature.kind == "text":
            cells.append(split.raw(feature))
        elif feature.kind == "image":
            cells.append(split.images[feature.name])
        else:
            cells += [read_numbers(split.frame, column) for column in feature.columns]
    # By place: a column of numbers may be called like another feature.
    return pd.DataFrame(dict(enumerate(cells)))
