"""ROC, equal error rate and the paired comparison of scores of pairs."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

import kerasfusion as kf
from kerasfusion.evaluation import score_verification, verification, verification_difference


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr("kerasfusion.evaluation.verification.RESAMPLES", 60)


def drawn(people=40, spread=0.3, seed=0):
    """Pairs of people: scores around 1 for the same, around 0 for different ones."""
    rng = np.random.default_rng(seed)
    groups = np.stack([np.arange(people), np.where(np.arange(people) % 2, np.arange(people), 0)], axis=1)
    groups[0] = 0, 1
    same = groups[:, 0] == groups[:, 1]
    return same + rng.normal(0, spread, people), same, groups


def test_rates_counted_by_hand():
    # Sorted: same .9 .8 .4 .2, different .7 .3 .1 .0. At .7: 1 of 4 accepted wrongly, 2 of 4 rejected wrongly; at .4
    # both are 1 of 4.
    scores = [0.9, 0.8, 0.4, 0.2, 0.7, 0.3, 0.1, 0.0]
    found = score_verification(scores, [1, 1, 1, 1, 0, 0, 0, 0])
    assert (found.eer, found.threshold, found.n) == (0.25, 0.4, 8)
    # Pairs of a same and a different one in the right order: 4 + 4 + 3 + 2 of 16.
    assert found.auc == pytest.approx((4 + 4 + 3 + 2) / 16)
    assert found.low <= 0.25 <= found.high
    assert str(found).startswith("equal error rate 25.0% [")


def test_resampled_rates_are_those_of_scikit_learn_with_weights():
    rng = np.random.default_rng(0)
    scores, same = rng.integers(0, 12, 80) / 12.0, rng.random(80) < 0.5
    weights = rng.integers(0, 4, 80)
    false_accepts, true_accepts, _ = roc_curve(same, scores, sample_weight=weights, drop_intermediate=False)
    fine = np.linspace(0, 1, 100_001)
    gap = np.abs(fine - (1 - np.interp(fine, false_accepts, true_accepts)))
    assert verification._WeightedRate(scores, same)(weights) == pytest.approx(fine[gap.argmin()], abs=2e-5)


def test_one_value_for_nearly_all_pairs_is_interpolated():
    # A description that fits every same pair and q of the different ones: from (0, 0) to (q, 1), so q / (1 + q).
    same = np.arange(200) < 100
    scores = np.where(same, 1, np.arange(200) % 4 == 0)
    assert score_verification(scores, same).eer == pytest.approx(0.25 / 1.25)
    assert score_verification(np.ones(200), same).eer == pytest.approx(0.5)
    perfect = score_verification(same, same)
    assert (perfect.eer, perfect.auc, perfect.threshold) == (0, 1, 1)


def test_people_are_resampled_and_not_pairs():
    scores, same, groups = drawn(spread=0.6)
    # Each pair ten times: nothing new is known, so that an interval that narrows counts pairs as independent.
    ten = score_verification(np.tile(scores, 10), np.tile(same, 10), np.tile(groups, (10, 1)))
    once = score_verification(scores, same, groups)
    assert (ten.eer, ten.low, ten.high) == pytest.approx((once.eer, once.low, once.high))
    narrow = score_verification(np.tile(scores, 10), np.tile(same, 10))
    assert narrow.high - narrow.low < 0.6 * (once.high - once.low)


def test_a_gain_is_one_and_noise_is_none():
    scores, same, groups = drawn(200, spread=0.6)
    rng = np.random.default_rng(1)
    better = verification_difference(same + (scores - same) / 3, scores, same, groups)
    assert better.verdict == "beats" and better.p < 0.05
    assert better.value == pytest.approx(
        score_verification(scores, same).eer - score_verification(same + (scores - same) / 3, same).eer
    )
    noise = verification_difference(scores + rng.normal(0, 0.02, 200), scores, same, groups)
    assert noise.verdict == "not significantly different" and noise.p > 0.05
    assert verification_difference(scores, same + (scores - same) / 3, same, groups).verdict == "worse"


def test_seeds_are_averaged_and_resampled():
    scores, same, groups = drawn(100, spread=0.6)
    good, bad = same + (scores - same) / 4, same + (scores - same) * 2
    gain = verification_difference([good, bad], [scores, scores], same, groups)
    eers = [score_verification(own, same).eer for own in (good, bad, scores)]
    assert gain.value == pytest.approx(eers[2] - (eers[0] + eers[1]) / 2)
    # Either seed alone may be drawn.
    one = verification_difference(good, scores, same, groups)
    assert gain.low < 0 < one.low


@pytest.mark.parametrize(
    ("scores", "same", "groups", "message"),
    [
        ([1.0, 0.0], [1, 0, 1], None, "one value per pair"),
        ([1.0, float("nan")], [1, 0], None, "pair 1 is not a number"),
        ([1.0, 0.0], [1, 1], None, "pairs that are different"),
        ([1.0, 0.0], [1, 0], [0, 1], r"\(2, 2\), not \(2,\)"),
    ],
)
def test_bad_pairs(scores, same, groups, message):
    with pytest.raises(ValueError, match=message):
        score_verification(scores, same, groups)
    with pytest.raises(ValueError, match=message):
        verification_difference(scores, scores, same, groups)


def test_models_of_different_pairs_are_not_compared():
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3\)"):
        kf.evaluation.verification_difference([1, 0], [1, 0, 0], [1, 0])
