"""Which column is the image, which the text, which the label: told, or found and said aloud."""

import dataclasses

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, listed, nearest, place, short, source_of
from kerasfusion.data.labels import infer_problem_type, is_list, is_value, read_numbers, value_name
from kerasfusion.data.pixel_bytes import MAGIC
from kerasfusion.data.table import is_missing
from kerasfusion.problem_types import LABEL_TYPES, ROW_TYPES, TEXT_TYPES, TYPES

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
# How images begin: packed pixels, PNG, JPEG, GIF, BMP, WebP's container, TIFF (both byte orders).
IMAGE_BEGINNINGS = (MAGIC, b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
# Kinds of columns that are neither images nor text: a table may have thousands of them.
NUMERIC = "biufcmM"
IMAGE_NAMES = ("image", "photo", "picture", "img", "image_path", "path", "file", "filename", "file_name")
TEXT_NAMES = ("text", "question", "caption", "description", "sentence", "review", "title")
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
        image: Image columns.
        text: Text columns.
        numeric: Numeric input columns; together they are one vector.
        labels: Label column -> `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"` or `"captioning"`.
        split: The column that says train, validation or test.
        group: The column whose equal values must not straddle splits (a patient, a product).
        slice_by: The column by which reports are broken down (question type).
        sample_weight: The column of how much each row counts in training.
        reasons: Role -> how it was decided.
    """

    image: tuple[str, ...]
    text: tuple[str, ...]
    numeric: tuple[str, ...]
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
        return self.image + self.text + self.numeric


def infer_columns(
    frame,
    image=None,
    text=None,
    numeric=None,
    label=None,
    problem_type=None,
    split=None,
    group=None,
    slice_by=None,
    sample_weight=None,
):
    """Decide what each column is for.

    Every role can be given; image, text, label and split are looked for where they are not. `group`, `slice_by` and
    `sample_weight` never are, nor is `numeric`: a numeric column may as well be an identifier or leak the label.

    Args:
        frame: A frame from `read_table`.
        image: Name of the image column, several as a list or divided by commas, `[]` for none. None: look.
        text: Likewise for text.
        numeric: Likewise for numeric inputs, except that None is none.
        label: Likewise for what is to be predicted; at least one is needed.
        problem_type: `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"`, `"captioning"`, or a dict label
            column -> type. None: inferred; captions never are, and beside one texts are not looked for.
            `"retrieval"`: learn which text goes with which image; there is no label.
        split: Column that says train, validation or test.
        group: Column whose equal values must stay in one split.
        slice_by: Column by which reports are broken down.
        sample_weight: Column of numbers from 0 by which each row's loss is multiplied.

    Returns:
        `ColumnRoles`, whose `reasons` say how each role was decided.

    Raises:
        DataError: A name is wrong, a column does not suit its role, or the choice would be a guess.

    Example:
    ```python
    columns = infer_columns(read_table("pets.csv"), label="species")
    columns.text, columns.reasons["text"]
    # (("description",), "inferred: 9.4 words on average, 812 distinct")
    ```
    """
    given = {
        role: _given(frame, role, names)
        for role, names in dict(
            image=image,
            text=text,
            numeric=numeric,
            label=label,
            split=split,
            group=group,
            slice_by=slice_by,
            sample_weight=sample_weight,
        ).items()
    }
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
    find = {"label": _find_label, "split": _find_split, "image": _find_image, "text": _find_text}
    if caption:
        find["label"] = _find_caption
    for role, look in find.items():
        if role not in roles:
            # What groups rows may well be the image; it is no label and no text.
            beside = ("group", "slice_by") if role == "image" else ()
            taken = {name for other, names in roles.items() if other not in beside for name in names}
            roles[role], reasons[role] = look(frame, [c for c in frame.columns if c not in taken])
    if "numeric" not in roles:
        roles["numeric"] = ()
        reasons["numeric"] = "none: numeric columns are used only when named (numeric=…)"
    if not roles["image"] + roles["text"] + roles["numeric"]:
        raise DataError(
            f"{source_of(frame)}: no image and no text column found among {listed(frame.columns)}. Name them "
            "(image=…, text=…, numeric=…)."
        )
    if match and (len(roles["image"]), len(roles["text"])) != (1, 1):
        raise DataError(
            f"{source_of(frame)}: retrieval needs one image column and one text column, not {list(roles['image'])} "
            f"and {list(roles['text'])} (image=…, text=…)."
        )
    if not (roles["label"] or match):
        raise DataError(f"{source_of(frame)}: a label column is needed (label=…, --label).")
    for column in roles["numeric"]:
        _check_numbers(frame, column)
    for column in roles["text"]:
        check_text(frame, column)
    labels, reasons["problem_type"] = _problem_types(frame, roles["label"], None if match else problem_type)
    if caption and (len(labels), len(roles["image"])) != (1, 1):
        raise DataError(
            f"{source_of(frame)}: a caption is learned alone, of one image: one label and one image column are "
            f"needed, not {list(labels)} and {list(roles['image'])} (label=…, image=…)."
        )
    single = {role: (roles.get(role) or (None,))[0] for role in ("split", "group", "slice_by", "sample_weight")}
    return ColumnRoles(roles["image"], roles["text"], roles["numeric"], labels, **single, reasons=reasons)


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
    for role in ("image", "text", "numeric", "label", "split", "sample_weight"):
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


def _find_image(frame, free):
    found = {c: reason for c in free if (reason := _image_reason(frame[c]))}
    # Several columns of images: the one whose name says so, else it is not ours to choose.
    named = [c for c in found if c.lower() in IMAGE_NAMES]
    if len(found) > 1 and len(named) != 1:
        raise DataError(f"{source_of(frame)}: which are the images, {listed(found)}? Name them (image=…, --image).")
    chosen = (named if len(found) > 1 else list(found))[:1]
    return (tuple(chosen), f"inferred: {found[chosen[0]]}") if chosen else ((), "none: no column of images")


def _image_reason(series):
    """Why a column is one of images, None if it is not."""
    if series.dtype.kind in NUMERIC:
        return None
    filled = series[~is_missing(series)]
    content = pd.api.types.infer_dtype(filled)
    if filled.empty:
        return None
    if content == "string":
        lower = filled.str.strip().str.lower()
        ends, inline = lower.str.endswith(IMAGE_SUFFIXES), lower.str.startswith("data:image/")
        share = (ends | inline).mean()
        # What is on the web cannot be read from here; such a column often stands beside the file's.
        if share < 0.8 or lower.str.startswith(("http://", "https://")).mean() > 0.5:
            return None
        kinds = lower[ends].head(1000).str.extract(r"(\.\w+)$")[0].value_counts().index
        what = f"end in {'/'.join(kinds)}" if len(kinds) else "are images in base64"
        return f"{share * 100:.0f} % of cells {what}"
    if content == "bytes":
        some = filled.head(20)
        return "the cells are encoded images" if some.map(_begins_like_image).mean() >= 0.8 else None
    if all(isinstance(v, dict) and ("bytes" in v or "path" in v) for v in filled.head(20)):
        return "the cells hold images as {'bytes': …}"
    return None


def _begins_like_image(data):
    return bytes(data).startswith(IMAGE_BEGINNINGS)


def _find_text(frame, free):
    best, best_score, reason = None, 0.0, ""
    stats = {c: s for c in free if (s := _text_stats(frame[c])) and not _image_reason(frame[c])}
    named = [c for c in stats if c.lower() in TEXT_NAMES]
    # Codes and names of one word are no text, unless the column's name says so.
    for column in named or [c for c in stats if stats[c][0] > 1.5]:
        words, distinct = stats[column]
        # Long and varied: a licence notice is long but always the same, an identifier varied but one word.
        score = words * np.log2(distinct)
        if score > best_score:
            best, best_score = column, score
            reason = f"inferred: {words:.1f} words on average, {distinct:,} distinct"
    return ((best,), reason) if best else ((), "none: no column of sentences")


def _text_stats(series):
    """Mean number of words and number of distinct cells of a column of strings, else None."""
    if series.dtype.kind in NUMERIC:
        return None
    filled = series[~is_missing(series)]
    if filled.empty or pd.api.types.infer_dtype(filled) != "string":
        return None
    counts = filled.value_counts()
    words = pd.Series(counts.index).str.count(r"\S+")
    return float(np.average(words, weights=counts)), len(counts)


def _check_numbers(frame, column):
    if np.isnan(read_numbers(frame, column)).all():
        raise DataError(f"{source_of(frame)}, column {column!r} (numbers): every cell is empty.")


def check_text(frame, column):
    """Raise a `DataError` that names the first cell of a text column which holds bytes, a list or another object."""
    series = frame[column]
    if series.dtype != object:
        return
    strange = ~(series.map(is_value).to_numpy(bool) | is_missing(series).to_numpy())
    if strange.any():
        position = np.flatnonzero(strange)[0]
        value = series.iloc[position]
        advice = "Write a string into each cell."
        if isinstance(value, bytes):
            advice = f"Decode it: frame[{column!r}].str.decode('utf-8')."
        elif is_list(value):
            advice = f"Give one row per text: frame.explode({column!r})."
        raise DataError(f"{place(frame, position, column)}: the text is a {type(value).__name__}. {advice}")


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
