"""How well a model puts the images of a split into words, beside captions that it has to beat."""

import dataclasses

import numpy as np
import pandas as pd

from kerasfusion.evaluation.caption_baselines import image_features, majority_caption, nearest_captions
from kerasfusion.evaluation.caption_scores import require_scorers, score_captions
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.scores import difference_to_best, standing, verdict
from kerasfusion.evaluation.statistics import Difference


@dataclasses.dataclass(frozen=True, eq=False)
class CaptionReport:
    """A caption on one split: what `TaskReport` is for a label.

    Args:
        task: The `Task`.
        scores: Name -> `CaptionScores`, the model first, then its baselines.
        captions: Name -> list of str `(n,)`, one for each image.
        references: Lists of str `(n,)`, what people wrote of each.
        rows: Positions of the images' first rows in the examples, `(n,)`.
        difference: The model's paired `Difference` of CIDEr to the best baseline, image by image; None without one.
    """

    task: object
    scores: dict
    captions: dict
    references: list
    rows: np.ndarray
    difference: Difference | None = None

    @property
    def ciders(self):
        """Name -> CIDEr, a `Score`: the figure that decides, as it alone has an interval over images."""
        return {name: found.cider for name, found in self.scores.items()}

    @property
    def answers(self):
        """What a run keeps of the test split, as it keeps the decisions of other tasks."""
        return {f"captions, {name}": np.array(written) for name, written in self.captions.items()}

    @property
    def standing(self):
        """The model's CIDEr beside the best baseline's, in the words of `scores.standing`."""
        return standing(self.difference)

    @property
    def verdict(self):
        """One sentence: whether the model beats the best of its baselines, and its BLEU-4."""
        own = next(iter(self.scores.values()))
        said = verdict(self.task.title, self.ciders, self.difference)
        return f"{said} BLEU-4 {own.bleu[3]:.1f}, {len(self.rows):,} images."

    def to_dict(self):
        """As in `metrics.json`."""
        return {
            "type": "captioning",
            "verdict": self.verdict,
            "standing": self.standing,
            "difference": None if self.difference is None else dataclasses.asdict(self.difference),
            "scores": {name: found.to_dict() for name, found in self.scores.items()},
        }


def caption_rows(examples, task):
    """What there is to caption: one row for each image, and what people wrote of it.

    Rows belong together where all that the model sees is the same: image, and texts where there are any.

    Args:
        examples: `Examples` with captions.
        task: Their `Task` of type `"captioning"`.

    Returns:
        tuple: int `(n,)`, positions of the images' first rows; lists of str `(n,)`, their captions. Rows without a
        caption, or an image that can be read, are left out.
    """
    (image,) = examples.schema.of_kind("image")
    index = examples.arrays[image.name]
    kept = np.flatnonzero((examples.weights[task.name] > 0) & (index >= 0))
    seen = {feature.name: examples.raw(feature)[kept] for feature in examples.schema.of_kind("text")}
    seen = pd.DataFrame({image.name: index[kept], **seen})
    places = seen.groupby(list(seen), sort=False).indices.values()
    texts = examples.frame[task.column].to_numpy(object)
    return np.array([kept[own[0]] for own in places], int), [texts[kept[own]].tolist() for own in places]


def write_and_score(models, examples, task, train=None):
    """Let models caption a split's images, greedily, and score what they wrote.

    Args:
        models: Name -> captioner, the one reported on first.
        examples: The split's `Examples`, with captions.
        task: The `Task`.
        train: As for `caption_report`; the nearest neighbor is found by the first model's own image encoder.

    Returns:
        CaptionReport

    Raises:
        ImportError: The extra `[caption]` is not installed.
        ValueError: No row has an image and a caption.
    """
    require_scorers()
    rows = caption_rows(examples, task)[0]
    written = {name: generate_captions(model, examples.take(rows)) for name, model in models.items()}
    features = None
    if train is not None:
        images = ((train, caption_rows(train, task)[0]), (examples, rows))
        features = [image_features(next(iter(models.values())), *own) for own in images]
    return caption_report(written, examples, task, train, features)


def caption_report(captions, examples, task, train=None, features=None):
    """Score captions of a split's images, and those of the baselines.

    Args:
        captions: Name -> list of str `(n,)`: what models wrote for the rows that `caption_rows` names, the one
            reported on first.
        examples: The split's `Examples`, with captions.
        task: The `Task`.
        train: Training `Examples`, for the baselines and the share of novel captions; None leaves these out.
        features: Features of the training images and of these, float `(m, d)` and `(n, d)`, in the order of their
            `caption_rows`, for the nearest neighbor; None leaves it out.

    Returns:
        CaptionReport

    Raises:
        ImportError: The extra `[caption]` is not installed.
        ValueError: No row has an image and a caption, or there are not as many captions as images.
    """
    rows, references = caption_rows(examples, task)
    if not len(rows):
        raise ValueError("No row has both an image that can be read and a caption: nothing to score.")
    (image,) = examples.schema.of_kind("image")
    captions, known = dict(captions), ()
    if train is not None:
        _, seen = caption_rows(train, task)
        known = [caption for own in seen for caption in own]
        captions["majority"] = [majority_caption(known)] * len(rows)
        if features is not None:
            captions["nearest neighbor"] = nearest_captions(features[1], features[0], [own[0] for own in seen])
    groups = examples.arrays[image.name][rows]
    scores = {name: score_captions(own, references, known, groups) for name, own in captions.items()}
    terms = {name: (found.per_image, np.ones(len(rows))) for name, found in scores.items()}
    difference = difference_to_best({name: found.cider for name, found in scores.items()}, terms, groups)
    return CaptionReport(task, scores, captions, references, rows, difference)


def shown_images(found, count, seed=0):
    """A few images to be looked at, drawn from all; of several draws with one seed the smaller is in the larger.

    Args:
        found: A `CaptionReport`.
        count: How many.
        seed: Seed of the drawing.

    Returns:
        int `(count,)` or fewer: places in `found.rows`.
    """
    return np.random.default_rng(seed).permutation(len(found.rows))[:count]
