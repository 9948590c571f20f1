"""What a schema learns from the training split: names, vocabularies, lengths, means."""

import dataclasses

import numpy as np

from kerasfusion.data.dataset import Setting
from kerasfusion.data.errors import DataError, listed, source_of
from kerasfusion.data.labels import read_numbers, value_name
from kerasfusion.data.tasks import TASKS
from kerasfusion.names import claims, reserved, safe_names
from kerasfusion.preprocessing.text import learn_vocabulary, text_vectorizer
from kerasfusion.pretrained import bert_folder, read_vocabulary
from kerasfusion.schema import Feature, Schema, Task

# Texts longer than this many words are cut unless asked.
LONGEST_INFERRED_TEXT = 128
# Tokens of a text that are counted: as many as a BERT takes.
LONGEST_COUNTED = 512


def fit_schema(frame, columns, tasks, names, image_size, sequence_length, max_tokens, tokenizer="words"):
    """Learn a schema from training rows.

    Args:
        frame: The training rows.
        columns: The `ColumnRoles`.
        tasks: The `Task`s whose labels are encoded; those that learn a text are added.
        names: Column -> name, of the inputs.
        image_size: `(height, width)`.
        sequence_length: Words kept of a text, or None for those of the longest.
        max_tokens: Size limit of a vocabulary.
        tokenizer: `"words"`, or the text encoder or folder whose WordPiece vocabulary the input texts are read with.

    Returns:
        tuple: the `Schema` and the `Setting`s of the texts.
    """
    features, tasks, settings = [], list(tasks), []
    for column in columns.image:
        features.append(Feature(names[column], "image", (column,), size=image_size))
    for column in columns.text:
        texts = frame[column].fillna("").astype(str)
        if tokenizer == "words":
            feature, reasons = _learn_text(texts, column, names[column], sequence_length, max_tokens)
        else:
            feature = Feature(names[column], "text", (column,))
            feature, reasons = fit_pieces(texts, feature, sequence_length, tokenizer)
        features.append(feature)
        settings += _word_settings(column, feature.vocabulary, feature.length, reasons)
    for column in columns.text_labels:
        task, reasons = _learn_caption(frame[column], column, sequence_length, max_tokens)
        tasks.append(task)
        settings += _word_settings(column, task.vocabulary, task.length - 2, reasons)
    if columns.numeric:
        features.append(_learn_numbers(frame, columns.numeric))
    return Schema(tuple(features), tuple(tasks)), settings


def class_orders(columns, classes):
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


def feature_and_task_names(columns, of_rows=None):
    """Names of the inputs and of the tasks, two dicts column -> name.

    The only one of a kind has the kind's name; several have their columns' names, made safe. A task whose labels are
    the rows themselves is named `of_rows`.
    """
    kinds = {"image": columns.image, "text": columns.text}
    inputs = {only[0]: kind for kind, only in kinds.items() if len(only) == 1}
    several = [column for each in kinds.values() if len(each) > 1 for column in each]
    tasks = {column: TASKS[kind].default_name for column, kind in columns.labels.items()}
    only = [of_rows] if of_rows else list(tasks.values()) if len(tasks) == 1 else []
    taken = reserved(with_requests=not {"caption", "match"}.isdisjoint(only))
    taken = taken.union(*map(claims, [*inputs.values(), *["numbers"][: len(columns.numeric)]]))
    taken = taken.union(*(claims(name, task=True) for name in only))
    inputs |= safe_names(several, taken)
    if len(tasks) > 1:
        tasks = safe_names(tasks, taken.union(*map(claims, inputs.values())), task=True)
    return inputs, tasks


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
    kept, why = _kept_length(lengths, length)
    return vocabulary, kept, (f"seen in training, at most {max_tokens:,}", why)


def fit_pieces(texts, feature, length, tokenizer):
    """A text feature with a WordPiece vocabulary.

    Args:
        texts: Training texts, sequence of str.
        feature: `Feature`, whose vocabulary, length and tokenizer are set.
        length: Tokens kept of a text, start and end included, or None for those of the longest.
        tokenizer: A pretrained text encoder, or a folder with a `vocab.txt` (see `kf.pretrained.bert_folder`).

    Returns:
        tuple: the `Feature`, and the reasons for its vocabulary and its length.
    """
    try:
        vocabulary, _, lowercase = read_vocabulary(bert_folder(tokenizer))
    except (ValueError, OSError) as error:
        raise DataError(f"tokenizer: {error}") from error
    feature = dataclasses.replace(
        feature,
        vocabulary=vocabulary,
        length=LONGEST_COUNTED,
        tokenizer="wordpiece" if lowercase else "wordpiece_cased",
    )
    # Of longer texts it is enough to know that they are cut.
    lengths = (text_vectorizer(feature)(np.asarray(texts, object)).numpy() != 0).sum(axis=1)
    kept, why = _kept_length(lengths, length)
    return dataclasses.replace(feature, length=max(kept, 3)), (f"pieces of {tokenizer}", why)


def _kept_length(lengths, length):
    """How much is kept of a text, and why."""
    longest = int(lengths.max(initial=1))
    kept = length or min(max(longest, 1), LONGEST_INFERRED_TEXT)
    why = "given" if length else f"the longest training text has {longest}"
    if longest > kept:
        why += f"; {float((lengths > kept).mean()):.1%} of texts are cut"
    return kept, why


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
    described = (
        ("vocabulary", f"{len(vocabulary):,} words", "--max-tokens"),
        ("text length", f"{length} words", "--sequence-length"),
    )
    return [
        Setting(f"{name} ({column})", value, reason, option)
        for (name, value, option), reason in zip(described, reasons, strict=True)
    ]
