"""What a schema learns from the training split: names, vocabularies, lengths, means."""

from kerasfusion.data.errors import DataError, listed
from kerasfusion.data.features import FEATURES
from kerasfusion.data.features.text import TOKENIZERS_OF_WORDS, learn_words
from kerasfusion.data.labels import value_name
from kerasfusion.data.tasks import TASKS
from kerasfusion.feature_kinds import KINDS
from kerasfusion.names import claims, reserved, safe_names
from kerasfusion.schema import Schema, Task


def fit_schema(frame, columns, tasks, names, limits, files):
    """Learn a schema from training rows.

    Args:
        frame: The training rows.
        columns: The `ColumnRoles`.
        tasks: The `Task`s whose labels are encoded; those that learn a text are added.
        names: Column -> name, of the inputs; of those that are one feature together, the first column's.
        limits: dict of the settings of `load` that bound what is learned: `sequence_length`, `max_tokens`,
            `tokenizer`.
        files: Kind -> what was read of its columns, of kinds whose cells are files.

    Returns:
        tuple: the `Schema` and the `Setting`s to show.
    """
    features, tasks, settings = [], list(tasks), []
    limits = {**limits, "text_alone": set(columns.inputs) == {"text"} and limits["tokenizer"] in TOKENIZERS_OF_WORDS}
    limits["features"] = features
    for kind, own in columns.inputs.items():
        for group in [own] if KINDS[kind].joint else [(column,) for column in own]:
            feature, found = FEATURES[kind].fit(frame, group, names[group[0]], limits, files.get(kind))
            features.append(feature)
            settings += found
    for column in columns.text_labels:
        learned, found = learn_words(frame[column], column, limits)
        # Two places more, for start and end.
        tasks.append(Task("caption", "captioning", column, **{**learned, "length": learned["length"] + 2}))
        settings += found
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

    The only one of a kind has the kind's name, as has a feature of several columns, under the first of them; several
    features have their columns' names, made safe. A task whose labels are the rows themselves is named `of_rows`.
    """
    inputs, several = {}, []
    for kind, own in columns.inputs.items():
        if KINDS[kind].joint or len(own) == 1:
            inputs[own[0]] = KINDS[kind].default_name
        else:
            several += own
    tasks = {column: TASKS[kind].default_name for column, kind in columns.labels.items()}
    only = [of_rows] if of_rows else list(tasks.values()) if len(tasks) == 1 else []
    taken = reserved(with_requests=not {"caption", "match"}.isdisjoint(only))
    taken = taken.union(*map(claims, inputs.values()))
    taken = taken.union(*(claims(name, task=True) for name in only))
    inputs |= safe_names(several, taken)
    if len(tasks) > 1:
        tasks = safe_names(tasks, taken.union(*map(claims, inputs.values())), task=True)
    return inputs, tasks
