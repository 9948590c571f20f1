"""What was left out of a table, and why."""

import dataclasses

from kerasfusion.data.errors import short

EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class SkippedRows:
    """What was left out of a table, and why.

    Args:
        counts: Reason -> number of rows.
        examples: Reason -> the first three `(row, column, value)`; rows count from 1 as in the table.

    Example:
    ```python
    frame, skipped = clean_rows(frame, columns)
    print(skipped + Skipped({"not an image": 1}, {"not an image": [(7, "photo", "cat.png")]}))
    # 3 rows:
    #   2 x label missing: row 4, column 'species' (nan); row 9, column 'species' ('')
    #   1 x not an image: row 7, column 'photo' ('cat.png')
    ```
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    examples: dict[str, list[tuple]] = dataclasses.field(default_factory=dict)

    @property
    def total(self):
        """Number of rows, over all reasons."""
        return sum(self.counts.values())

    def __bool__(self):
        return self.total > 0

    def __add__(self, other):
        reasons = [*self.counts, *(r for r in other.counts if r not in self.counts)]
        return SkippedRows(
            {r: self.counts.get(r, 0) + other.counts.get(r, 0) for r in reasons},
            {r: [*self.examples.get(r, []), *other.examples.get(r, [])][:EXAMPLES] for r in reasons},
        )

    def __str__(self):
        lines = [f"{self.total:,} row{'' if self.total == 1 else 's'}{':' if self else ''}"]
        for reason, count in self.counts.items():
            examples = self.examples.get(reason, [])
            shown = [f"row {row}, column {column!r} ({short(value)})" for row, column, value in examples]
            lines.append(f"  {count:,} x {reason}{': ' if shown else ''}{'; '.join(shown)}")
        return "\n".join(lines)


def skipped_rows(reason, rows, column):
    """A `SkippedRows` of these rows, with the cells of a column as examples."""
    if not len(rows):
        return SkippedRows()
    first = rows[column].head(EXAMPLES)
    return SkippedRows({reason: len(rows)}, {reason: [(int(i) + 1, column, value) for i, value in first.items()]})
