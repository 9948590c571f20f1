"""Classical baselines of a run: fitted once, in seconds, and kept in its folder."""

import logging
import time

from kerasfusion.evaluation import BagOfWords

logger = logging.getLogger(__name__)

BAG_OF_WORDS = "bag of words + linear model"
# Within the run's folder.
FILE = "baselines/bag_of_words.npz"


def fit_classical(data, folder):
    """Fit the classical baselines on the training split, or read back those of an interrupted run.

    Args:
        data: The `Data`.
        folder: `pathlib.Path` of the run's folder.

    Returns:
        dict name -> `BagOfWords`; empty where the data has no text, or no task that it learns.
    """
    found = load_classical(folder)
    if found or not data.schema.of_kind("text"):
        return found
    started = time.perf_counter()
    baseline = BagOfWords(data.splits["train"], data.splits["validation"])
    if not baseline.models:
        return {}
    (folder / FILE).parent.mkdir(exist_ok=True)
    baseline.save(folder / FILE)
    logger.info(f"{BAG_OF_WORDS}: fitted in {time.perf_counter() - started:.1f} s")
    return {BAG_OF_WORDS: baseline}


def load_classical(folder):
    """Read the classical baselines of a run: dict name -> `BagOfWords`.

    Args:
        folder: `pathlib.Path` of the run's folder.
    """
    return {BAG_OF_WORDS: BagOfWords.load(folder / FILE)} if (folder / FILE).exists() else {}
