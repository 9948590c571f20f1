"""A data set that was loaded: its schema and its rows by split."""

import dataclasses
import typing

import numpy as np

from kerasfusion.data.clean import SkippedRows
from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.examples import Examples
from kerasfusion.schema import Schema


class Setting(typing.NamedTuple):
    """One setting of a data set, inferred or given.

    Args:
        name: What it is, such as `"image size"`.
        value: Its value, for people.
        reason: Why it has that value.
        option: The command line's option that changes it.
    """

    name: str
    value: str
    reason: str
    option: str


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """A data set: what it holds, and its rows by split.

    Args:
        schema: Features and tasks, with all that was learned from the training split.
        splits: `{"train": Examples, "validation": Examples, "test": Examples}`.
        columns: The role of each column and how it was found.
        skipped: Rows that could not be used.
        notes: Sentences that a reader of the results should know.
        source: Name of the table.
        settings: The `Setting`s: everything that was inferred or set.
        image_sizes: Image feature -> int32 `(images, 2)`, height and width of each image of its bank as it came.
        arguments: What `load` was called with, by name.
    """

    schema: Schema
    splits: dict[str, Examples]
    columns: ColumnRoles
    skipped: SkippedRows
    notes: list[str]
    source: str
    settings: list[Setting]
    image_sizes: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    arguments: dict = dataclasses.field(default_factory=dict)

    @property
    def texts_per_image(self):
        """Mean number of training rows that show the same image; 0 when there is no single image column."""
        index = list(self.splits["train"].images.values())
        if len(index) != 1 or not (index[0] >= 0).any():
            return 0.0
        shown = index[0][index[0] >= 0]
        return len(shown) / len(np.unique(shown))
