"""Classical baselines of a run: fitted once, in seconds, and kept in its folder."""

import logging
import time

from kerasfusion.evaluation import BagOfWords, BoostedColumns, SignalStatistics
from kerasfusion.evaluation.linear_baseline import NAMES
from kerasfusion.workflows.pretrained_features import ImageFeatures, TextFeatures

logger = logging.getLogger(__name__)

# By the name of their files in the run's folder.
KINDS = {
    "bag_of_words": BagOfWords,
    "text_features": TextFeatures,
    "image_features": ImageFeatures,
    "signal_statistics": SignalStatistics,
    "boosted_columns": BoostedColumns,
}


class ClassicalBaselines:
    """The classical baselines of one run.

    Args:
        members: dict key of `KINDS` -> baseline.
    """

    def __init__(self, members):
        self.members = members

    def predict(self, examples):
        """Predict with each baseline that can read the rows, and with the mean of words and images.

        Args:
            examples: `Examples`.

        Returns:
            dict name -> dict task -> dict with `probabilities` `(n, C)` or `value` `(n,)`.
        """
        members = {key: member for key, member in self.members.items() if member.reads(examples)}
        found = {key: member.predict(examples) for key, member in members.items()}
        named = {members[key].name: prediction for key, prediction in found.items()}
        if {"bag_of_words", "image_features"} <= found.keys():
            words, images = found["bag_of_words"], found["image_features"]
            named[NAMES["words_and_images"]] = {
                task: {key: (value + images[task][key]) / 2 for key, value in words[task].items()}
                for task in words
                if task in images
            }
        return named


def fit_classical(data, folder):
    """Fit the classical baselines on the training split, or read back those of an interrupted run.

    Args:
        data: The `Data`.
        folder: `pathlib.Path` of the run's folder.

    Returns:
        `ClassicalBaselines`; without members where the data has nothing for them, or no task that they learn.
    """
    members = load_classical(folder).members
    if not any(task.one_class or task.any_classes or task.is_number for task in data.schema.tasks):
        return ClassicalBaselines({})
    for key, kind in KINDS.items():
        if key not in members and kind.problem() is None and kind.suits(data):
            started = time.perf_counter()
            baseline = kind(data.splits["train"], data.splits["validation"])
            if baseline.models:
                (folder / "baselines").mkdir(exist_ok=True)
                baseline.save(folder / "baselines" / f"{key}.npz")
                logger.info(f"{kind.name}: fitted in {time.perf_counter() - started:.1f} s")
                members[key] = baseline
    return ClassicalBaselines(members)


def load_classical(folder):
    """Read the classical baselines of a run: `ClassicalBaselines`. Those whose weights are absent are left out.

    Args:
        folder: `pathlib.Path` of the run's folder.
    """
    members = {}
    for key, kind in KINDS.items():
        path = folder / "baselines" / f"{key}.npz"
        if path.exists():
            if kind.problem() is None:
                members[key] = kind.load(path)
            else:
                logger.info(f"Without the baseline {kind.name!r}: {kind.problem()}")
    return ClassicalBaselines(members)
