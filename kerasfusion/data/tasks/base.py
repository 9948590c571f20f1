"""What the data layer does with the labels of one task type."""

import numpy as np


class LabelType:
    """Base class of the registry's entries: labels that are read from one column of a table.

    A label that is missing has weight 0; `encode` marks it with NaN, int labels with -1.
    """

    # Name of the only task of the type.
    default_name = "label"
    # Whether the decoder reads the label, shifted by one token (teacher forcing).
    read_shifted = False
    # Whether the report describes the labels.
    profiled = True
    # Whether rows of equal inputs should have equal labels.
    one_answer = True

    def encode(self, frame, column, classes=None):
        """The column as an array and the names of its classes.

        Args:
            frame: A frame from `read_table`.
            column: The label's column.
            classes: Names and order of the classes; None learns them.

        Returns:
            tuple: the array, as in `Examples.labels`, and a tuple of names.
        """
        raise NotImplementedError

    def missing(self, values):
        """Which encoded labels are missing: bool `(n,)`."""
        return np.isnan(values).reshape(len(values), -1).any(axis=1)

    def fit(self, task, values):
        """The task with what is learned from the training split's labels."""
        return task

    def strata(self, values):
        """Per row a rank of what splits are balanced by, the rarest 0."""
        _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
        return np.argsort(np.argsort(counts, kind="stable"))[code]

    def profile(self, task, splits):
        """What the report says of the labels, as JSON.

        Args:
            task: A `Task`.
            splits: dict name -> `Examples`.
        """
        raise NotImplementedError

    def label_rows(self, task, frame, schema, arrays):
        """Labels and weights of the rows of a table.

        Args:
            task: A `Task`.
            frame: The table.
            schema: Its `Schema`.
            arrays: dict feature -> array, as in `Examples`.

        Returns:
            tuple: the labels, 0 where they are missing, and float32 weights `(n,)`.
        """
        values, _ = self.encode(frame, task.column, task.classes)
        missing = self.missing(values)
        labels = np.where(missing.reshape(-1, *(1,) * (values.ndim - 1)), 0, values).astype(values.dtype)
        return labels, np.where(missing, 0.0, 1.0).astype("float32")


def labelled(task, splits):
    """The labels of each split's rows that have one."""
    return {name: split.labels[task.name][split.weights[task.name] > 0] for name, split in splits.items()}


def count_classes(task, counts):
    """The profile of labels with classes: names, and how often each occurs in each split."""
    counts = {name: [int(count) for count in values] for name, values in counts.items()}
    return {"classes": list(task.classes), "counts": counts}
