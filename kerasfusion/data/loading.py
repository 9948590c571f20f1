"""From a table, a TFDS name or the shapes world to splits that are ready to train on."""

import dataclasses
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np

from kerasfusion.bounds import check_bounds
from kerasfusion.data.clean import SkippedRows, clean_features, clean_rows, duplicates_across_splits, whole_rows
from kerasfusion.data.column_roles import ColumnRoles, infer_columns
from kerasfusion.data.data_checks import run_data_checks
from kerasfusion.data.errors import DataError, listed, nearest, source_of
from kerasfusion.data.examples import Examples, encode_rows
from kerasfusion.data.image_decoding import why_undecodable
from kerasfusion.data.image_store import ImageStore
from kerasfusion.data.images import resolve_images
from kerasfusion.data.label_leakage import naming_rows, without_naming_rows
from kerasfusion.data.labels import read_numbers, value_name
from kerasfusion.data.sample_weights import read_sample_weights
from kerasfusion.data.split import make_splits
from kerasfusion.data.table import is_missing, read_table
from kerasfusion.data.tasks import TASKS, encode_labels
from kerasfusion.data.tfds_source import is_tfds, read_tfds
from kerasfusion.names import claims, reserved, safe_names
from kerasfusion.preprocessing.text import learn_vocabulary
from kerasfusion.problem_types import TYPES
from kerasfusion.schema import Feature, Schema, Task

# Images are not made larger than this side unless asked: time grows with the area.
LARGEST_INFERRED_SIDE = 128
# Texts longer than this many words are cut unless asked.
LONGEST_INFERRED_TEXT = 128


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
        settings: Lines for people, `(what, value, why, flag)`: everything that was inferred or set.
        image_sizes: Image feature -> int32 `(images, 2)`, height and width of each image of its bank as it came.
        arguments: What `load` was called with, by name.
    """

    schema: Schema
    splits: dict[str, Examples]
    columns: ColumnRoles
    skipped: SkippedRows
    notes: list[str]
    source: str
    settings: list[tuple[str, str, str, str]]
    image_sizes: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    arguments: dict = dataclasses.field(default_factory=dict)

    @property
    def texts_per_image(self):
        """Mean number of training rows that show the same image; 0 when there is no single image column."""
        index = list(self.splits["train"].images.values())
        if len(index) != 1 or not (index[0] >= 0).any():
            return 0.0
        shown = index[0][index[0] >= 0]
        return len(shown) / len(np.unique(shown))


def load(
    source,
    *,
    image=None,
    text=None,
    numeric=None,
    label=None,
    problem_type=None,
    classes=None,
    split=None,
    group=None,
    slice_by=None,
    sample_weight=None,
    image_size=None,
    sequence_length=None,
    max_tokens=10_000,
    image_dir=None,
    allow_external_paths=False,
    cache_dir=None,
    drop_label_leaks=False,
    seed=0,
):
    """Read a data set and learn what can be learned from its training split without a model.

    Args:
        source: A `.csv`, `.tsv`, `.jsonl`, `.json`, `.parquet` or `.npz` file, a DataFrame, `"shapes"` or
            `"sort_of_clevr"` (procedural worlds that ship with the package), or a TFDS set, `"tfds:clevr"`.
        image: Column(s) with images; looked for when None. For TFDS, paths into its features, `"a/b"`.
        text: Column(s) with text.
        numeric: Column(s) of plain numbers that go in as one vector.
        label: Column(s) to predict.
        problem_type: `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"`, or dict label -> type; inferred when
            None. `"captioning"`: the label is a sentence about the image, one in a row or a list of several.
            `"retrieval"`: learn which text goes with which image; there is no label.
        classes: Class names in the order of the logits, or dict label -> names; needed where an order matters and the
            names are not numbers (`problem_type="ordinal"`). None: sorted, numbers by value.
        split: Column that says train, validation or test.
        group: Column whose equal values must not straddle splits (a patient, a product).
        slice_by: Column by which reports are broken down (question type).
        sample_weight: Column of numbers from 0 by which a row's loss and metrics are multiplied while training and
            validating, in every task. The test split's scores stay unweighted.
        image_size: `(height, width)` or one side in pixels.
        sequence_length: Words kept of a text, and of a caption.
        max_tokens: Size limit of the vocabulary.
        image_dir: Folder that relative image paths start from, instead of the table's own.
        allow_external_paths: Allow image paths that leave that folder.
        cache_dir: Folder for decoded images, one folder in it for each image column and size. They are decoded
            once, also over several calls, and read from there while training, so that images may be larger than
            memory. Without it, pixels are kept in memory up to 2 GiB, and beyond decoded in every epoch. Texts,
            numbers and labels are always kept in memory; they are small.
        drop_label_leaks: Leave out rows whose text names a class, so that it cannot give the label away.
        seed: Seed of the splits.

    Returns:
        Data

    Raises:
        DataError: The table cannot be read or used; the message names file, row and column and what to do.

    Example:

    ```python
    data = kf.data.load("pets.csv", image="photo", text="description", label="species")
    data.schema.tasks[0].classes
    ```
    """
    arguments = dict(locals())
    _check_settings(image_size, sequence_length, max_tokens, seed)
    roles = {"image": image, "text": text, "numeric": numeric, "label": label, "split": split, "slice_by": slice_by}
    roles.update(sample_weight=sample_weight)
    match = problem_type == "retrieval"
    if is_tfds(source):
        if label is None and problem_type == "captioning":
            roles["label"] = "caption"
        frame, roles = read_tfds(source, roles)
    else:
        frame = read_table(source)
    unread = frame.attrs.get("notes", [])
    columns = infer_columns(frame, **roles, group=group, problem_type=problem_type)
    frame, skipped = clean_rows(frame, columns)
    if match:
        frame, alone = whole_rows(frame, columns)
        skipped += alone
    naming, leaks = naming_rows(frame, columns)
    if drop_label_leaks:
        frame, dropped, leaks = without_naming_rows(frame, columns, naming)
        skipped += dropped
    if columns.sample_weight is not None:
        frame = frame.copy(deep=False)
        frame[columns.sample_weight] = read_sample_weights(frame, columns.sample_weight)

    sources = {column: resolve_images(frame, column, image_dir, allow_external_paths) for column in columns.image}
    checks = {column: found.check() for column, found in sources.items()}
    size, size_reason = _image_size(checks, image_size)
    caches = {column: _cache_folder(cache_dir, column, size) for column in sources}
    banks = {
        column: ImageStore(found.decodable(checks[column]), size, cache_dir=caches[column])
        for column, found in sources.items()
    }
    images = {column: found.row_index for column, found in sources.items()}
    frame, images, dropped = _drop_bad_images(frame, columns, sources, checks, banks)
    skipped = skipped + dropped

    input_names, task_names = _names(columns, match)
    orders = _class_orders(columns, classes)
    labels, tasks = {}, [Task("match", "retrieval", columns.image[0])] if match else []
    for column, kind in columns.labels.items():
        if TASKS[kind].learns_text:
            continue  # below, from the training split
        labels[column], found = encode_labels(frame, column, kind, orders.get(column))
        tasks.append(Task(task_names[column], kind, column, found))
    splits, notes = make_splits(frame, columns, groups=list(images.values()), labels=labels, seed=seed)
    notes = [*unread, *leaks, *notes]
    notes += [*duplicates_across_splits(frame, columns, splits), *run_data_checks(frame, columns, images)]
    train = splits["train"]
    tasks = [
        TASKS[task.type].fit(task, labels[task.column][train]) if task.column in labels else task for task in tasks
    ]

    settings = _role_settings(columns)
    features = []
    for column in columns.image:
        features.append(Feature(input_names[column], "image", (column,), size=size))
    if columns.image:
        settings.append(("image size", f"{size[0]} x {size[1]}", size_reason, "--image-size"))
        settings += [_cache_setting(column, bank.cache) for column, bank in banks.items() if bank.cache is not None]
    for column in columns.text:
        feature, reason = _learn_text(
            frame[column].iloc[train], column, input_names[column], sequence_length, max_tokens
        )
        features.append(feature)
        settings += _word_settings(column, feature.vocabulary, feature.length, reason)
    for column in columns.of_type("captioning"):
        task, reason = _learn_caption(frame[column].iloc[train], column, sequence_length, max_tokens)
        tasks.append(task)
        settings += _word_settings(column, task.vocabulary, task.length - 2, reason)
    if columns.numeric:
        features.append(_learn_numbers(frame.iloc[train], columns.numeric))
    names = {feature.columns[0]: feature.name for feature in features}
    schema = Schema(tuple(features), tuple(tasks))
    examples = encode_rows(
        frame,
        schema,
        {names[column]: index for column, index in images.items()},
        {names[column]: bank for column, bank in banks.items()},
    )
    settings.append(
        (
            "rows",
            " / ".join(f"{len(splits[n]):,}" for n in splits),
            "train / validation / test",
            "--split, --group",
        )
    )
    parts = {name: examples.take(rows) for name, rows in splits.items()}
    if columns.sample_weight is not None:
        # Not the test split: its scores are over all of its rows alike.
        for name in ("train", "validation"):
            parts[name] = _weighted(parts[name], columns.sample_weight, name)
    return Data(
        schema,
        parts,
        columns,
        skipped,
        notes,
        str(frame.attrs.get("source", "table")),
        settings,
        {names[column]: check.sizes for column, check in checks.items()},
        arguments,
    )


def load_rows(source, schema, *, image_dir=None, allow_external_paths=False, with_labels=True, columns=None):
    """Read another table for a schema that was learned before: to evaluate or to predict.

    Every row is kept: an image that cannot be read counts as missing, and is reported.

    Args:
        source: A table as for `load`, with the schema's columns.
        schema: The `Schema` of a run.
        image_dir: As for `load`.
        allow_external_paths: As for `load`.
        with_labels: The table has the label columns; rows without a label are dropped and counted.
        columns: The `ColumnRoles` of the data the schema came from, to keep its `slice_by` column; optional.

    Returns:
        tuple: `(Examples, Skipped)`.

    Raises:
        DataError: A column is missing, or a label has a class the schema does not know.
    """
    frame = read_table(source)
    kinds = {kind: [c for f in schema.of_kind(kind) for c in f.columns] for kind in ("image", "text", "numeric")}
    read = set(schema.tasks) - set(schema.of_type("retrieval")) if with_labels else ()
    # A caption and its embedding are of one column.
    labels = {task.column: task.type for task in sorted(read, key=lambda task: TYPES[task.type].from_column)}
    slice_by = columns.slice_by if columns is not None and columns.slice_by in frame.columns else None
    needed = [*kinds["image"], *kinds["text"], *kinds["numeric"], *labels]
    lacking = [column for column in needed if column not in frame.columns]
    if lacking:
        raise DataError(
            f"{frame.attrs.get('source', 'table')}: the model needs the column(s) {', '.join(map(repr, lacking))}; "
            f"the table has {listed(frame.columns)[1:-1]}. Rename them"
            + "".join(f" ({near[0]!r} to {name!r}?)" for name in lacking if (near := nearest(name, frame.columns)))
            + "."
        )
    roles = ColumnRoles(
        tuple(kinds["image"]), tuple(kinds["text"]), tuple(kinds["numeric"]), labels, slice_by=slice_by
    )
    frame, skipped = clean_rows(frame, roles) if with_labels else (clean_features(frame, roles), SkippedRows())
    images, banks = {}, {}
    for feature in schema.of_kind("image"):
        if is_missing(frame[feature.columns[0]]).all():
            images[feature.name] = np.full(len(frame), -1, "int32")
            banks[feature.name] = ImageStore([], feature.size)
            continue
        found = resolve_images(frame, feature.columns[0], image_dir, allow_external_paths)
        check = found.check()
        bank = ImageStore(found.decodable(check), feature.size)
        bad = check.bad | bank.failed
        index = found.row_index.copy()
        index[(index >= 0) & bad[index]] = -1
        skipped = skipped + _as_missing(check.problems + _undecodable(found, bank.failed & ~check.bad))
        images[feature.name], banks[feature.name] = index, bank
    return encode_rows(frame, schema, images, banks, with_labels), skipped


def _class_orders(columns, classes):
    """Label column -> its classes in the order given."""
    if classes is None:
        return {}
    if not isinstance(classes, dict):
        if len(columns.labels) != 1:
            raise DataError(
                f"classes: there are {len(columns.labels)} labels; give a dict label -> names of classes."
            )
        classes = dict.fromkeys(columns.labels, classes)
    orders = {column: tuple(map(value_name, names)) for column, names in classes.items()}
    for column, names in orders.items():
        if column not in columns.class_labels:
            raise DataError(
                f"classes names {column!r}, which is no label of one class; {listed(columns.class_labels)}."
            )
        if len(names) < 2 or len(set(names)) < len(names):
            raise DataError(f"classes: those of {column!r} are two distinct names or more, not {list(names)}.")
    return orders


def _names(columns, match):
    """Names of the inputs and of the tasks, two dicts column -> name.

    The only one of a kind has the kind's name; several have their columns' names, made safe.
    """
    kinds = {"image": columns.image, "text": columns.text}
    inputs = {only[0]: kind for kind, only in kinds.items() if len(only) == 1}
    several = [column for each in kinds.values() if len(each) > 1 for column in each]
    tasks = {column: TASKS[kind].default_name for column, kind in columns.labels.items()}
    only = ["match"] if match else list(tasks.values()) if len(tasks) == 1 else []
    taken = reserved(with_requests=not {"caption", "match"}.isdisjoint(only))
    taken = taken.union(*map(claims, [*inputs.values(), *["numbers"][: len(columns.numeric)]]))
    taken = taken.union(*(claims(name, task=True) for name in only))
    inputs |= safe_names(several, taken)
    if len(tasks) > 1:
        tasks = safe_names(tasks, taken.union(*map(claims, inputs.values())), task=True)
    return inputs, tasks


def _image_size(checks, wanted):
    if wanted is not None:
        return _sides(wanted), "given"
    sizes = [check.sizes[~check.bad & (check.sizes[:, 0] > 0)] for check in checks.values()]
    sizes = np.concatenate(sizes) if sizes else np.zeros((0, 2), int)
    if not len(sizes):
        return (64, 64), "default"
    # Multiples of 8 keep the grids of strided encoders even.
    side = int(np.clip(round(float(np.median(sizes)) / 8) * 8, 16, LARGEST_INFERRED_SIDE))
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    seen = f"{low[0]} x {low[1]}" if (low == high).all() else f"{low[0]} x {low[1]} to {high[0]} x {high[1]}"
    return (side, side), f"images are {seen}; at most {LARGEST_INFERRED_SIDE} unless given"


def _sides(image_size):
    return tuple(image_size) if isinstance(image_size, tuple | list) else (image_size, image_size)


def _check_settings(image_size, sequence_length, max_tokens, seed):
    check_bounds(DataError, max_tokens=max_tokens, seed=seed)
    if sequence_length is not None:
        check_bounds(DataError, sequence_length=sequence_length)
    if image_size is not None:
        sides = _sides(image_size)
        if len(sides) != 2:
            raise DataError(f"image_size must be one number or two (height, width), not {image_size!r}.")
        for side in sides:
            check_bounds(DataError, image_size=side)


def _cache_folder(cache_dir, column, size):
    """A folder of its own for each image column and size; a column's name may hold what a file's may not."""
    if cache_dir is None:
        return None
    name = quote(column, safe="")
    # A file's name has at most 255 bytes, and some are added for temporary ones.
    name = name if len(name) <= 200 else f"{safe_names([column])[column]}_{sha256(name.encode()).hexdigest()[:12]}"
    return Path(cache_dir) / f"{name}-{size[0]}x{size[1]}"


def _cache_setting(column, cache):
    reasons = {
        "reused": "decoded before; images unchanged",
        "written": "decoded and written now",
        "rewritten": "WRITTEN ANEW: it held other images, or they changed",
    }
    value = f"{cache.folder} ({len(cache.failed):,} images, {cache.bytes / 1e6:,.1f} MB)"
    return f"image cache ({column})", value, reasons[cache.state], "--cache-dir"


def _drop_bad_images(frame, columns, sources, checks, banks):
    """Rows with an image that cannot be read: dropped and counted; more than half of them is an error."""
    bad_rows = np.zeros(len(frame), bool)
    dropped = SkippedRows()
    for column, found in sources.items():
        bad = checks[column].bad | banks[column].failed
        bad_rows |= (found.row_index >= 0) & bad[found.row_index]
        bad_rows |= found.unusable_rows
        dropped = dropped + checks[column].problems + _undecodable(found, banks[column].failed & ~checks[column].bad)
    if bad_rows.sum() * 2 > len(frame):
        raise DataError(
            f"{frame.attrs.get('source', 'table')}: {bad_rows.sum():,} of {len(frame):,} rows have an image that "
            f"cannot be read.\n{dropped}"
        )
    images = {column: found.row_index[~bad_rows] for column, found in sources.items()}
    attrs = frame.attrs
    frame = frame[~bad_rows]
    frame.attrs = attrs
    return frame, images, dropped


def _undecodable(found, failed):
    """The rows whose image has a sound header and broken contents."""
    rows = np.flatnonzero((found.row_index >= 0) & failed[found.row_index])
    reasons = {}
    for image in np.unique(found.row_index[rows]):
        reasons.setdefault(why_undecodable(found.keys[image]), []).append(image)
    return found.problems(reasons)


def _as_missing(skipped):
    return SkippedRows(
        {f"{reason}; taken as missing": count for reason, count in skipped.counts.items()},
        {f"{reason}; taken as missing": rows for reason, rows in skipped.examples.items()},
    )


def _weighted(part, column, split):
    weights = part.frame[column].to_numpy("float32")
    if not weights.any():
        raise DataError(
            f"Every weight (column {column!r}) in the {split} split is 0: nothing to learn from it. Give some of its "
            "rows a weight, or split the rows otherwise (split=…, --split)."
        )
    return part.weighted(weights)


def _learn_text(texts, column, name, length, max_tokens):
    vocabulary, length, reason = _learn_words(texts, length, max_tokens)
    feature = Feature(name, "text", (column,), length=length, vocabulary=vocabulary)
    return feature, reason


def _learn_caption(texts, column, length, max_tokens):
    vocabulary, length, reason = _learn_words(texts, length, max_tokens)
    # Two places more, for start and end.
    return Task("caption", "captioning", column, vocabulary=vocabulary, length=length + 2), reason


def _learn_words(texts, length, max_tokens):
    """Vocabulary, words kept of a text, and the reasons for both."""
    vocabulary, lengths = learn_vocabulary(texts.fillna("").astype(str), max_tokens)
    longest = int(lengths.max(initial=1))
    kept = length or min(max(longest, 1), LONGEST_INFERRED_TEXT)
    why = "given" if length else f"the longest training text has {longest}"
    if longest > kept:
        why += f"; {float((lengths > kept).mean()):.1%} of texts are cut"
    return vocabulary, kept, (f"seen in training, at most {max_tokens:,}", why)


def _learn_numbers(frame, columns):
    values = np.stack([read_numbers(frame, column) for column in columns], axis=1)
    for column, empty in zip(columns, np.isnan(values).all(axis=0), strict=True):
        if empty:
            raise DataError(
                f"{source_of(frame)}: every training row lacks column {column!r} (numbers), so nothing is learned of "
                "it. Leave it out, or split the rows otherwise (split=…, --split)."
            )
    mean, std = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return Feature("numbers", "numeric", columns, length=len(columns), mean=tuple(mean), std=tuple(std))


def _word_settings(column, vocabulary, length, reasons):
    values = (("vocabulary", f"{len(vocabulary):,} words", "--max-tokens"),)
    values += (("text length", f"{length} words", "--sequence-length"),)
    return [
        (f"{what} ({column})", value, why, flag) for (what, value, flag), why in zip(values, reasons, strict=True)
    ]


def _role_settings(columns):
    lines = []
    for role in ("image", "text", "numeric", "label", "split", "group", "slice_by", "sample_weight"):
        value = {"label": ", ".join(f"{c} ({k})" for c, k in columns.labels.items())}.get(role)
        if value is None:
            value = getattr(columns, role)
            value = ", ".join(value) if isinstance(value, tuple) else value
        reason = columns.reasons.get(role, "")
        if value or reason:
            flag = "--label, --problem-type" if role == "label" else f"--{role.replace('_', '-')}"
            lines.append((role, value or "none", reason, flag))
    return lines
