"""Which column is the image, which the text, which the label: told, or found and said aloud."""

import dataclasses

from kerasfusion.data.errors import DataError, listed, nearest, short, source_of
from kerasfusion.data.features import FEATURES
from kerasfusion.data.labels import infer_problem_type, is_value, value_name
from kerasfusion.data.table import is_missing
from kerasfusion.feature_kinds import KINDS
from kerasfusion.problem_types import LABEL_TYPES, ROW_TYPES, TEXT_TYPES, TYPES

LABEL_NAMES = ("label", "target", "class", "answer", "species", "category", "y")
CAPTION_NAMES = ("caption", "captions")
SPLIT_NAMES = ("split", "subset", "fold")
# What people call the splits, lower case -> what we call them.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "restval": "train",  # what the usual splits of COCO leave of its validation set
    "test": "test",
    "testing": "test",
    "eval": "test",
}


@dataclasses.dataclass(frozen=True)
class ColumnRoles:
    """What each column of a table is for.

    Args:
        inputs: Kind of feature, `"image"`, `"text"`, `"numeric"`, … -> its columns.
        labels: Label column -> `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"` or `"captioning"`.
        split: The column that says train, validation or test.
        group: The column whose equal values must not straddle splits (a patient, a product).
        slice_by: The column by which reports are broken down (question type).
        sample_weight: The column of how much each row counts in training.
        reasons: Role -> how it was decided.
    """

    inputs: dict[str, tuple[str, ...]]
    labels: dict[str, str]
    split: str | None = None
    group: str | None = None
    slice_by: str | None = None
    sample_weight: str | None = None
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def text_labels(self):
        """The label columns whose cells are texts to write."""
        return [column for column, type_ in self.labels.items() if type_ in TEXT_TYPES]

    @property
    def class_labels(self):
        """The label columns whose cells are one class each."""
        return [column for column, type_ in self.labels.items() if TYPES[type_].labels == "class"]

    @property
    def features(self):
        """All input columns."""
        return tuple(column for names in self.inputs.values() for column in names)

    def of_kind(self, kind):
        """The input columns of one kind."""
        return self.inputs.get(kind, ())


def infer_columns(
    frame, *, label=None, problem_type=None, split=None, group=None, slice_by=None, sample_weight=None, **inputs
):
    """Decide what each column is for.

    Every role can be given; image, text, label and split are looked for where they are not. `group`, `slice_by` and
    `sample_weight` never are, nor are inputs of other kinds: a numeric column may as well be an identifier or leak
    the label.

    Args:
        frame: A frame from `read_table`.
        label: Name of the column to predict, several as a list or divided by commas. None: look.
        problem_type: `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"`, `"captioning"`, or a dict label
            column -> type. None: inferred; captions never are, and beside one texts are not looked for.
            `"retrieval"`: learn which text goes with which image; there is no label.
        split: Column that says train, validation or test.
        group: Column whose equal values must stay in one split.
        slice_by: Column by which reports are broken down.
        sample_weight: Column of numbers from 0 by which each row's loss is multiplied.
        **inputs: `image=`, `text=`, `numeric=` or another kind: its columns, as for `label`; `[]` for none. None:
            images and texts are looked for, of other kinds there are none.

    Returns:
        `ColumnRoles`, whose `reasons` say how each role was decided.

    Raises:
        DataError: A name is wrong, a column does not suit its role, or the choice would be a guess.

    Example:
    ```python
    columns = infer_columns(read_table("pets.csv"), label="species")
    columns.of_kind("text"), columns.reasons["text"]
    # (("description",), "inferred: 9.4 words on average, 812 distinct")
    ```
    """
    unknown = sorted(set(inputs) - set(KINDS))
    if unknown:
        raise TypeError(f"infer_columns: unknown kinds {unknown}; known: {', '.join(KINDS)}.")
    named = {**dict.fromkeys(KINDS), **inputs, "label": label, "split": split, "group": group, "slice_by": slice_by}
    named["sample_weight"] = sample_weight
    given = {role: _given(frame, role, names) for role, names in named.items()}
    for role in ("split", "group", "slice_by", "sample_weight"):
        if given[role] and len(given[role]) > 1:
            raise DataError(f"{role} takes one column, not {list(given[role])}.")
    _refuse_two_roles(frame, given)
    roles = {role: names for role, names in given.items() if names is not None}
    reasons = {role: "given" if names else "none, as given" for role, names in roles.items()}
    if roles.get("sample_weight"):
        reasons["sample_weight"] = "given: multiplies loss and metrics while training; test scores are unweighted"
    types = problem_type.values() if isinstance(problem_type, dict) else (problem_type,)
    caption, match = any(kind in TEXT_TYPES for kind in types), problem_type in ROW_TYPES
    if match:
        if given["label"]:
            raise DataError(
                f"{source_of(frame)}: in retrieval the image of a text is what is learned, so no label is used; "
                f"{list(given['label'])} was named."
            )
        roles["label"], reasons["label"] = (), "none: which text goes with which image"
    if caption and "text" not in roles:
        roles["text"], reasons["text"] = (), "none: beside a caption texts are used only when named (text=…)"
    find = {"label": _find_label, "split": _find_split}
    find.update((kind, FEATURES[kind].find) for kind, traits in KINDS.items() if traits.inferred)
    if caption:
        find["label"] = _find_caption
    for role, look in find.items():
        if role not in roles:
            # What groups rows may well be the image; it is no label and no text.
            beside = ("group", "slice_by") if role in KINDS and KINDS[role].stored else ()
            taken = {name for other, names in roles.items() if other not in beside for name in names}
            roles[role], reasons[role] = look(frame, [c for c in frame.columns if c not in taken])
    for kind in KINDS:
        if kind not in roles:
            roles[kind], reasons[kind] = (), f"none: {kind} columns are used only when named ({kind}=…)"
    inputs = {kind: roles[kind] for kind in KINDS if roles[kind]}
    if not inputs:
        raise DataError(
            f"{source_of(frame)}: no image and no text column found among {listed(frame.columns)}. Name them "
            f"({', '.join(f'{kind}=…' for kind in KINDS)})."
        )
    if match and (len(roles["image"]), len(roles["text"])) != (1, 1):
        raise DataError(
            f"{source_of(frame)}: retrieval needs one image column and one text column, not {list(roles['image'])} "
            f"and {list(roles['text'])} (image=…, text=…)."
        )
    if not (roles["label"] or match):
        raise DataError(f"{source_of(frame)}: a label column is needed (label=…, --label).")
    for kind, names in inputs.items():
        for column in names:
            FEATURES[kind].check(frame, column)
    labels, reasons["problem_type"] = _problem_types(frame, roles["label"], None if match else problem_type)
    if caption and (len(labels), len(roles["image"])) != (1, 1):
        raise DataError(
            f"{source_of(frame)}: a caption is learned alone, of one image: one label and one image column are "
            f"needed, not {list(labels)} and {list(roles['image'])} (label=…, image=…)."
        )
    single = {role: (roles.get(role) or (None,))[0] for role in ("split", "group", "slice_by", "sample_weight")}
    return ColumnRoles(inputs, labels, **single, reasons=reasons)


def _given(frame, role, names):
    """The named columns, None where nothing was said."""
    if names is None:
        return None
    if isinstance(names, str):
        # A column may have a comma in its name.
        names = [names] if names in frame.columns else [n.strip() for n in names.split(",") if n.strip()]
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in frame.columns:
            near = nearest(name, frame.columns)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise DataError(
                f"{source_of(frame)} has no column {name!r} (given as {role}).{hint} Columns: "
                f"{listed(frame.columns)}."
            )
    return names


def _refuse_two_roles(frame, given):
    role_of = {}
    for role in (*KINDS, "label", "split", "sample_weight"):
        for name in given[role] or ():
            if name in role_of:
                raise DataError(f"{source_of(frame)}: column {name!r} is given as {role_of[name]} and as {role}.")
            role_of[name] = role


def _find_label(frame, free):
    named = [c for c in free if c.lower() in LABEL_NAMES]
    if len(named) == 1:
        return (named[0],), f"inferred: named {named[0]!r}"
    if named:
        raise DataError(f"{source_of(frame)}: which one is the label, {named}? Name it (label=…, --label).")
    raise DataError(
        f"{source_of(frame)}: no column is named like a label ({', '.join(LABEL_NAMES)}). Name the one to "
        f"predict (label=…, --label) out of {listed(free)}."
    )


def _find_caption(frame, free):
    named = [c for c in free if c.lower() in CAPTION_NAMES]
    if len(named) != 1:
        raise DataError(
            f"{source_of(frame)}: which column holds the captions? Name it (label=…, --label) out of {listed(free)}."
        )
    return (named[0],), f"inferred: named {named[0]!r}"


def _find_split(frame, free):
    named = sorted((c for c in free if c.lower() in SPLIT_NAMES), key=lambda c: SPLIT_NAMES.index(c.lower()))
    refused = ""
    for column in named:
        filled = frame[column][~is_missing(frame[column])]
        if not filled.map(is_value).all():
            continue  # lists and objects name no split
        values = set(filled.map(value_name).str.lower()) if len(filled) else {""}
        if values <= set(SPLITS):
            return (column,), f"inferred: holds only {', '.join(sorted(values))}"
        strange = sorted(values - set(SPLITS))[0]
        refused = refused or f"; column {column!r} holds {short(strange)}, which names no split"
    return (), "none: rows are split by us" + refused


def _problem_types(frame, columns, given):
    given = dict.fromkeys(columns, given) if given is None or isinstance(given, str) else dict(given)
    for column, kind in given.items():
        if column not in columns:
            raise DataError(f"problem_type names {column!r}, which is no label; labels: {list(columns)}.")
        if kind is not None and kind not in LABEL_TYPES:
            raise DataError(f"problem_type {kind!r} for {column!r} is unknown. Types: {', '.join(LABEL_TYPES)}.")
    kinds, reasons = {}, []
    for column in columns:
        kind, reason = given.get(column), "given"
        if kind is None:
            kind, why = infer_problem_type(frame, column)
            reason = f"inferred: {why}"
        kinds[column] = kind
        reasons.append(f"{column} is {kind}: {reason}")
    return kinds, "; ".join(reasons)
