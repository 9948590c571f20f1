"""Recall and NDCG against their definitions, with excluded items; the bootstrap over users."""

import numpy as np
import pytest
from scipy import sparse

from kerasfusion.evaluation import ranking_difference, score_ranking


def test_recall_and_ndcg():
    scores = [[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]]
    relevant = np.array([[0, 1, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]], bool)
    found = score_ranking(scores, relevant, k=2)
    # Ranked 0, 1 and 3, 2: each has one relevant item at the second place; the third user has none.
    second = 1 / np.log2(3)
    np.testing.assert_allclose(found.recall, [1 / 2, 1 / 3])
    np.testing.assert_allclose(found.ndcg, [second / (1 + second)] * 2)
    assert str(found) == "recall 0.4167, NDCG 0.3869, 2 users"


def test_excluded_items_are_neither_ranked_nor_relevant():
    scores, relevant = [[0.9, 0.8, 0.7, 0.1]], sparse.csr_array(np.array([[1, 0, 1, 0]], bool))
    excluded = np.array([[True, False, False, False]])
    found = score_ranking(scores, relevant, excluded, k=2)
    np.testing.assert_allclose(found.recall, [1.0])
    np.testing.assert_allclose(found.ndcg, [1 / np.log2(3)])
    np.testing.assert_allclose(score_ranking(scores, relevant, excluded[0], k=9).recall, [1.0])
    # An item with a score of minus infinity is never found.
    assert score_ranking([[0.0, -np.inf]], np.array([[0, 1]]), k=2).recall.tolist() == [0.0]


def test_invalid_scores():
    with pytest.raises(ValueError, match=r"scores are \(1, 2\)"):
        score_ranking([[0.0, 1.0]], np.ones((1, 3)))
    with pytest.raises(ValueError, match="user 0 and item 1 is not a number"):
        score_ranking([[0.0, np.nan]], np.ones((1, 2)))
    with pytest.raises(ValueError, match="No user has a relevant item"):
        score_ranking([[0.0, 1.0]], np.zeros((1, 2)))


def test_differences_are_paired_by_user():
    rng = np.random.default_rng(0)
    second = rng.random(400)
    first = np.stack([second + 0.02, second + 0.04]) + rng.normal(0, 0.05, (2, 400))
    found = ranking_difference(first, second)
    error = (first.mean(axis=0) - second).std() / 20
    np.testing.assert_allclose(
        [found.value, found.low, found.high], [0.03, 0.03 - 1.96 * error, 0.03 + 1.96 * error], atol=0.004
    )
    assert found.verdict == "beats" and ranking_difference(second, first).verdict == "worse"
    assert ranking_difference(second, second).verdict == "not significantly different"
