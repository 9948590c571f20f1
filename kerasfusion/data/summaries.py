"""Ranges, histograms and text lengths of several splits, as plain JSON."""

import numpy as np
import pandas as pd

from kerasfusion.data.captions import END
from kerasfusion.preprocessing.text import tokenize
from kerasfusion.schema import SPECIAL_TOKENS

MOST_BINS = 16
_UNKNOWN = SPECIAL_TOKENS.index("[UNK]")


def describe_texts(texts, ids, vocabulary, length, count=None):
    """Lengths and unknown tokens of texts, by split; `count` gives their lengths, of words if None."""
    count = count or (lambda distinct: tokenize(distinct).row_lengths().numpy())
    lengths, unknown = {}, {}
    for name, split in texts.items():
        codes, distinct = pd.factorize(split)
        lengths[name] = count(distinct)[codes]
        words = (ids[name] != 0) & (ids[name] != END)
        unknown[name] = float((ids[name] == _UNKNOWN).sum() / max(words.sum(), 1))
    return {
        "vocabulary": vocabulary,
        "length": length,
        "range": {name: value_range(values) for name, values in lengths.items()},
        "cut": {name: int((values > length).sum()) for name, values in lengths.items()},
        "unknown": unknown,
        **histogram(lengths),
    }


def value_range(values):
    """Smallest, middle, mean and largest of the values that are there, and how many are not."""
    values = np.asarray(values, "float64")
    there = values[~np.isnan(values)]
    figures = (there.min(), np.median(there), there.mean(), there.max()) if len(there) else (None,) * 4
    named = dict(zip(("smallest", "median", "mean", "largest"), figures, strict=True))
    return {**{k: v if v is None else float(v) for k, v in named.items()}, "missing": len(values) - len(there)}


def histogram(values):
    """Common bins for the values of all splits: `edges`, one more than bins, and split -> `counts`."""
    everything = np.concatenate(list(values.values()))
    if not len(everything):
        return {"edges": [], "counts": {name: [] for name in values}}
    low, high = float(everything.min()), float(everything.max())
    if (everything == np.round(everything)).all():
        # Whole numbers: every bin holds as many of them.
        step = max(1, int(np.ceil((high - low + 1) / MOST_BINS)))
        edges = np.arange(low, high + step + 0.5, step) - 0.5
    else:
        edges = np.linspace(low, high, MOST_BINS + 1)
    counts = {name: np.histogram(part, edges)[0].tolist() for name, part in values.items()}
    return {"edges": edges.tolist(), "counts": counts}
