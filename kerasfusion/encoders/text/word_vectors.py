from pathlib import Path

import numpy as np

# Published vectors have 25 to 4,096 numbers; a file that has more is something else.
MAX_LINE, MAX_WIDTH = 2**20, 8192


def load_word_vectors(path, vocabulary):
    """Load pretrained word vectors from a text file in GloVe or fastText format.

    Each line holds a word and its numbers. A first line with two integers (number of words, width), as in fastText's
    files, is skipped. Words are matched exactly as the vocabulary spells them: in lower case, without punctuation. If
    a word occurs twice, the first line is used.

    Args:
        path: Path of the file, UTF-8.
        vocabulary: sequence of str, words to look up, such as `schema["text"].vocabulary`.

    Returns:
        tuple: float32 array `(n, e)`, the vectors of the `n` words, zero for words that the file lacks; and bool
            `(n,)`,
        True for words that were found.

    Raises:
        ValueError: a line that is not a word and its numbers (the message names the line), a line longer than a
            million characters or with more than 8,192 numbers, or no word found at all.
        FileNotFoundError: if there is no such file.

    Example:

    ```python
    vectors, found = kf.encoders.load_word_vectors("glove.txt", data.schema["text"].vocabulary)
    print(f"{found.mean():.0%} of the words found")
    ```
    """
    place = {word: i for i, word in enumerate(vocabulary)}
    found, width, vectors = np.zeros(len(place), bool), None, None
    with Path(path).open(encoding="utf-8", errors="replace") as lines:
        # Line by line, and no line without end: memory is bounded whatever the file is.
        for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE + 1), ""), 1):
            if len(line) > MAX_LINE:
                raise ValueError(f"{path}, line {number} has more than {MAX_LINE:,} characters; is it a text file?")
            if not line.strip() or (number == 1 and all(field.isdigit() for field in line.split())):
                continue
            if vectors is None:
                width = len(line.split()) - 1
                if width > MAX_WIDTH:
                    raise ValueError(f"{path}, line {number} has {width:,} numbers; at most {MAX_WIDTH:,} are read.")
                vectors = np.zeros((len(place), width), "float32")
            # From the right: some files have words with a space in them.
            word, *values = line.rsplit(maxsplit=width)
            if len(values) != width or width < 1:
                wanted = f"{width} numbers" if width else "its numbers"
                raise ValueError(f"{path}, line {number}: expected a word and {wanted}, not {line[:60]!r}.")
            i = place.get(word)
            if i is None or found[i]:
                continue
            try:
                vectors[i] = values
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: the word {word!r} is not followed by numbers.") from error
            if not np.isfinite(vectors[i]).all():
                raise ValueError(f"{path}, line {number}: the vector of {word!r} is not finite.")
            found[i] = True
    if not found.any():
        raise ValueError(
            f"{path} has none of the {len(place)} words. It must be a text file with one word and its numbers a line."
        )
    return vectors, found
