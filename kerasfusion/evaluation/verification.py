"""Verification: ROC curve and equal error rate of scores of pairs, which are of the same person or thing or not."""

import dataclasses

import numpy as np
from sklearn.metrics import auc, roc_curve

from kerasfusion.evaluation.statistics import LEVEL, RESAMPLES, Difference


@dataclasses.dataclass(frozen=True, eq=False)
class VerificationScores:
    """How well scores separate pairs of the same from pairs of different ones.

    Args:
        eer: float, equal error rate: the share of errors at the threshold at which as many of the same pairs are
            rejected as different ones are accepted.
        low: Lower end of its 95 % interval.
        high: Upper end.
        auc: float, area under the ROC curve.
        threshold: float, the score at which the equal error rate is reached; at and above it, a pair is accepted.
        false_accepts: float `(points,)`, the ROC curve: share of different pairs accepted.
        true_accepts: float `(points,)`, share of same pairs accepted.
        n: Number of pairs.
    """

    eer: float
    low: float
    high: float
    auc: float
    threshold: float
    false_accepts: np.ndarray = dataclasses.field(repr=False)
    true_accepts: np.ndarray = dataclasses.field(repr=False)
    n: int

    def __str__(self):
        return (
            f"equal error rate {self.eer:.1%} [{self.low:.1%}, {self.high:.1%}], AUC {self.auc:.3f}, {self.n:,} pairs"
        )


def score_verification(scores, same, groups=None, seed=0):
    """Compute the ROC curve and the equal error rate of pairs, with a bootstrap interval.

    Between two points of the ROC curve, the equal error rate is interpolated.

    Args:
        scores: float `(n,)`, higher for pairs that seem to be the same.
        same: bool `(n,)`, whether they are.
        groups: `(n, 2)`, who each of the two is of, any values. Those are resampled, and a pair counts as often as
            both of its sides were drawn. Defaults to `None`: pairs are resampled, as if no two shared anyone.
        seed: int, seed of the resampling. Defaults to 0.

    Returns:
        VerificationScores

    Raises:
        ValueError: If the lengths differ, a score is not a number, or all pairs are the same or all different.

    Example:

    ```python
    cosines = (first * second).sum(axis=1)
    people = np.stack([person_of_first, person_of_second], axis=1)
    print(kf.evaluation.score_verification(cosines, same, people))
    ```
    """
    scores, same, groups = _checked(scores, same, groups)
    false_accepts, true_accepts, thresholds = roc_curve(same, scores)
    eer, place = _equal_error(false_accepts, true_accepts)
    samples = list(map(_WeightedRate(scores, same), _resampled(same, groups, seed)))
    low, high = np.quantile(samples, [LEVEL / 2, 1 - LEVEL / 2])
    return VerificationScores(
        eer,
        min(float(low), eer),
        max(float(high), eer),
        float(auc(false_accepts, true_accepts)),
        float(thresholds[place]),
        false_accepts,
        true_accepts,
        len(scores),
    )


def verification_difference(first, second, same, groups=None, seed=0):
    """Compare two models by their equal error rates on the same pairs, by the paired bootstrap.

    Args:
        first: float `(n,)`, the scores of one model; or `(seeds, n)`: the mean of the rates is compared, and seeds
            are resampled together with the pairs.
        second: The same of the other model, with as many seeds.
        same: bool `(n,)`, whether a pair is of the same.
        groups: See `score_verification`.
        seed: int, seed of the resampling. Defaults to 0.

    Returns:
        Difference: by how much the equal error rate of the first model is lower, with its 95 % interval, a p-value
        and a `verdict`. Only where that is `"beats"` is the first model significantly better.

    Raises:
        ValueError: See `score_verification`; or the models have different numbers of seeds.

    Example:

    ```python
    gain = kf.evaluation.verification_difference(with_text, image_alone, same, people)
    gain.verdict  # "beats", "not significantly different" or "worse"
    ```
    """
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    if first.shape != second.shape:
        raise ValueError(f"The scores of the models are {first.shape} and {second.shape}: compare the same pairs.")
    rates = []
    for model in (first, second):
        checked = [_checked(scores, same, groups) for scores in model]
        rates.append([_WeightedRate(scores, known) for scores, known, _ in checked])
    _, known, groups = checked[0]
    count, random = len(first), np.random.default_rng([seed, 1])

    def gain(weights, seeds):
        own, other = (np.mean([model[i](weights) for i in seeds]) for model in rates)
        return float(other - own)

    value = gain(np.ones(len(known)), range(count))
    samples = np.array([gain(w, random.integers(count, size=count)) for w in _resampled(known, groups, seed)])
    low, high = np.quantile(samples, [LEVEL / 2, 1 - LEVEL / 2])
    # One more sample on either side: no p-value of 0.
    tail = (1 + min((samples <= 0).sum(), (samples >= 0).sum())) / (1 + len(samples))
    return Difference(value, float(low), float(high), min(1.0, 2 * float(tail)))


def _checked(scores, same, groups):
    scores, same = np.asarray(scores, float), np.asarray(same)
    if scores.ndim != 1 or scores.shape != same.shape:
        raise ValueError(f"Scores {scores.shape} and same {same.shape} must both have one value per pair.")
    if np.isnan(scores).any():
        raise ValueError(f"The score of pair {np.flatnonzero(np.isnan(scores))[0]} is not a number.")
    same = same.astype(bool)
    if same.all() or not same.any():
        raise ValueError("Verification needs pairs that are the same and pairs that are different.")
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(scores), 2):
            raise ValueError(f"groups must have two values per pair, ({len(scores)}, 2), not {groups.shape}.")
        groups = np.unique(groups, return_inverse=True)[1].reshape(-1, 2)
    return scores, same, groups


def _resampled(same, groups, seed):
    """Yield how often each pair counts in each bootstrap sample; each has a pair of either kind."""
    random = np.random.default_rng(seed)
    count = len(same) if groups is None else groups.max() + 1
    drawn = 0
    while drawn < RESAMPLES:
        weights = random.multinomial(count, np.full(count, 1 / count))
        if groups is not None:
            first, second = weights[groups.T]
            # A pair within one person is there as often as that person.
            weights = np.where(groups[:, 0] == groups[:, 1], first, first * second)
        if weights[same].any() and weights[~same].any():
            drawn += 1
            yield weights


class _WeightedRate:
    """The equal error rate of the same scores under many weights of the pairs.

    `roc_curve` gives the same points, but sorts the scores again each time.
    """

    def __init__(self, scores, same):
        self.order = np.argsort(-scores, kind="stable")
        self.same = same[self.order]
        # The last of each run of equal scores.
        self.ends = np.append(np.flatnonzero(np.diff(scores[self.order])), len(scores) - 1)

    def __call__(self, weights):
        weights = weights[self.order]
        accepted = [np.cumsum(weights * kind)[self.ends] for kind in (~self.same, self.same)]
        return _equal_error(*(np.append(0.0, counts / counts[-1]) for counts in accepted))[0]


def _equal_error(false_accepts, true_accepts):
    """The rate where the ROC curve crosses the line of equal errors, and the place of the nearest point of the curve.

    That is never its first point, at which nothing is accepted.
    """
    # false accepts - false rejects rises from -1 to 1.
    gap = false_accepts - (1 - true_accepts)
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    rate = false_accepts[after - 1] + share * (false_accepts[after] - false_accepts[after - 1])
    return float(rate), max(after - (share < 0.5), 1)
