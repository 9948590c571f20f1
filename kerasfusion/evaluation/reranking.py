"""What a model that sees image and text together makes of the first items that a dual encoder found."""

import dataclasses

import numpy as np

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.evaluation.retrieval import QUERIES, Retrieval, summarize
from kerasfusion.evaluation.retrieval_report import match_report
from kerasfusion.evaluation.statistics import Difference, by_group, linear_values, paired_difference
from kerasfusion.models import image_major

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class RerankingResult:
    """Retrieval on one split, before and after its first items were put into another order.

    Args:
        k: How many were.
        before: `"image to text"` and `"text to image"` -> `Retrieval` by the dual encoder, as in its run's report.
        after: The same with the new order.
        gain: Direction -> R@1 after minus before as a paired `Difference`: both orders are of the same queries, and
            those of one image count as one.
    """

    k: int
    before: dict[str, Retrieval]
    after: dict[str, Retrieval]
    gain: dict[str, Difference]

    def __str__(self):
        lines = []
        for name, gain in self.gain.items():
            first = " to ".join(f"{part[name].recall[1]:.1%}" for part in (self.before, self.after))
            ends = ", ".join(f"{100 * end:+.1f}" for end in (gain.low, gain.high))
            lines.append(f"{name}: R@1 {first}, {100 * gain.value:+.1f} points [{ends}]")
        return "\n".join(lines)


def rerank(dual, fused, examples, k=10):
    """Search by a dual encoder, and put the first items of each query into the order that a fused model gives.

    The dual encoder compares a query with everything; the fused model looks at `k` pairs of it. An item behind those
    stays where it is, so no recall from `k` on can change.

    Args:
        dual: What `kf.models.dual_encoder` made.
        fused: A plain model with one binary task, whether image and text belong together, such as one trained on
            `kf.workflows.mine_hard_negatives`. It must take the same features.
        examples: The split's `Examples` of the match.
        k: Items of each query that the fused model sees.

    Returns:
        Reranked

    Raises:
        ValueError: `k` below 1, the fused model has more than one logit, or nothing to score.

    Example:

    ```python
    print(kf.evaluation.rerank(dual.model, fused.model, data.splits["validation"]))
    ```
    """
    if k < 1:
        raise ValueError(f"rerank: k must be 1 at least, not {k}.")
    if [output.shape[-1] for output in fused.output.values()] != [1]:
        raise ValueError(f"rerank: {fused.name} must have one binary task; it has {list(fused.output)}.")
    (task,) = examples.schema.of_type("retrieval")
    found = match_report(dual.name, dual, examples, task)
    asking, texts = np.unique(found.image_of_text), np.arange(len(found.texts))
    # The images and the texts that the fused model is shown, each `(queries, k)`.
    pairs = {
        "image to text": (asking[:, None], _nearest(found.images[asking], found.texts, k)),
        "text to image": (_nearest(found.texts, found.images, k), texts[:, None]),
    }
    keys = {name: image * len(texts) + text for name, (image, text) in pairs.items()}
    # A pair that both directions ask for is looked at once.
    distinct = np.unique(np.concatenate([part.reshape(-1) for part in keys.values()]))
    scores = _pair_scores(
        fused, examples, found.image_places[distinct // len(texts)], found.rows[distinct % len(texts)]
    )
    after, gain = {}, {}
    for name, (image, text) in pairs.items():
        before, of_query = found.ranks[name], asking if name == "image to text" else found.image_of_text
        right = found.image_of_text[text] == image
        ranks = _reordered(before, scores[np.searchsorted(distinct, keys[name])], right)
        after[name] = summarize(ranks, found.directions[name].gallery)
        # Of both orders, so that images whose queries stay as they are make the interval narrower.
        gain[name] = paired_difference(*(_first_share(part, of_query) for part in (ranks, before)), share=True)
    return RerankingResult(k, found.directions, after, gain)


def _first_share(ranks, groups):
    """Values of images whose mean is R@1."""
    return linear_values(by_group(ranks <= 1, groups), by_group(np.ones(len(ranks)), groups))


def _nearest(queries, gallery, k):
    """Places of the first items of each query, int `(queries, k)`, or fewer where there are fewer items."""
    parts = [np.zeros((0, min(k, len(gallery))), int)]
    for start in range(0, len(queries), QUERIES):
        scores = queries[start : start + QUERIES] @ gallery.T
        parts.append(np.argsort(-scores, axis=1, kind="stable")[:, :k])
    return np.concatenate(parts)


def _reordered(ranks, scores, right):
    """The rank of each query's best right item after its first items were put into the order of new scores.

    Args:
        ranks: float `(queries,)`, as from `rank_first`.
        scores: float `(queries, k)`, the new scores of the first items.
        right: bool `(queries, k)`, which of them are right.

    Returns:
        float `(queries,)`; the old rank where no right item is among them. Ties count as in `rank_first`.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    level = ((scores == best) & ~right).sum(axis=1)
    return np.where(right.any(axis=1), 1 + (scores > best).sum(axis=1) + level / 2, ranks)


def _pair_scores(model, examples, places, rows):
    """The only logit of a model for pairs of an image, by its place in the bank, and a row's text: float `(pairs,)`.

    The image's branch runs once for all texts of an image.
    """
    (image,) = examples.schema.of_kind("image")
    asked = examples.take(rows).without_labels()
    asked = dataclasses.replace(
        asked,
        arrays={**asked.arrays, image.name: places.astype("int32")},
        present={**asked.present, image.name: places >= 0},
    )
    batches, wrapper = BatchedDataset(asked, BATCH_SIZE, image_major=True), image_major(model, image.name)
    scores = np.zeros(len(rows))
    for order, x in zip(batches.order(0), batches.dataset().as_numpy_iterator(), strict=True):
        (logits,) = wrapper.predict_on_batch(x).values()
        places = batches.entries[order[order >= 0], : logits.shape[1]]
        scores[places[places >= 0]] = logits[places >= 0, 0]
    return scores
