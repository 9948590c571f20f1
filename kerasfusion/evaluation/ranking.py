"""Recall and NDCG of ranked items, user by user."""

import dataclasses

import numpy as np

from kerasfusion.evaluation.statistics import Difference, bootstrap_interval


@dataclasses.dataclass(frozen=True)
class RankingScores:
    """How well the first k items of each user's ranking were chosen.

    Args:
        recall: float `(users,)`, share of a user's relevant items among the first k.
        ndcg: float `(users,)`, discounted gain of these, 1 / log2(1 + rank) each, relative to the best ranking.
    """

    recall: np.ndarray
    ndcg: np.ndarray

    def __str__(self):
        return f"recall {self.recall.mean():.4f}, NDCG {self.ndcg.mean():.4f}, {len(self.recall):,} users"


def score_ranking(scores, relevant, excluded=None, k=20):
    """Rank items for each user, and compare the first k with the relevant ones.

    Users without a relevant item are left out. Equal scores are ranked in any order.

    Args:
        scores: float `(users, items)`. Minus infinity is never ranked.
        relevant: bool `(users, items)`, dense or a SciPy sparse matrix.
        excluded: Optional bool `(users, items)`, dense or sparse, or `(items,)`: items that are not ranked, such as
            those of the training split. An excluded item is not relevant either.
        k: int, length of the ranking. Defaults to 20.

    Returns:
        RankingScores

    Raises:
        ValueError: If the shapes differ, a score is not a number, or no user has a relevant item.

    Example:

    ```python
    found = kf.evaluation.score_ranking(users @ items.T + bias, test, excluded=train, k=20)
    found.recall.mean(), found.ndcg.mean()
    ```
    """
    scores, relevant = np.array(scores, float), _dense(relevant)
    if scores.shape != relevant.shape:
        raise ValueError(f"The scores are {scores.shape}, but the relevant items {relevant.shape}.")
    if np.isnan(scores).any():
        user, item = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"The score of user {user} and item {item} is not a number.")
    if excluded is not None:
        excluded = np.broadcast_to(_dense(excluded), scores.shape)
        scores[excluded], relevant = -np.inf, relevant & ~excluded
    users = relevant.any(axis=1)
    if not users.any():
        raise ValueError("No user has a relevant item.")
    scores, relevant = scores[users], relevant[users]
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    hits = np.take_along_axis(relevant & np.isfinite(scores), best, axis=1)
    counts, discounts = relevant.sum(axis=1), 1 / np.log2(np.arange(k) + 2)
    ideal = np.cumsum(discounts)[np.minimum(counts, k) - 1]
    return RankingScores(hits.sum(axis=1) / counts, hits @ discounts / ideal)


def ranking_difference(first, second, seed=0):
    """Compare two models user by user, by the paired bootstrap over users.

    Args:
        first: float `(users,)`, the recall or NDCG of each user; or `(seeds, users)`, of which the mean is taken: the
            interval then holds for these seeds.
        second: The same of the other model.
        seed: int, seed of the resampling. Defaults to 0.

    Returns:
        Difference: how much better the first model is, with its 95 % interval and a `verdict`.

    Example:

    ```python
    kf.evaluation.ranking_difference(ours.ndcg, theirs.ndcg).verdict  # "beats"
    ```
    """
    gain = np.atleast_2d(first).mean(axis=0) - np.atleast_2d(second).mean(axis=0)
    return Difference(float(gain.mean()), *bootstrap_interval(gain, np.ones_like(gain), seed))


def _dense(matrix):
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix) > 0
