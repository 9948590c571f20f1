"""How near captions come to those that people wrote: BLEU, CIDEr and ROUGE-L, and how much of their own they say."""

import dataclasses
import importlib.util
import itertools

import numpy as np

from kerasfusion.evaluation.scores import Score, ratio
from kerasfusion.preprocessing.text import tokenize

# What stands in the reports beside the figures.
TOKENS = "words as kerasfusion.preprocessing.standardize makes them: lower case, without punctuation"


@dataclasses.dataclass(frozen=True)
class CaptionScores:
    """What captions of some images reached.

    Args:
        cider: CIDEr-D, mean over images, with its interval; pycocoevalcap's scale, on which 1 is often written 100.
            Of one image alone it is 0.
        bleu: BLEU-1 to BLEU-4 of all captions together, from 0 to 100.
        rouge_l: Mean ROUGE-L, from 0 to 1.
        words: Number of distinct words in all captions.
        novel: Share of the captions that are no training caption, None where these are not known.
        length: Mean number of words.
        signature: How BLEU was computed, as sacrebleu writes it.
        per_image: float `(n,)`, the CIDEr-D of each caption; not in `metrics.json`.
    """

    cider: Score
    bleu: tuple[float, float, float, float]
    rouge_l: float
    words: int
    novel: float | None
    length: float
    signature: str
    per_image: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)

    def to_dict(self):
        """As in `metrics.json`."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "per_image"}


def require_scorers():
    """Raise an `ImportError` that names the extra, where the packages that score captions are missing."""
    if missing := [name for name in ("sacrebleu", "pycocoevalcap") if importlib.util.find_spec(name) is None]:
        raise ImportError(
            f"Captions are scored by {' and '.join(missing)}: pip install 'kerasfusion[caption]'. (What is used of "
            "them needs no Java.)"
        )


def normalized(texts):
    """Texts in the one form in which they are compared: words with a blank between them.

    Args:
        texts: Sequence of str.

    Returns:
        list of str.
    """
    return [b" ".join(words).decode("utf-8") for words in tokenize(texts).to_list()]


def score_captions(captions, references, known=(), groups=None, seed=0):
    """Score captions against those that people wrote.

    Captions and references are brought into the same form by `normalized`; sacrebleu and pycocoevalcap take them as
    they are (no Java, no further tokenizer).

    Args:
        captions: Sequence of str `(n,)`, one for each image.
        references: Lists of str `(n,)`, all captions of each image, at least one.
        known: The training captions, for the share of novel ones.
        groups: int `(n,)`: captions of one group (the same image) are drawn together for the interval; None, each
            alone.
        seed: Seed of the interval.

    Returns:
        CaptionScores

    Raises:
        ImportError: The extra `[caption]` is not installed.
        ValueError: There are no captions, or an image has no reference.

    Example:

    ```python
    found = score_captions(["a dog runs"], [["a dog is running", "a brown dog runs"]])
    found.bleu[0]
    ```
    """
    require_scorers()
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from pycocoevalcap.rouge.rouge import Rouge
    from sacrebleu.metrics import BLEU

    bare = [place for place, own in enumerate(references) if not own]
    if not len(captions) or len(captions) != len(references) or bare:
        raise ValueError(
            f"Each caption needs a reference, at least one: {len(captions)} captions, {len(references)} lists of "
            f"references, {len(bare)} of them empty."
        )
    captions = normalized(captions)
    flat = iter(normalized([text for own in references for text in own]))
    references = [list(itertools.islice(flat, len(own))) for own in references]

    # The n-th reference of every image; None where an image has fewer.
    streams = list(itertools.zip_longest(*references))
    as_they_are = {"tokenize": "none", "smooth_method": "none", "force": True}
    scorers = [BLEU(max_ngram_order=order, **as_they_are) for order in (1, 2, 3, 4)]
    bleu = tuple(scorer.corpus_score(captions, streams).score for scorer in scorers)
    cider, rouge = CiderScorer(), Rouge()
    for caption, own in zip(captions, references, strict=True):
        cider += (caption, own)
    each = cider.compute_score()[1]
    known = set(normalized(list(known))) if len(known) else None
    words = [caption.split() for caption in captions]
    return CaptionScores(
        cider=ratio("cider", each, np.ones(len(each)), groups, seed),
        bleu=bleu,
        rouge_l=float(np.mean([rouge.calc_score([c], own) for c, own in zip(captions, references, strict=True)])),
        words=len(set(itertools.chain(*words))),
        novel=float(np.mean([caption not in known for caption in captions])) if known else None,
        length=float(np.mean([len(own) for own in words])),
        signature=str(scorers[-1].get_signature()),
        per_image=each,
    )
