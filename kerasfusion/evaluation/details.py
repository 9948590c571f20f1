"""Where a model is right and wrong, row by row and class by class, as plain JSON for a report."""

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasfusion.evaluation.predict import decode_predictions
from kerasfusion.evaluation.thumbnails import thumbnail

# A matrix of more classes cannot be read; its largest cells beside the diagonal can.
MOST_MATRIX_CLASSES = 25
MOST_PAIRS = 20
MOST_POINTS = 500
EXAMPLES = 8
LONGEST_TEXT = 500


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
    task = found.task
    detail = {}
    if task.type == "regression":
        chosen = np.linspace(0, len(found.rows) - 1, min(MOST_POINTS, len(found.rows))).astype(int)
        detail["points"] = np.stack([found.labels, found.decided], axis=1)[chosen].astype(float).tolist()
    else:
        detail["classes"] = _by_class(found)
        if task.type != "multilabel":
            detail.update(_confusion(found))
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
    if found.task.type == "regression":
        order = np.argsort(-np.abs(found.decided - found.labels), kind="stable")
        return order, order[::-1]
    right = _is_right(found)
    order = np.argsort(-_confidence(found), kind="stable")
    return order[~right[order]], order[right[order]]


def example(found, examples, place):
    """One row as a page shows it: its number in the table, what went in, what came out."""
    position = int(found.rows[place])
    answer, label = (
        decode_predictions(found.task, found.decided[[place]])[0],
        decode_predictions(found.task, found.labels[[place]])[0],
    )
    shown = {"row": int(examples.frame.index[position]) + 1, "inputs": row_inputs(examples, position)}
    if found.task.type == "regression":
        return {**shown, "answer": float(answer), "label": float(label), "error": float(answer - label)}
    shown.update(answer=str(answer), label=str(label), probability=float(_confidence(found)[place]))
    if found.task.type == "multilabel":
        shown["tag"] = found.task.classes[int(_deciding_tag(found)[place])]
    return shown


def _is_right(found):
    same = found.decided == found.labels
    return same.all(axis=1) if found.task.type == "multilabel" else same


def _confidence(found):
    probabilities = found.prediction["probabilities"]
    if found.task.type != "multilabel":
        return probabilities.max(axis=1)
    sure = np.maximum(probabilities, 1 - probabilities)
    return sure[np.arange(len(sure)), _deciding_tag(found)]


def _deciding_tag(found):
    """The wrong tag that the model was surest of; of a row without one, the tag that it was least sure of."""
    probabilities = found.prediction["probabilities"]
    sure = np.maximum(probabilities, 1 - probabilities)
    wrong = found.decided != found.labels
    return np.where(wrong.any(axis=1), np.where(wrong, sure, -1).argmax(axis=1), sure.argmin(axis=1))


def _by_class(found):
    task = found.task
    kept = {} if task.type == "multilabel" else {"labels": np.arange(len(task.classes))}
    figures = precision_recall_fscore_support(
        found.labels.astype(int), found.decided.astype(int), average=None, zero_division=0, **kept
    )
    decided = (
        found.decided.sum(axis=0)
        if task.type == "multilabel"
        else np.bincount(found.decided.astype(int), minlength=len(task.classes))
    )
    return [
        {
            "name": name,
            "support": int(support),
            "decided": int(count),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
        }
        for name, count, precision, recall, f1, support in zip(task.classes, decided, *figures, strict=True)
    ]


def _confusion(found):
    classes = found.task.classes
    answers = np.stack([found.labels, found.decided], axis=1).astype(int)
    # Pairs that occur, not a matrix of all: thousands of classes would fill the memory.
    pairs, counts = np.unique(answers[answers[:, 0] != answers[:, 1]], axis=0, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    detail = {"pairs": [[classes[pairs[i, 0]], classes[pairs[i, 1]], int(counts[i])] for i in largest]}
    if len(classes) <= MOST_MATRIX_CLASSES:
        detail["matrix"] = confusion_matrix(*answers.T, labels=np.arange(len(classes))).tolist()
    return detail


def row_inputs(examples, position):
    """What went into one row: a list of dicts with `name`, `kind` and `text`, `numbers` or an image's `src`."""
    shown = []
    for feature in examples.schema.features:
        cell = {"name": feature.title, "kind": feature.kind}
        if feature.kind == "image":
            image = examples.images[feature.name][position]
            cell["given"] = bool(image >= 0)
            made = thumbnail(examples.banks[feature.name].encoded(image)) if image >= 0 else None
            if made is not None:
                cell["src"], (cell["width"], cell["height"]) = made
            path = examples.frame[feature.columns[0]].iloc[position]
            if isinstance(path, str) and not path.startswith("data:"):
                cell["path"] = path
        elif feature.kind == "text":
            text = examples.raw(feature)[position]
            cell["text"] = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"
        else:
            cells = examples.frame[list(feature.columns)].iloc[position]
            cell["numeric"] = {column: None if value != value else float(value) for column, value in cells.items()}
        shown.append(cell)
    return shown
