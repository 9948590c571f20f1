"""Texts that identify a group of rows, such as a name: memorized in training, and of no use for other groups."""

import numpy as np

from kerasfusion.schema import SPECIAL_TOKENS, TOKENIZERS

UNKNOWN = 1
# Shares of training rows whose text repeats, of validation rows whose text training has, and of their known words.
MIN_REPEATED, MAX_SHARED, MAX_KNOWN = 0.5, 0.05, 0.5


def identifier_note(data, feature):
    """Say why a text feature is an identifier; None where it is a text to learn from.

    Most training rows share their text with others, hardly any validation row has a text of training, and most words
    of its texts are unknown: the name of the person in each photo, split by person. (Questions recur in the
    validation split, and descriptions that several rows share have words in common.)

    Args:
        data: What `kf.data.load` returned.
        feature: A `Feature` of kind `"text"`.

    Returns:
        str or None
    """
    if feature.tokenizer not in TOKENIZERS[:2]:
        return None
    train, validation = (data.splits[name].raw(feature) for name in ("train", "validation"))
    texts, counts = np.unique(train[train != ""], return_counts=True)
    asked = validation[validation != ""]
    if not (len(texts) and len(asked)):
        return None
    ids = data.splits["validation"].arrays[feature.name]
    words = (ids >= len(SPECIAL_TOKENS)).sum()
    known = words / max(1, words + (ids == UNKNOWN).sum())
    repeated, shared = counts[counts > 1].sum() / counts.sum(), np.isin(asked, texts).mean()
    if repeated < MIN_REPEATED or shared > MAX_SHARED or known > MAX_KNOWN:
        return None
    return (
        f"{feature.title!r} is left out, as it identifies groups of rows: its texts repeat in training, hardly any "
        f"of them occurs in the validation split, and {1 - known:.0%} of the words there are unknown"
    )
