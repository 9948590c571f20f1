"""Summaries of videos: which segments are chosen by their scores, and how they agree with people's."""

import numpy as np
from scipy import stats


def choose_segments(scores, share=0.15, durations=None):
    """Choose the segments with the highest sum of scores that fit into a share of the video (a 0/1 knapsack).

    Segments of one length need no knapsack: the best ones are chosen, of equal ones the first.

    Args:
        scores: float `(T,)`, one score per segment, none below 0.
        share: float, most of the total duration that is chosen. Defaults to 0.15, as in the TVSum protocol.
        durations: Optional int `(T,)`, length of each segment, such as its number of frames. Defaults to `None`: one
            for all.

    Returns:
        bool `(T,)`.

    Example:

    >>> choose_segments([0.1, 0.9, 0.8, 0.3], 0.5, [10, 30, 10, 10]).tolist()
    [False, False, True, True]
    """
    scores = np.asarray(scores, float)
    durations = np.ones(len(scores), int) if durations is None else np.asarray(durations)
    capacity = int(share * durations.sum() + 1e-9)
    if (durations == durations[0]).all():
        chosen = np.zeros(len(scores), bool)
        chosen[np.argsort(-scores, kind="stable")[: capacity // durations[0]]] = True
        return chosen
    best = np.zeros((len(scores) + 1, capacity + 1))
    for i, (score, duration) in enumerate(zip(scores, durations, strict=True)):
        best[i + 1] = best[i]
        if duration <= capacity:
            best[i + 1, duration:] = np.maximum(best[i, duration:], best[i, : capacity + 1 - duration] + score)
    chosen, left = np.zeros(len(scores), bool), capacity
    for i in range(len(scores) - 1, -1, -1):
        chosen[i] = best[i + 1, left] > best[i, left]
        left -= durations[i] * chosen[i]
    return chosen


def summary_f1(chosen, references, durations=None):
    """F1 of a summary with each of several: twice the common duration over the sum of both.

    Args:
        chosen: bool `(T,)`.
        references: bool `(n, T)`, summaries to compare with.
        durations: Optional `(T,)`, as for `choose_segments`.

    Returns:
        float `(n,)`; 0 where both are empty.

    Example:

    >>> summary_f1([True, True, False], [[True, False, False], [False, False, True]]).round(2).tolist()
    [0.67, 0.0]
    """
    weights = np.ones(len(chosen)) if durations is None else np.asarray(durations, float)
    chosen, references = np.asarray(chosen, bool), np.asarray(references, bool)
    common = (references & chosen) @ weights
    return 2 * common / np.maximum(references @ weights + chosen @ weights, 1e-12)


def rank_correlations(scores, references):
    """Kendall's tau-b and Spearman's rho of scores with each of several (arXiv 1903.11328).

    Unlike F1 they depend neither on the segments nor on the knapsack.

    Args:
        scores: float `(T,)`.
        references: float `(n, T)`, such as one row of scores per annotator.

    Returns:
        tuple: tau and rho, float `(n,)` each. Scores that are all the same rank nothing: 0.

    Example:

    >>> [values.round(2).tolist() for values in rank_correlations([1, 2, 3, 4], [[1, 2, 4, 3], [2, 2, 2, 2]])]
    [[0.67, 0.0], [0.8, 0.0]]
    """
    scores, found = np.asarray(scores), np.zeros((2, len(references)))
    for i, reference in enumerate(references):
        if np.ptp(scores) > 0 and np.ptp(reference) > 0:
            found[:, i] = stats.kendalltau(scores, reference).statistic, stats.spearmanr(scores, reference).statistic
    return found[0], found[1]
