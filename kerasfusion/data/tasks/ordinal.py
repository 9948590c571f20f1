"""Labels that are one of several ordered classes."""

from kerasfusion.data.errors import DataError, listed, source_of
from kerasfusion.data.tasks.one_class import OneClass


class Ordinal(OneClass):
    """int32 `(n,)`: places in the order, -1 where the label is missing.

    Classes that are numbers are ordered by value; of others the order must be given.
    """

    def order(self, frame, column, found):
        found = super().order(frame, column, found)
        try:
            return tuple(sorted(found, key=float))
        except ValueError:
            raise DataError(
                f"{source_of(frame)}: the classes of column {column!r} are not numbers, so their order is unknown. "
                f"Give it, the lowest first (classes=[…], --classes): {listed(found)}."
            ) from None
