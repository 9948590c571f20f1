"""Captions as a table has them, one in a row or a list of several for one image -> what a decoder learns."""

import dataclasses

import numpy as np

from kerasfusion.data.labels import is_list, written_list
from kerasfusion.data.table import is_missing
from kerasfusion.preprocessing.text import text_vectorizer, tokenize
from kerasfusion.schema import SPECIAL_TOKENS

START, END = (SPECIAL_TOKENS.index(token) for token in ("[START]", "[END]"))


def one_caption_per_row(frame, column):
    """Give every caption a row of its own, beside the same image.

    Args:
        frame: A frame from `read_table`.
        column: Its captions: strings, lists of strings, or such lists written as text, as JSON and Python do.

    Returns:
        The frame, longer where a cell is a list; the rows of one list share the index of the table's row. An empty
        list stays what it is, a caption without a word.

    Example:
    ```python
    frame = pd.DataFrame({"photo": ["cat.png", "dog.png"], "caption": [["a cat", "a black cat"], "a dog"]})
    one_caption_per_row(frame, "caption")["caption"].tolist()  # ["a cat", "a black cat", "a dog"]
    ```
    """
    cells = frame[column].tolist()
    lists = [_list_of(cell) for cell in cells]
    if not any(lists):
        return frame
    captions = [found or [cell] for cell, found in zip(cells, lists, strict=True)]
    frame = frame.copy(deep=False)
    frame[column] = captions
    return frame.explode(column)


def without_wordless(series):
    """The column with None in place of captions without a word: empty lists, and punctuation alone."""
    empty = np.array([_list_of(cell) == [] for cell in series], bool)
    texts = series.mask(empty | is_missing(series))
    words = tokenize(texts.fillna("").astype(str)).row_lengths().numpy()
    return texts.where(words > 0, None)


def encode_captions(texts, task):
    """Captions as token ids.

    Args:
        texts: Strings `(n,)`.
        task: A `Task` of type `"captioning"`, with vocabulary and length.

    Returns:
        int32 `(n, task.length)`: 2 (start), words, 3 (end), zeros. A caption that is too long is cut and has no end,
        so that nobody learns to stop there.
    """
    # The task has all that the vectorizer takes of a feature; the start is put before what it gives.
    words = text_vectorizer(dataclasses.replace(task, length=task.length - 1))
    ids = words(np.asarray(texts, object)).numpy().astype("int32")
    count = (ids != 0).sum(axis=1)
    ends = np.flatnonzero(count < ids.shape[1])
    ids[ends, count[ends]] = END
    return np.insert(ids, 0, START, axis=1)


def _list_of(cell):
    """The captions of a cell that holds a list, else None."""
    if is_list(cell):
        return list(cell)
    written = written_list(cell.strip()) if isinstance(cell, str) else None
    return written if written is not None and all(isinstance(caption, str) for caption in written) else None
