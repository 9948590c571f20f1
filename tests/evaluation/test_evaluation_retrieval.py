"""Ranks and recalls of retrieval, against literal ones."""

import itertools
import math

import numpy as np
import pytest

from kerasfusion.evaluation import retrieval as module
from kerasfusion.evaluation.retrieval import chance, rank_first, retrieval, rsum

# Scores of four texts (rows) with three images, through one-hot images.
IMAGES = np.eye(3)
TEXTS = np.array([[0.9, 0.1, 0.2], [0.3, 0.2, 0.8], [0.5, 0.4, 0.6], [0.1, 0.7, 0.7]])
OWNER = np.array([0, 0, 1, 2])


def test_ranks_by_hand():
    # Text 1 finds image 0 second; text 2 finds image 1 third; text 3's image 2 is level with image 1.
    np.testing.assert_array_equal(rank_first(TEXTS, IMAGES, (OWNER, np.arange(3))), [1, 2, 3, 1.5])
    # The best of an image's texts counts: .9 is first; .4 is behind .7; .7 is behind .8 alone.
    np.testing.assert_array_equal(rank_first(IMAGES, TEXTS, (np.arange(3), OWNER)), [1, 2, 2])


def test_both_directions():
    found = retrieval(IMAGES, TEXTS, OWNER)
    texts, images = found["text to image"], found["image to text"]
    assert texts.recall == {1: 0.25, 5: 1.0, 10: 1.0} and images.recall == {1: 1 / 3, 5: 1.0, 10: 1.0}
    assert texts.median_rank == 1.75 and images.median_rank == 2
    np.testing.assert_allclose(texts.mrr, (1 + 1 / 2 + 1 / 3 + 1 / 1.5) / 4)
    assert (texts.queries, texts.gallery, images.queries, images.gallery) == (4, 3, 3, 4)
    np.testing.assert_allclose(rsum(found), 100 * (0.25 + 1 / 3 + 4))


def test_many_queries_are_scored_in_parts(monkeypatch):
    monkeypatch.setattr(module, "QUERIES", 3)
    random = np.random.default_rng(0)
    queries, gallery = random.normal(size=(10, 4)), random.normal(size=(10, 4))
    scores = queries @ gallery.T
    expected = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(rank_first(queries, gallery, (np.arange(10), np.arange(10))), expected)


def test_one_score_for_everything_finds_nothing():
    found = retrieval(np.ones((40, 2)), np.ones((40, 2)), np.arange(40))
    assert found["text to image"].recall == {1: 0.0, 5: 0.0, 10: 0.0} and found["text to image"].median_rank == 20.5


def test_chance_is_the_mean_over_all_orders():
    owner = np.array([0, 1, 0, 2])
    ranks = {"image to text": [], "text to image": []}
    for order in itertools.permutations(range(4)):
        placed = np.argsort(order)
        ranks["image to text"] += [1 + min(placed[owner == image]) for image in range(3)]
    for order in itertools.permutations(range(3)):
        ranks["text to image"] += [1 + np.argsort(order)[image] for image in owner]
    for direction, found in chance(3, 4, owner).items():
        drawn = np.array(ranks[direction])
        assert found.recall == {k: pytest.approx((drawn <= k).mean()) for k in (1, 5, 10)}
        assert found.mrr == pytest.approx((1 / drawn).mean()) and found.median_rank == np.median(drawn)
    assert (found.queries, found.gallery) == (4, 3)


def test_chance_of_a_usual_gallery():
    found = chance(200, 1000, np.repeat(np.arange(200), 5))
    texts, images = found["text to image"], found["image to text"]
    assert texts.recall == {k: pytest.approx(k / 200) for k in (1, 5, 10)} and texts.median_rank == 100.5
    assert images.recall[1] == pytest.approx(5 / 1000) and images.median_rank == 130
    assert images.recall[10] == pytest.approx(1 - math.comb(995, 10) / math.comb(1000, 10))


def test_a_image_without_a_text_only_stands_in_the_way():
    found = retrieval(np.array([[1.0, 0], [0, 1], [2, 0]]), np.array([[1.0, 0], [0, 1]]), [0, 1])
    assert found["text to image"].recall[1] == 0.5 and found["image to text"].queries == 2


def test_bad_input():
    with pytest.raises(ValueError, match="from 0 to 2 for each of 4 texts"):
        retrieval(IMAGES, TEXTS, [0, 1, 2, 3])
    holey = np.where(np.arange(3)[:, None] == 1, np.nan, IMAGES)
    with pytest.raises(ValueError, match=r"item 1 is not finite \(1 of 3\)"):
        rank_first(TEXTS, holey, (OWNER, np.arange(3)))
    with pytest.raises(ValueError, match=r"Query 2 has no right item in the gallery \(1 of 3\)"):
        rank_first(IMAGES, IMAGES, (np.arange(3), np.array([0, 1, 1])))
