"""Where rules come from: a file of them, or facts in a table."""

import dataclasses
from pathlib import Path

from kerasfusion.data.errors import DataError, nearest, place, source_of
from kerasfusion.data.labels import value_name
from kerasfusion.data.table import is_missing, read_table


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule in words.

    Args:
        text: See `Rules` for the words.
        where: Where it stands, for messages: a line of a file, a cell of a table.
    """

    text: str
    where: str = ""

    def __str__(self):
        return f"{self.text} ({self.where})" if self.where else self.text


def quoted(name):
    """A name as it stands in a rule."""
    if '"' in name:
        raise DataError(f"The name {name!r} cannot stand in a rule: it has a double quote in it.")
    return f'"{name}"'


def read_rules(path):
    """Rules of a text file: one in each line; empty lines and what follows a `#` at a line's start are passed over.

    Args:
        path: The file, UTF-8.

    Returns:
        List of `Rule`.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        Rule(line.strip(), f"{path.name}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]


def rules_from_table(table, key, closed_world=False):
    """What a table says of things, as rules: `"part=P01" implies "color=red"` for each filled cell.

    Args:
        table: A file (see `kf.data.load`) or a DataFrame. A column is a task of the schema, a cell one of its
            classes, or several divided by `|`, one of which holds.
        key: The column that names the thing.
        closed_world: The table has every thing there is, so `"color=red"` implies one of those that are, or may be,
            red.

    Returns:
        List of `Rule`, each with its row and column.

    Raises:
        DataError: there is no such column, or a key cell is empty.

    Example:

    ```python
    rules = kf.reasoning.Rules(data.schema, kf.reasoning.rules_from_table("parts.csv", key="part", closed_world=True))
    ```
    """
    table = _read(table, key)
    things, rules = _cells(table, key), []
    if None in things:
        raise DataError(f"{place(table, things.index(None), key)} is empty: it says what the row is about.")
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
    """A hierarchy of predicates as rules: `"poodle" implies "dog"` for each row.

    Args:
        table: A file or a DataFrame.
        child: Column of the narrower predicate.
        parent: Column of the wider one.

    Returns:
        List of `Rule`, each with its row.

    Raises:
        DataError: there is no such column, or a cell is empty.
    """
    table = _read(table, child, parent)
    rules = []
    for i, pair in enumerate(zip(_cells(table, child), _cells(table, parent), strict=True)):
        if None in pair:
            raise DataError(f"{place(table, i, (child, parent)[pair.index(None)])} is empty.")
        rules.append(Rule(f"{quoted(pair[0])} implies {quoted(pair[1])}", place(table, i)))
    return rules


def _cells(table, column):
    """Names as the labels' classes have them, None for an empty cell."""
    return [None if no else value_name(v) for v, no in zip(table[column], is_missing(table[column]), strict=True)]


def _read(source, *needed):
    table = read_table(source)
    for column in needed:
        if column not in table.columns:
            near = nearest(column, table.columns)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {list(table.columns)}."
            raise DataError(f"{source_of(table)} has no column {column!r}{hint}")
    return table
