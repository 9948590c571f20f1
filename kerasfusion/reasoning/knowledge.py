"""Read rules from text files and tables."""

import dataclasses
from pathlib import Path

from kerasfusion.data.errors import DataError, nearest, place, source_of
from kerasfusion.data.labels import value_name
from kerasfusion.data.table import is_missing, read_table


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule as text.

    Args:
        text: Rule in the syntax of `Rules`.
        where: Source of the rule for error messages: a line of a file or a cell of a table. Defaults to `""`.
    """

    text: str
    where: str = ""

    def __str__(self):
        return f"{self.text} ({self.where})" if self.where else self.text


def quoted(name):
    """Quote a name for use in a rule."""
    if '"' in name:
        raise DataError(f"The name {name!r} cannot be used in a rule, because it contains a double quote.")
    return f'"{name}"'


def read_rules(path):
    """Read rules from a text file with one rule per line. Empty lines and lines that start with `#` are skipped.

    Args:
        path: Path of the file, in UTF-8.

    Returns:
        List of `Rule`.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, kf.reasoning.read_rules("rules.txt"))
    ```
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        Rule(line.strip(), f"{path.name}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]


def rules_from_table(table, key, closed_world=False):
    """Convert a table of facts to rules: `"part=P01" implies "color=red"` for each filled cell.

    Args:
        table: Path of a table (see `kf.data.load`) or a DataFrame. Columns are tasks of the schema; a cell is a
            class, or several alternatives separated by `|`.
        key: Name of the column that identifies the row.
        closed_world: Whether the table is complete, so that `"color=red"` implies one of the rows that are, or may
            be, red. Defaults to `False`.

    Returns:
        List of `Rule`, each with its row and column.

    Raises:
        DataError: If there is no such column, or a key cell is empty.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, kf.reasoning.rules_from_table("parts.csv", key="part", closed_world=True))
    ```
    """
    table = _read(table, key)
    things, rules = _cells(table, key), []
    if None in things:
        raise DataError(f"{place(table, things.index(None), key)} is empty; the key column must be filled.")
    things = [quoted(f"{key}={thing}") for thing in things]
    for column in table.columns.drop(key):
        cells = [
            None if cell is None else [quoted(f"{column}={value.strip()}") for value in cell.split("|")]
            for cell in _cells(table, column)
        ]
        for i, cell in enumerate(cells):
            if cell is not None:
                rules.append(Rule(f"{things[i]} implies {' or '.join(cell)}", place(table, i, column)))
        if closed_world:
            where = f"{source_of(table)}, column {column!r}, no other rows"
            for value in dict.fromkeys(value for cell in cells for value in cell or ()):
                may_be = [thing for thing, cell in zip(things, cells, strict=True) if cell is None or value in cell]
                rules.append(Rule(f"{value} implies {' or '.join(may_be)}", where))
    return rules


def rules_from_hierarchy(table, child="child", parent="parent"):
    """Convert a hierarchy to rules: `"poodle" implies "dog"` for each row.

    Args:
        table: Path of a table or a DataFrame.
        child: Column of the more specific predicate. Defaults to `"child"`.
        parent: Column of the more general predicate. Defaults to `"parent"`.

    Returns:
        List of `Rule`, each with its row.

    Raises:
        DataError: If there is no such column, or a cell is empty.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, kf.reasoning.rules_from_hierarchy("breeds.csv"))
    ```
    """
    table = _read(table, child, parent)
    rules = []
    for i, pair in enumerate(zip(_cells(table, child), _cells(table, parent), strict=True)):
        if None in pair:
            raise DataError(f"{place(table, i, (child, parent)[pair.index(None)])} is empty.")
        rules.append(Rule(f"{quoted(pair[0])} implies {quoted(pair[1])}", place(table, i)))
    return rules


def _cells(table, column):
    """Cells as class names, `None` for an empty cell."""
    return [None if no else value_name(v) for v, no in zip(table[column], is_missing(table[column]), strict=True)]


def _read(source, *needed):
    table = read_table(source)
    for column in needed:
        if column not in table.columns:
            near = nearest(column, table.columns)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {list(table.columns)}."
            raise DataError(f"{source_of(table)} has no column {column!r}{hint}")
    return table
