"""Where a model is right and wrong, row by row and class by class, as plain JSON for a report."""

from kerasfusion.evaluation.features import FEATURES
from kerasfusion.evaluation.predict import decode_predictions
from kerasfusion.evaluation.tasks import TASKS

EXAMPLES = 8


def task_details(found, examples, count=EXAMPLES):
    """What a page shows of one task beyond its scores.

    Args:
        found: A `TaskReport`.
        examples: The `Examples` it was made on.
        count: Examples shown of each sort.

    Returns:
        dict of JSON values. With classes: `classes` (name, support, precision, recall, f1), `pairs` (label, answer,
        count: the commonest mistakes), and `matrix` (rows labels, columns answers) for up to 25 classes. Tags:
        `classes`. Number: `points`, pairs of label and answer, at most 500. `wrong` and `right`: the examples, the
        most confident first (number: the largest errors, and the smallest), `wrong_rows` and `right_rows` how many
        there are of each.
    """
    detail = TASKS[found.task.type].details(found)
    wrong, right = ranked(found)
    for name, places in (("wrong", wrong), ("right", right)):
        detail[f"{name}_rows"] = len(places)
        detail[name] = [example(found, examples, place) for place in places[:count]]
    return detail


def ranked(found):
    """The rows that were answered wrong and right, each the most confident first.

    The confidence of tags is that in the wrong tag it was surest of, and of a right row that in its least sure tag.
    Of a number the "wrong" are all rows by the size of their error, the "right" the same from the other end.

    Args:
        found: A `TaskReport`.

    Returns:
        tuple: two int arrays of places in `found.rows`.
    """
    return TASKS[found.task.type].ranked(found)


def example(found, examples, place):
    """One row as a page shows it: its number in the table, what went in, what came out."""
    position = int(found.rows[place])
    answer, label = (
        decode_predictions(found.task, found.decided[[place]])[0],
        decode_predictions(found.task, found.labels[[place]])[0],
    )
    shown = {"row": int(examples.frame.index[position]) + 1, "inputs": row_inputs(examples, position)}
    return shown | TASKS[found.task.type].example(found, place, answer, label)


def row_inputs(examples, position):
    """What went into one row: a list of dicts with `name`, `kind` and `text`, `numeric` or an image's `src`."""
    shown = []
    for feature in examples.schema.features:
        cell = {"name": feature.title, "kind": feature.kind}
        shown.append(cell | FEATURES[feature.kind].shown(feature, examples, position))
    return shown
