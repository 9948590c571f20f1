"""Train, validation and test: by the table's own column, or cut so that what belongs together stays so."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kerasfusion.data.column_roles import SPLITS
from kerasfusion.data.errors import DataError, nearest, place, short, source_of
from kerasfusion.data.labels import value_name
from kerasfusion.data.tasks import TASKS

NAMES = ("train", "validation", "test")
FEWEST_ROWS = 10


def make_splits(frame, columns, groups=None, labels=None, seed=0, fractions=(0.8, 0.1, 0.1)):
    """Say which rows train, which validate and which test.

    The table's split column decides where there is one; what it lacks is cut from its training rows. Rows
    that share a value of the group column or an image, or are linked by a chain of such rows, are never cut
    apart. The cut follows the first label: every class (tag, tenth of the range of a number) is dealt out in
    the same proportions, the rarest first.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.
        groups: A list of integer arrays (number of rows,), equal values belonging together and -1 alone: the
            `row_index` of every image column.
        labels: Label column -> values from `encode_labels`. None: the cut does not look at labels.
        seed: Seed of the shuffle.
        fractions: Shares of train, validation and test; 0 for none.

    Returns:
        `(splits, notes)`: `{"train": …, "validation": …, "test": …}` with sorted int64 row positions, and a
        list of sentences on what a reader of the results should know.

    Raises:
        DataError: There are too few rows, groups or labelled rows to split, or the split column holds unknown
            values.

    Example:
    ```python
    splits, notes = make_splits(frame, columns, groups=[images.row_index], labels={"species": values})
    train = frame.iloc[splits["train"]]
    ```
    """
    _check_size(frame, columns, labels or {}, fractions)
    component = _components(frame, columns.group, groups or [])
    strata = _strata(columns, labels or {}, len(frame))
    random = np.random.default_rng(seed)
    shares = dict(zip(NAMES, fractions, strict=True))
    notes = []
    if columns.split is None:
        assigned = _cut(np.arange(len(frame)), component, strata, shares, random, frame)
    else:
        assigned = _given_splits(frame, columns.split)
        notes += _straddling(frame, columns, assigned, component)
        train = np.flatnonzero(assigned == "train")
        lacking = {n: shares[n] for n in NAMES[1:] if shares[n] > 0 and not (assigned == n).any()}
        if lacking:
            parts = {"train": 1 - sum(lacking.values()), **lacking}
            assigned[train] = _cut(train, component, strata, parts, random, frame)
            for name in lacking:
                notes.append(
                    f"{name}: {(assigned == name).sum():,} rows cut from train, as the column "
                    f"{columns.split!r} has none."
                )
    notes += _unseen_classes(frame, columns, labels or {}, assigned)
    notes += _lone_classes(frame, columns, labels or {}, assigned)
    return {name: np.flatnonzero(assigned == name) for name in NAMES}, notes


def _check_size(frame, columns, labels, fractions):
    source = source_of(frame)
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(f"The shares of train, validation and test must add up to 1, not {tuple(fractions)}.")
    if len(frame) < FEWEST_ROWS:
        raise DataError(
            f"{source}: {len(frame)} usable rows are too few to train and test. At least {FEWEST_ROWS} are "
            "needed, and at least 2 rows of each of two classes: add rows."
        )
    for column, values in labels.items():
        if column in columns.class_labels:
            counts = np.unique(values[values >= 0], return_counts=True)[1]
            if (counts >= 2).sum() < 2:
                biggest = ", ".join(str(c) for c in sorted(counts, reverse=True)[:5])
                raise DataError(
                    f"{source}, column {column!r}: at least 2 rows of each of two classes are needed; "
                    f"the {len(counts)} classes have {biggest} row(s). Add rows."
                )


def _components(frame, group, groups):
    """Per row the number of its component: rows that share any group's value, directly or through others."""
    n = len(frame)
    codes = [np.asarray(g) for g in groups] + ([] if group is None else [_group_codes(frame[group])])
    rows, nodes, offset = [], [], n
    for code in codes:
        linked = np.flatnonzero(code >= 0)
        rows.append(linked)
        nodes.append(offset + code[linked])
        offset += int(code.max(initial=-1)) + 1
    if not codes:
        return np.arange(n)
    # A graph of rows and group values, an edge where a row has the value.
    i, j = np.concatenate(rows), np.concatenate(nodes)
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(offset, offset))
    return np.unique(connected_components(graph, directed=False)[1][:n], return_inverse=True)[1]


def _group_codes(series):
    """Per row the number of its group, -1 where it has none."""
    return pd.factorize(series.map(value_name, na_action="ignore"))[0]


def _strata(columns, labels, n):
    """Per row a rank of what it is to be dealt out by, the rarest 0."""
    column = next((c for c in columns.labels if c in labels), None)
    if column is None:
        return np.zeros(n, int)
    return TASKS[columns.labels[column]].strata(np.asarray(labels[column]))


def _cut(positions, component, strata, shares, random, frame):
    """Deal the components of these rows out to the splits, in the shares asked for.

    The first component of a stratum trains, so that no class is met in the test alone; each further one goes
    to the split that lacks most rows of its stratum. What a stratum leaves over or short is carried into the
    next. (scikit-learn's StratifiedGroupKFold deals k folds, so shares of 1/k only, and took 1.5 s for 5,000
    groups where this takes 0.01.)
    """
    _, member, sizes = np.unique(component[positions], return_inverse=True, return_counts=True)
    names = [name for name in shares if shares[name] > 0]
    share = np.asarray([shares[name] for name in names])
    if len(sizes) < len(names):
        raise DataError(
            f"{source_of(frame)}: the rows form only {len(sizes)} group(s) that may not be cut "
            f"apart, too few for {', '.join(names)}. Give a split column, or another group column."
        )
    stratum = np.full(len(sizes), np.iinfo(int).max)
    np.minimum.at(stratum, member, strata[positions])
    # Groups near the size of a whole split are placed first, while there is room, the largest first.
    giant = sizes > share.min() * len(positions) / 2
    stratum[giant] = -1
    order = np.lexsort((random.random(len(sizes)), np.where(giant, -sizes, 0), stratum))
    room = share[None, :] * np.bincount(stratum + 1, weights=sizes)[:, None]
    chosen = np.zeros(len(sizes), int)
    need, last, empty = [0.0] * len(names), None, set(range(len(names)))
    for left, c in zip(range(len(order), 0, -1), order.tolist(), strict=True):
        first = stratum[c] != last
        if first:
            last = stratum[c]
            need = [a + b for a, b in zip(need, room[last + 1].tolist(), strict=True)]
        if left <= len(empty):
            to = min(empty)
        elif first:
            to = 0
        else:
            # Of two equally short ones the later: a tie of validation and test is test's.
            to = max(range(len(names)), key=lambda s: (need[s], s))
        chosen[c] = to
        need[to] -= sizes[c]
        empty.discard(to)
    return np.asarray(names)[chosen[member]]


def _given_splits(frame, column):
    cells = frame[column].map(value_name, na_action="ignore").astype(object).where(frame[column].notna(), "")
    assigned = cells.str.lower().map(SPLITS)
    strange = assigned.isna().to_numpy()
    if strange.any():
        values = ", ".join(f"{short(v)} ({n:,} row(s))" for v, n in cells[strange].value_counts().head(5).items())
        raise DataError(
            f"{place(frame, np.argmax(strange), column)}: unknown split. Column {column!r} also holds "
            f"{values}; known are {', '.join(SPLITS)}.{_meant(cells[strange])}"
        )
    if not (assigned == "train").any():
        raise DataError(
            f"{source_of(frame)}: no row of column {column!r} says train; it holds "
            f"{', '.join(cell[:60] for cell in sorted(cells.unique())[:5])}."
        )
    return assigned.to_numpy(dtype="<U10")


def _meant(cells):
    guesses = {cell: nearest(cell, SPLITS) for cell in cells.unique()[:5]}
    hints = [f"{near[0]!r} for {cell!r}" for cell, near in guesses.items() if near]
    return f" Did you mean {', '.join(hints)}?" if hints else ""


def _straddling(frame, columns, assigned, component):
    """A sentence on the groups that a given split tears apart, with two rows of the first of them."""
    rows = pd.DataFrame({"component": component, "split": assigned}).drop_duplicates()
    torn = rows[rows["component"].duplicated(keep=False)]
    if torn.empty:
        return []
    first = torn[torn["component"] == torn["component"].iloc[0]].index[:2]
    shown = " and ".join(f"row {frame.index[i] + 1} is {assigned[i]}" for i in first)
    named = frame[columns.group].iloc[first[0]] if columns.group else None
    value = "" if columns.group is None or pd.isna(named) else f" {short(value_name(named))}"
    return [
        f"The column {columns.split!r} puts rows that belong together (same {_bond(columns)}) into different splits: "
        f"{torn['component'].nunique():,} group(s), such as{value}: {shown}. Scores on validation and test may be "
        "too good."
    ]


def _bond(columns):
    return " or ".join(([repr(columns.group)] if columns.group else []) + ["image"])


def _unseen_classes(frame, columns, labels, assigned):
    notes = []
    for column, values in labels.items():
        if column not in columns.class_labels:
            continue
        train = np.unique(values[assigned == "train"])
        for name in NAMES[1:]:
            unseen = np.flatnonzero((assigned == name) & ~np.isin(values, train))
            if len(unseen):
                classes = list(dict.fromkeys(value_name(v) for v in frame[column].iloc[unseen].unique()))
                notes.append(
                    f"{name}: {len(unseen):,} row(s) of {len(classes)} class(es) of {column!r} that train "
                    f"lacks: {', '.join(classes[:5])}{', …' if len(classes) > 5 else ''}."
                )
    return notes


def _lone_classes(frame, columns, labels, assigned):
    """What became of the classes that a single row has: they can be learnt or tested, not both."""
    notes = []
    for column, values in labels.items():
        if column not in columns.class_labels:
            continue
        codes, first, counts = np.unique(values, return_index=True, return_counts=True)
        alone = first[(counts == 1) & (codes >= 0)]
        if len(alone):
            names = frame[column].iloc[alone[:5]].map(value_name)
            shown = [
                f"{name!r} (row {row + 1}, in {assigned[i]})"
                for i, row, name in zip(alone, names.index, names, strict=False)
            ]
            notes.append(
                f"{len(alone):,} class(es) of {column!r} have a single row: {', '.join(shown)}"
                f"{', …' if len(alone) > 5 else ''}. Add rows, join classes, or expect nothing of them."
            )
    return notes
