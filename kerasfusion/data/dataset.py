"""A data set that was loaded: its schema and its rows by split."""

import dataclasses

import numpy as np

from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.examples import Examples
from kerasfusion.data.settings import Setting
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.schema import Schema


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
        train = self.splits["train"]
        index = [train.arrays[name] for name in train.banks]
        if len(index) != 1 or not (index[0] >= 0).any():
            return 0.0
        shown = index[0][index[0] >= 0]
        return len(shown) / len(np.unique(shown))
