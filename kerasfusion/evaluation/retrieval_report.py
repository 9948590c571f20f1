"""How well images and texts find each other on a split, beside chance."""

import dataclasses

import numpy as np

from kerasfusion.evaluation.embedding import embed_images, embed_texts
from kerasfusion.evaluation.retrieval import both_ranks, chance, rsum, summarize
from kerasfusion.evaluation.scores import score_predictions
from kerasfusion.evaluation.statistics import BEATS, UNDECIDED, WORSE, three_state


@dataclasses.dataclass(frozen=True, eq=False)
class MatchReport:
    """A match on one split: what `TaskReport` is for a label.

    Args:
        task: The `Task`.
        model: The model's name.
        directions: `"image to text"` and `"text to image"` -> `Retrieval`.
        chance: The same as expected of random orders.
        first: Direction -> R@1 as a `Score`, whose interval has a design effect for the texts of one image.
        ranks: Direction -> float `(queries,)`, the rank of each query's best right item.
        rows: Positions of the texts in the examples.
        image_places: Places of the images in their bank.
        images: float32 `(m, d)`, their embeddings.
        texts: float32 `(n, d)`, those of the texts.
        image_of_text: int `(n,)`, the row in `images` of each text's image.
    """

    task: object
    model: str
    directions: dict
    chance: dict
    first: dict
    ranks: dict
    rows: np.ndarray
    image_places: np.ndarray
    images: np.ndarray
    texts: np.ndarray
    image_of_text: np.ndarray

    @property
    def answers(self):
        """What a run keeps of the test split, as it keeps the decisions of other tasks."""
        return {f"ranks, {direction}": ranks for direction, ranks in self.ranks.items()}

    @property
    def standing(self):
        """`"beats"` where both intervals of R@1 lie above chance, `"worse"` where one lies below, else undecided."""
        pairs = [(self.first[name], self.chance[name].recall[1]) for name in self.directions]
        states = [three_state(own.low - blind, own.high - blind) for own, blind in pairs]
        return states[0] if len(set(states)) == 1 else WORSE if WORSE in states else UNDECIDED

    @property
    def verdict(self):
        """One sentence: how often the right one comes first, and how often by chance."""
        said = {
            BEATS: "beats chance",
            UNDECIDED: "is not significantly different from chance",
            WORSE: "is worse than chance",
        }
        parts = [
            f"R@1 {name} {self.first[name]} (chance {self.chance[name].recall[1]:.1%})" for name in self.directions
        ]
        return (
            f"{self.task.title}: {self.model} {said[self.standing]}: {', '.join(parts)}; "
            f"rsum {rsum(self.directions):.1f} of 600 (chance {rsum(self.chance):.1f}), "
            f"{len(self.rows):,} texts and {len(self.image_places):,} images."
        )

    def to_dict(self):
        """As in `metrics.json`."""
        return {
            "type": "retrieval",
            "verdict": self.verdict,
            "standing": self.standing,
            "directions": {name: _plain(found) for name, found in self.directions.items()},
            "first": {name: dataclasses.asdict(found) for name, found in self.first.items()},
            "rsum": rsum(self.directions),
            "chance": {name: _plain(found) for name, found in self.chance.items()},
            "chance_rsum": rsum(self.chance),
        }


def match_report(name, model, examples, task):
    """Score a dual encoder on a split.

    Args:
        name: The model's name.
        model: What `kf.models.dual_encoder` made.
        examples: The split's `Examples`: rows with an image and a text ask and are found; an image without a text
            is found alone.
        task: The `Task`.

    Returns:
        MatchReport

    Raises:
        ValueError: No row has both an image and a text.
    """
    (image,) = examples.schema.of_kind("image")
    image_places, images = embed_images(model, examples)
    index = examples.arrays[image.name]
    rows = np.flatnonzero((examples.weights[task.name] > 0) & np.isin(index, image_places))
    if not len(rows):
        raise ValueError("No row has both an image that can be read and a text with a word in it: nothing to score.")
    texts = embed_texts(model, examples.take(rows))
    image_of_text = np.searchsorted(image_places, index[rows])
    ranks = both_ranks(images, texts, image_of_text)
    sizes = {"image to text": len(texts), "text to image": len(images)}
    directions = {direction: summarize(found, sizes[direction]) for direction, found in ranks.items()}
    groups = {"image to text": np.unique(image_of_text), "text to image": image_of_text}
    first = {
        direction: dataclasses.replace(
            score_predictions(task, np.ones(len(found)), found <= 1, groups[direction]), name="recall_at_1"
        )
        for direction, found in ranks.items()
    }
    blind = chance(len(images), len(texts), image_of_text)
    return MatchReport(task, name, directions, blind, first, ranks, rows, image_places, images, texts, image_of_text)


def shown_queries(found, queries=4, items=5, seed=0):
    """A few queries of each direction and the nearest items, to be looked at.

    Args:
        found: A `MatchReport`.
        queries: Queries of each direction, drawn from all.
        items: Items shown of each.
        seed: Seed of the drawing.

    Returns:
        dict: direction -> list of `(query, items, right)`: a place in `images` or `texts`, int `(items,)` places in
        the other, the nearest first, and bool `(items,)`.
    """
    random = np.random.default_rng(seed)
    shown = {}
    for direction in found.directions:
        by_text = direction == "text to image"
        asking = np.arange(len(found.texts)) if by_text else np.unique(found.image_of_text)
        gallery = found.images if by_text else found.texts
        shown[direction] = []
        for query in np.sort(random.choice(asking, min(queries, len(asking)), replace=False)):
            scores = gallery @ (found.texts if by_text else found.images)[query]
            nearest = np.argsort(-scores, kind="stable")[:items]
            right = nearest == found.image_of_text[query] if by_text else found.image_of_text[nearest] == query
            shown[direction].append((int(query), nearest, right))
    return shown


def _plain(found):
    return {**dataclasses.asdict(found), "recall": {str(k): value for k, value in found.recall.items()}}
