"""Interactions of users and items: read from a table, and split by time."""

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, listed, place
from kerasfusion.data.skipped_rows import SkippedRows, skipped_rows
from kerasfusion.data.table import is_missing, read_table
from kerasfusion.data.times import read_times

SPLITS = ("train", "validation", "test")


def read_interactions(source, *, user, item, time, items=None):
    """Read a table in which each row says that a user watched, bought or rated an item.

    Of several rows of one user and item the first in time is kept. Left out and counted are the others, and rows of
    items that are not in `items`.

    Args:
        source: A table as for `load`.
        user: Column of user ids.
        item: Column of item ids.
        time: Column of times: numbers, or dates that pandas reads.
        items: Optional ids of all items that there are.

    Returns:
        tuple: a DataFrame with the columns `user`, `item` and `time`, sorted by user and time, and the `SkippedRows`.

    Raises:
        DataError: A column is missing, a cell has no id or no time, or no row is left.

    Example:

    ```python
    ratings, skipped = kf.data.read_interactions("ratings.csv", user="userId", item="movieId", time="timestamp")
    ```
    """
    frame = read_table(source)
    name = frame.attrs.get("source", "table")
    for column in (user, item, time):
        if column not in frame.columns:
            raise DataError(f"{name} has no column {column!r}; it has {listed(frame.columns)[1:-1]}.")
    for column in (user, item):
        empty = is_missing(frame[column]).to_numpy()
        if empty.any():
            where = place(frame, int(empty.argmax()), column)
            raise DataError(f"{where}: there is no id ({empty.sum():,} such rows). Fill it in or delete the row.")
    times = read_times(frame, time)
    found = pd.DataFrame({"user": frame[user], "item": frame[item], "time": times, "row": np.arange(len(frame))})
    found = found.sort_values(["user", "time", "row"], kind="stable", ignore_index=False)
    skipped, kept = SkippedRows(), np.ones(len(found), bool)
    if items is not None:
        kept = found["item"].isin(items).to_numpy()
        skipped += skipped_rows("item not among the items", found[~kept], "item")
    again = found.duplicated(["user", "item"]).to_numpy() & kept
    skipped += skipped_rows("user and item again", found[again], "item")
    found = found[kept & ~again].drop(columns="row")
    if found.empty:
        raise DataError(f"{name}: no row is left.\n{skipped}")
    return found, skipped


def split_by_time(interactions, validation=0.1, test=0.2):
    """Split each user's interactions by time: the last of them test, those before validate, the first train.

    A user with few of them keeps at least one in training. Ties keep the order of the rows.

    Args:
        interactions: What `read_interactions` returned.
        validation: float, share of a user's interactions.
        test: float, likewise.

    Returns:
        `(n,)` array of `"train"`, `"validation"` and `"test"`.

    Raises:
        ValueError: Shares that leave nothing to train on.

    Example:

    ```python
    train = ratings[kf.data.split_by_time(ratings) == "train"]
    ```
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ValueError(f"Shares must be at least 0 and less than 1 in all, not {validation} and {test}.")
    users = interactions.groupby("user", sort=False)["user"]
    place, count = users.cumcount().to_numpy(), users.transform("size").to_numpy()
    # Rounded down: with two interactions the first trains and the second tests.
    ends = np.maximum(np.floor(count * (1 - validation - test) + 1e-9), 1), np.floor(count * (1 - test) + 1e-9)
    part = (place >= ends[0]).astype(int) + ((place >= ends[0]) & (place >= ends[1]))
    return np.array(SPLITS)[part]
