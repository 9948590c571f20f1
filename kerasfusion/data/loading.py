"""Load a data set: resolve columns, clean rows, read images, split, fit the schema, encode."""

import dataclasses

import numpy as np

from kerasfusion.bounds import check_bounds
from kerasfusion.data.clean import clean_rows, duplicates_across_splits, whole_rows
from kerasfusion.data.column_roles import infer_columns
from kerasfusion.data.data_checks import run_data_checks
from kerasfusion.data.dataset import Data
from kerasfusion.data.errors import DataError
from kerasfusion.data.examples import encode_rows
from kerasfusion.data.features import FEATURES
from kerasfusion.data.fit_schema import class_orders, feature_and_task_names, fit_schema
from kerasfusion.data.image_columns import image_sides
from kerasfusion.data.label_leakage import naming_rows, without_naming_rows
from kerasfusion.data.labels import whole_number_notes
from kerasfusion.data.sample_weights import read_sample_weights
from kerasfusion.data.settings import Setting
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.split import make_splits
from kerasfusion.data.table import read_table
from kerasfusion.data.tasks import TASKS, encode_labels
from kerasfusion.data.tfds_source import is_tfds, read_tfds
from kerasfusion.feature_kinds import KINDS
from kerasfusion.problem_types import ROW_TYPES, TEXT_TYPES
from kerasfusion.schema import Task


def load(
    source,
    *,
    image=None,
    text=None,
    numeric=None,
    categorical=None,
    boxes=None,
    signal=None,
    video=None,
    label=None,
    problem_type=None,
    classes=None,
    split=None,
    group=None,
    slice_by=None,
    sample_weight=None,
    image_size=None,
    frames=8,
    boxes_per_image=None,
    box_units=None,
    box_image=None,
    sample_rate=None,
    signal_length=None,
    sequence_length=None,
    max_tokens=10_000,
    tokenizer="words",
    image_dir=None,
    allow_external_paths=False,
    cache_dir=None,
    drop_label_leaks=False,
    seed=0,
):
    """Read a data set and learn what can be learned from its training split without a model.

    Args:
        source: A `.csv`, `.tsv`, `.jsonl`, `.json`, `.parquet` or `.npz` file, a DataFrame, `"shapes"` or
            `"sort_of_clevr"` (procedural worlds that ship with the package; `"shapes:relations"` is one with harder
            questions), or a TFDS set, `"tfds:clevr"`.
        image: Column(s) with images; looked for when None. For TFDS, paths into its features, `"a/b"`.
        text: Column(s) with text.
        numeric: Column(s) of plain numbers that go in as one vector.
        categorical: Column(s) of categories, an embedding each. The categories are learned on the training split; a
            column with more than `max_tokens` of them is hashed into as many buckets.
        boxes: Column(s) of boxes in an image; in a cell a list (or JSON) of `[left, top, right, bottom]`, or of dicts
            with `box` and optionally `label` and `score`.
        signal: Column(s) of one-dimensional signals, each a feature: WAV files, `.npy` files, or lists of numbers (of
            lists of them for several channels). A column with WAV files is audio: its channels are averaged, and it
            is resampled to one rate. Samples that are no finite number count as missing and are masked.
        video: Column(s) of videos, each a feature: lists of frames, folders of them, animated GIFs, or MP4, AVI and
            other files that PyAV reads (extra `[video]`). `frames` of each are taken, evenly spaced over its time.
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
        image_size: `(height, width)` or one side in pixels, of images and of the frames of videos.
        frames: Frames taken of each video, those in the middle of so many equal parts of its time. A video with fewer
            shows each of them several times.
        boxes_per_image: Boxes kept of a row, those of the highest score, else the largest. None: as many as a
            training row has, up to 36.
        box_units: `"pixels"` of the row's image as it came, or `"fractions"` of its width and height. None: fractions
            where half of the training boxes or more end at 1 or before.
        box_image: Image column that the boxes lie in; needed where there are several.
        sample_rate: Samples a second of signals; arrays and lists are taken to have it. None: the commonest of the
            column's WAV files, at most 16,000; series of numbers have none and are not resampled.
        signal_length: Samples kept of a signal, from its beginning; shorter ones are padded and the padding is
            masked. None: the longest, at most 10 seconds of audio and 4,096 samples of a series.
        sequence_length: Words (tokens, with start and end) kept of a text, and words of a caption.
        max_tokens: Size limit of a vocabulary, of words or of the categories of a column.
        tokenizer: How input texts become tokens: `"words"` of the training texts, characters where a script has no
            spaces; `"jieba"`, words of Chinese texts and captions (extra `[chinese]`, which only this call needs: see
            `kf.preprocessing.LongestMatch`); or the subword pieces of a pretrained text encoder, `"minilm"`, or of a
            folder in Hugging Face form, which that encoder needs.
        image_dir: Folder that relative paths of images, videos and signals start from, instead of the table's own.
        allow_external_paths: Allow paths that leave that folder.
        cache_dir: Folder for decoded images, one folder in it for each image column and size. They are decoded
            once, also over several calls, and read from there while training, so that images may be larger than
            memory. Without it, pixels are kept in memory up to 2 GiB, and beyond decoded in every epoch. Texts,
            numbers and labels are always kept in memory; they are small. Training keeps features of frozen networks
            there too, in its folder `features`.
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
    _check_settings(arguments)
    roles = {role: arguments[role] for role in (*KINDS, "label", "split", "slice_by", "sample_weight")}
    frame, columns = _resolve_columns(source, roles, group, problem_type)
    unread = frame.attrs.get("notes", [])
    frame, skipped, leaks = _clean(frame, columns, problem_type, drop_label_leaks)
    frame, dropped, files = _read_files(frame, columns, arguments)
    index, stores, sizes = (
        {column: value for read in files.values() for column, value in getattr(read, part).items()}
        for part in ("index", "stores", "sizes")
    )
    skipped = skipped + dropped

    of_rows = TASKS[problem_type].default_name if problem_type in ROW_TYPES else None
    input_names, task_names = feature_and_task_names(columns, of_rows)
    labels, tasks = _encode_labels(frame, columns, task_names, classes)
    splits, notes = make_splits(frame, columns, groups=list(index.values()), labels=labels, seed=seed)
    notes = [*unread, *leaks, *whole_number_notes(frame, columns, problem_type), *notes]
    notes += [*duplicates_across_splits(frame, columns, splits), *run_data_checks(frame, columns, index)]
    train = splits["train"]
    tasks = [TASKS[task.type].fit(task, labels[task.column][train]) for task in tasks]
    tasks = [Task(of_rows, problem_type, columns.of_kind("image")[0])] if of_rows else tasks
    schema, learned = fit_schema(frame.iloc[train], columns, tasks, input_names, arguments, files)
    names = {feature.columns[0]: feature.name for feature in schema.features}
    places = {names[column]: places for column, places in index.items()}
    banks = {names[column]: store for column, store in stores.items()}
    examples = encode_rows(frame, schema, places, banks)
    notes += _left_out(frame, schema, {name: (places[name], banks[name]) for name in places})
    examples = dataclasses.replace(examples, cache_dir=cache_dir)
    counts = " / ".join(f"{len(splits[name]):,}" for name in splits)
    rows = Setting("rows", counts, "train / validation / test", "--split, --group")
    return Data(
        schema,
        _split(examples, splits, columns.sample_weight),
        columns,
        skipped,
        notes,
        str(frame.attrs.get("source", "table")),
        [*_role_settings(columns), *(s for read in files.values() for s in read.settings), *learned, rows],
        {names[column]: found for column, found in sizes.items()},
        arguments,
    )


def _resolve_columns(source, roles, group, problem_type):
    """The table, and the role of each of its columns."""
    if is_tfds(source):
        if roles["label"] is None and problem_type in TEXT_TYPES:
            roles = {**roles, "label": TASKS[problem_type].default_name}
        frame, roles = read_tfds(source, roles)
    else:
        frame = read_table(source)
    return frame, infer_columns(frame, **roles, group=group, problem_type=problem_type)


def _clean(frame, columns, problem_type, drop_label_leaks):
    """The rows that can be used, those that cannot, and sentences on texts that give a label away."""
    frame, skipped = clean_rows(frame, columns)
    if problem_type in ROW_TYPES:
        frame, alone = whole_rows(frame, columns)
        skipped += alone
    naming, leaks = naming_rows(frame, columns)
    if drop_label_leaks:
        frame, dropped, leaks = without_naming_rows(frame, columns, naming)
        skipped += dropped
    if columns.sample_weight is not None:
        frame = frame.copy(deep=False)
        frame[columns.sample_weight] = read_sample_weights(frame, columns.sample_weight)
    return frame, skipped, leaks


def _read_files(frame, columns, options):
    """The rows whose files can be read, those that cannot, and what was read: kind -> such as `ImageColumns`."""
    found, skipped, usable = {}, SkippedRows(), np.ones(len(frame), bool)
    for kind, own in columns.inputs.items():
        if KINDS[kind].stored:
            found[kind], readable, dropped = FEATURES[kind].read_columns(frame, own, options)
            skipped, usable = skipped + dropped, usable & readable
    for read in found.values():
        read.index.update({column: places[usable] for column, places in read.index.items()})
    attrs, frame = frame.attrs, frame[usable]
    frame.attrs = attrs
    return frame, skipped, found


def _left_out(frame, schema, stored):
    """Sentences on cells of which a part is left out."""
    notes = []
    for feature in schema.features:
        found = FEATURES[feature.kind].left_out(frame, feature, stored)
        for reason, count in found.counts.items():
            rows = ", ".join(f"{row:,}" for row, *_ in found.examples[reason])
            notes.append(f"Column {feature.columns[0]!r}, {count:,} row(s): {reason} (such as row {rows}).")
    return notes


def _encode_labels(frame, columns, names, classes):
    """Label column -> array, and the tasks; without those that learn a text, from the training split."""
    orders, labels, tasks = class_orders(columns, classes), {}, []
    for column, kind in columns.labels.items():
        if kind not in TEXT_TYPES:
            labels[column], found = encode_labels(frame, column, kind, orders.get(column))
            tasks.append(Task(names[column], kind, column, found))
    return labels, tasks


def _split(examples, splits, sample_weight):
    parts = {name: examples.take(rows) for name, rows in splits.items()}
    if sample_weight is not None:
        # Not the test split: its scores are over all of its rows alike.
        for name in ("train", "validation"):
            parts[name] = _weighted(parts[name], sample_weight, name)
    return parts


def _check_settings(arguments):
    check_bounds(DataError, **{name: arguments[name] for name in ("max_tokens", "frames", "seed")})
    for name in ("sequence_length", "boxes_per_image", "sample_rate", "signal_length"):
        if arguments[name] is not None:
            check_bounds(DataError, **{name: arguments[name]})
    image_size = arguments["image_size"]
    if image_size is not None:
        sides = image_sides(image_size)
        if len(sides) != 2:
            raise DataError(f"image_size must be one number or two (height, width), not {image_size!r}.")
        for side in sides:
            check_bounds(DataError, image_size=side)


def _weighted(part, column, split):
    weights = part.frame[column].to_numpy("float32")
    if not weights.any():
        raise DataError(
            f"Every weight (column {column!r}) in the {split} split is 0: nothing to learn from it. Give some of its "
            "rows a weight, or split the rows otherwise (split=…, --split)."
        )
    return part.weighted(weights)


def _role_settings(columns):
    lines = []
    for role in (*KINDS, "label", "split", "group", "slice_by", "sample_weight"):
        value = {"label": ", ".join(f"{c} ({k})" for c, k in columns.labels.items())}.get(role)
        if value is None:
            value = columns.of_kind(role) if role in KINDS else getattr(columns, role)
            value = ", ".join(value) if isinstance(value, tuple) else value
        reason = columns.reasons.get(role, "")
        if value or reason:
            flag = "--label, --problem-type" if role == "label" else f"--{role.replace('_', '-')}"
            lines.append(Setting(role, value or "none", reason, flag))
    return lines
