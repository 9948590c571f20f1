"""Names that Keras layers, SavedModel signatures and servers all accept, made from the names of columns."""

import hashlib
import keyword
import re
import unicodedata

from kerasfusion.feature_kinds import FEATURE_KINDS

RULE = "ASCII letters, digits and _, a letter first, at most 100 characters, and no Python keyword"
LONGEST = 100
_DIGEST = 6

# Layers and values that a model makes for each feature and task, by which two safe names may still clash.
_FEATURE = {
    "layer": ("{}", "{}_present", "encode_{}", "decode_{}", "noise_{}", "head_{}"),
    "value": ("{}", "{}_present", "{}_bytes", "{}_ok", "{}_probabilities"),
}
# `val_` is what Keras puts before the logs of a validation split.
_TASK = {"layer": ("head_{}", "average_{}"), "value": ("{}", "{}_probabilities", "val_{}")}
_LAYERS: tuple[str, ...] = ("code", "context", "decoder", "fusion", "tagger", "tags_as_words")
# Single-modality models, one of them by its name of version 0.1.
_LAYERS += (*(f"{kind}_only" for kind in FEATURE_KINDS), "numbers_only")
_VALUES = ("embedding", "probabilities", "val")
# What a request to a captioner or a dual encoder may say besides its features.
_REQUESTS = ("labels", "prompt", "seed", "strategy", "temperature", "top_k", "top_p")


def safe_names(columns, taken=(), task=False):
    """Name features or tasks after their columns, so that the names are safe and do not clash.

    A name that is safe already stays. Otherwise letters lose their accents, other characters become `_`, and what
    would still not be safe or not be unique gets `column_` before it or a digest of the column's own name behind it.

    Args:
        columns: Names of columns, any strings.
        taken: What other names claim, from `claims`.
        task: The columns are labels and not features.

    Returns:
        dict column -> name.

    Example:

    >>> safe_names(["front view", "Größe", "a/b", "123"])
    {'front view': 'front_view', 'Größe': 'grosse', 'a/b': 'a_b', '123': 'column_123'}
    """
    columns = list(dict.fromkeys(columns))
    taken, found = set(taken), {}
    # Names that are safe come first: no other column may take them.
    for column in sorted(columns, key=lambda column: not is_safe(column)):
        found[column] = next(name for name in _candidates(column) if not claims(name, task) & taken)
        taken |= claims(found[column], task)
    return {column: found[column] for column in columns}


def is_safe(name):
    """Whether a name is safe by itself: see `RULE`."""
    # TensorFlow calls a signature with its inputs as keywords, beside its own `self`.
    forbidden = keyword.iskeyword(name) or name.lower() == "self"
    return bool(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)) and len(name) <= LONGEST and not forbidden


def claims(name, task=False):
    """What no other feature or task of a schema may claim as well, in any case of its letters: set of pairs."""
    patterns = _TASK if task else _FEATURE
    return {(sort, pattern.format(name.lower())) for sort, known in patterns.items() for pattern in known}


def reserved(with_requests=False):
    """What models claim for themselves (see `claims`); `with_requests`, captioners and dual encoders too."""
    values = (*_VALUES, *_REQUESTS) if with_requests else _VALUES
    return {("layer", name) for name in _LAYERS} | {("value", name) for name in values}


def is_named_after(name, column):
    """Whether `safe_names` may have given this name to this column."""
    plain, longer = (next(names) for names in (_candidates(column), _longer(column)))
    return name == plain or name.startswith(longer)


def _candidates(column):
    yield _plain(column)
    yield from _longer(column)


def _longer(column):
    """The column's name with a digest, which no other column has; then with a number, for a name that is taken."""
    name = _with_digest(_plain(column), column)
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _plain(column):
    if is_safe(column):
        return column
    letters = unicodedata.normalize("NFKD", column.casefold()).lower()
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub("[^a-z0-9]+", "_", letters).strip("_")
    lost = not name or any(letter.isalnum() and not letter.isascii() for letter in letters)
    name = name or "column"
    if not is_safe(name[:LONGEST]):
        name = f"column_{name}"
    return _with_digest(name, column) if lost or len(name) > LONGEST else name


def _with_digest(name, column):
    digest = hashlib.sha256(column.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    # Room for the number of a name that is taken.
    return f"{name[: LONGEST - _DIGEST - 5]}_{digest}"
