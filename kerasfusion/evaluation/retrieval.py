"""How well one modality finds the other in a shared space."""

import dataclasses

import numpy as np

KS = (1, 5, 10)

# Queries scored at once: 1,024 against a million items are 4 GB of float32.
QUERIES = 256


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """What one direction of retrieval reached.

    Args:
        recall: K -> share of the queries with a right item among the K nearest, R@K.
        median_rank: Median over queries of the rank of the best right item; 1 is first.
        mrr: Mean of the inverse of that rank.
        queries: Number of queries.
        gallery: Number of items searched.
    """

    recall: dict
    median_rank: float
    mrr: float
    queries: int
    gallery: int


def rank_first(queries, gallery, right):
    """The rank of each query's best right item by inner product.

    Args:
        queries: float `(n, d)`.
        gallery: float `(m, d)`.
        right: `(n, )` and `(m, )`: the group of each query and of each item; those of one group belong together.

    Returns:
        float `(n,)`: 1 is first. Wrong items that score exactly as the best right one stand half before it and half
        behind, so a model that gives everything the same score gains nothing.

    Raises:
        ValueError: a query without a right item, or an embedding that is not finite.
    """
    of_query, of_item = (np.asarray(group) for group in right)
    for name, matrix in (("query", queries), ("item", gallery)):
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if len(bad):
            raise ValueError(f"The embedding of {name} {bad[0]} is not finite ({len(bad)} of {len(matrix)}).")
    lonely = np.flatnonzero(~np.isin(of_query, of_item))
    if len(lonely):
        raise ValueError(f"Query {lonely[0]} has no right item in the gallery ({len(lonely)} of {len(queries)}).")
    ranks = []
    for start in range(0, len(queries), QUERIES):
        part = slice(start, start + QUERIES)
        scores = queries[part] @ gallery.T
        same = of_query[part, None] == of_item
        best = np.where(same, scores, -np.inf).max(axis=1, keepdims=True)
        before = (scores > best).sum(axis=1)  # all of them wrong
        level = ((scores == best) & ~same).sum(axis=1)
        ranks.append(1 + before + level / 2)
    return np.concatenate(ranks)


def summarize(ranks, gallery):
    """`Retrieval` of the ranks that `rank_first` gave.

    Args:
        ranks: float `(n,)`.
        gallery: Number of items searched.
    """
    recall = {k: float((ranks <= k).mean()) for k in KS}
    return Retrieval(recall, float(np.median(ranks)), float((1 / ranks).mean()), len(ranks), gallery)


def retrieval(images, texts, image_of_text):
    """Score a shared space in both directions.

    Args:
        images: float `(m, d)`, one row per image; L2-normalized for cosines.
        texts: float `(n, d)`, one row per text.
        image_of_text: int `(n,)`, the row in `images` of the image that each text belongs to.

    Returns:
        dict: `"image to text"` and `"text to image"` -> `Retrieval`, the best of an image's texts counting. Images
        without a text are in the gallery, but ask nothing.

    Raises:
        ValueError: `image_of_text` names an image that is not there, or an embedding is not finite.

    Example:

    ```python
    found = retrieval(images, texts, np.repeat(np.arange(len(images)), 5))
    found["text to image"].recall[1]  # R@1
    ```
    """
    sizes = {"image to text": len(texts), "text to image": len(images)}
    return {name: summarize(ranks, sizes[name]) for name, ranks in both_ranks(images, texts, image_of_text).items()}


def both_ranks(images, texts, image_of_text):
    """The ranks behind `retrieval`, whose arguments it takes: dict direction -> float `(queries,)`.

    Images that have a text ask in their order, and texts in theirs.
    """
    image_of_text = np.asarray(image_of_text)
    if len(image_of_text) != len(texts) or (image_of_text < 0).any() or (image_of_text >= len(images)).any():
        raise ValueError(
            f"image_of_text must name an image from 0 to {len(images) - 1} for each of {len(texts)} texts."
        )
    asking = np.unique(image_of_text)
    return {
        "image to text": rank_first(images[asking], texts, (asking, image_of_text)),
        "text to image": rank_first(texts, images, (image_of_text, np.arange(len(images)))),
    }


def chance(images, texts, image_of_text):
    """What is expected of a gallery in random order: the row that a model has to beat.

    Nothing is drawn. Of n items with r right ones, none is among the first K in a share of C(n − r, K) / C(n, K) of
    all orders.

    Args:
        images: Number of images.
        texts: Number of texts.
        image_of_text: As for `retrieval`.

    Returns:
        dict: As from `retrieval`: the expected R@K and MRR, and the median of the distribution of all queries' ranks.

    Example:

    ```python
    chance(750, 3750, np.repeat(np.arange(750), 5))["text to image"].recall[10]  # 10 / 750
    ```
    """
    right = np.unique(np.asarray(image_of_text), return_counts=True)[1]
    return {
        "image to text": _expected(right, texts),
        "text to image": _expected(np.ones(texts, int), images),
    }


def _expected(right, gallery):
    """`Retrieval` of queries with so many right items each, int `(n,)`, in random orders of the gallery."""
    ranks = np.arange(1, gallery + 1)
    share = np.zeros(gallery)
    for count, queries in zip(*np.unique(right, return_counts=True), strict=True):
        # That all of the first k are wrong: each of them is, given those before.
        none = np.cumprod(np.maximum(gallery - count - ranks + 1, 0) / (gallery - ranks + 1))
        share += queries / len(right) * -np.diff(none, prepend=1.0)
    within = np.cumsum(share)
    # Where the half lies between two ranks, as for an even number of queries, their middle.
    median = (np.searchsorted(within, 0.5 - 1e-12) + np.searchsorted(within, 0.5 + 1e-12)) / 2 + 1
    recall = {k: float(within[min(k, gallery) - 1]) for k in KS}
    return Retrieval(recall, float(median), float((share / ranks).sum()), len(right), gallery)


def rsum(found):
    """The sum of R@1, R@5 and R@10 of both directions in percent, at most 600."""
    return 100 * sum(sum(direction.recall.values()) for direction in found.values())
