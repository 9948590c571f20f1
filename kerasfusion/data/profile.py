"""What is in the rows of a data set: counts, lengths, sizes, ranges, gaps and repeats, as plain JSON for a report."""

import numpy as np
import pandas as pd

from kerasfusion.data.features import FEATURES
from kerasfusion.data.tasks import TASKS
from kerasfusion.feature_kinds import KINDS


def profile_splits(splits, image_sizes=None):
    """Describe the rows of a data set, split by split.

    Args:
        splits: Split name -> `Examples` of one schema and the same banks.
        image_sizes: Image feature -> int32 `(images in the bank, 2)`, heights and widths in pixels of the images
            as they came, 0 where unknown. None: sizes are left out.

    Returns:
        dict of JSON values. `rows`: split -> count. `labels`, `text`, `image`, `numeric`: what each task, feature or
        numeric column holds. `missing`: feature -> split -> count. `repeats`: how many rows have the inputs of an
        earlier row, and by task how many have inputs that also occur with another label.

    Example:

    ```python
    profile_splits(data.splits, data.image_sizes)["labels"]["label"]["counts"]["train"]  # [40, 38, 42]
    ```
    """
    schema = next(iter(splits.values())).schema
    return {
        "rows": {name: len(split) for name, split in splits.items()},
        # Of a match the label is the row's own image.
        "labels": {
            task.name: {"type": task.type, **TASKS[task.type].profile(task, splits)}
            for task in schema.tasks
            if TASKS[task.type].profiled
        },
        **{kind: _cells(schema.of_kind(kind), splits, image_sizes or {}) for kind in KINDS},
        "missing": {
            feature.name: {
                name: int(FEATURES[feature.kind].lacking(feature, split).sum()) for name, split in splits.items()
            }
            for feature in schema.features
        },
        "repeats": _repeats(schema, splits),
    }


def _cells(features, splits, sizes):
    found = {}
    for feature in features:
        found |= FEATURES[feature.kind].profile(feature, splits, sizes.get(feature.name))
    return found


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
    cells = [cell for feature in schema.features for cell in FEATURES[feature.kind].cells(feature, split)]
    # By place: a column of numbers may be called like another feature.
    return pd.DataFrame({place: np.asarray(cell) for place, cell in enumerate(cells)})
