"""Labels that are one class of several: `binary` and `multiclass`."""

import numpy as np

from kerasfusion.data.errors import DataError, short, source_of
from kerasfusion.data.labels import factorize_names, listed_names, refuse_unknown, sorted_names
from kerasfusion.data.tasks.base import LabelType, count_classes, labelled

# (negative, positive), lower case. Pairs of numbers need no entry: they are in the order of their size.
NATURAL_PAIRS = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("absent", "present"),
    ("off", "on"),
    ("normal", "abnormal"),
    ("healthy", "sick"),
    ("benign", "malignant"),
    ("ham", "spam"),
    ("incorrect", "correct"),
    ("wrong", "right"),
    ("bad", "good"),
)


class OneClass(LabelType):
    """int32 `(n,)`: places among the classes' sorted names, -1 where the label is missing."""

    def encode(self, frame, column, classes=None):
        codes, names = factorize_names(frame[column])
        if classes is None:
            classes = self.order(frame, column, sorted_names(set(names)))
        place_of = {name: i for i, name in enumerate(classes)}
        refuse_unknown(frame, column, codes, [[name] for name in names], place_of)
        # A code of -1 (missing) reads the last entry.
        return np.asarray([*(place_of[n] for n in names), -1], "int32")[codes], tuple(classes)

    def order(self, frame, column, found):
        """The classes in the order of the logits, of their sorted names."""
        if len(found) < 2:
            one = f"only one class, {short(found[0])}," if found else "no label"
            raise DataError(f"{source_of(frame)}: {one} in column {column!r}: nothing to learn.")
        return found

    def missing(self, values):
        return values < 0

    def profile(self, task, splits):
        kept = labelled(task, splits)
        return count_classes(
            task, {name: np.bincount(v.astype(int), minlength=len(task.classes)) for name, v in kept.items()}
        )


class Binary(OneClass):
    """float32 `(n,)`: 0 for the negative class and 1 for the positive, NaN where the label is missing."""

    def encode(self, frame, column, classes=None):
        values, classes = super().encode(frame, column, classes)
        return np.where(values < 0, np.nan, values).astype("float32"), classes

    def order(self, frame, column, found):
        found = super().order(frame, column, found)
        if len(found) > 2:
            raise DataError(
                f"{source_of(frame)}: column {column!r} has {len(found)} values "
                f"({listed_names(found)}), so it is not binary. Use problem_type 'multiclass'."
            )
        for negative, positive in NATURAL_PAIRS:
            if sorted(n.lower() for n in found) == sorted((negative, positive)):
                return tuple(sorted(found, key=lambda n: n.lower() == positive))
        return found

    def missing(self, values):
        return np.isnan(values)
