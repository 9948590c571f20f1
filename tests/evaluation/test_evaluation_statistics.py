"""Intervals, paired differences and the family-wise test: against SciPy, exact values and simulations."""

import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from kerasfusion.evaluation import statistics
from kerasfusion.evaluation.statistics import (
    Difference,
    bootstrap_interval,
    by_group,
    compare_all,
    design_effect,
    linear_values,
    paired_difference,
    seed_variances,
    share_interval,
    three_state,
)


def family(random, models, seeds, rows=200, seed_deviation=0.0, model_row=0.3, seed_row=0.3):
    """Values of equally good models: row, model x row, seed and seed x row parts."""
    parts = random.normal(0, 0.4, rows) + random.normal(0, model_row, (models, 1, rows))
    parts = parts + random.normal(0, seed_row, (models, seeds, rows))
    return parts + np.broadcast_to(seed_deviation, models)[:, None, None] * random.normal(0, 1, (models, seeds, 1))


def test_wilson_intervals_are_those_of_scipy():
    for right, n in ((0, 20), (20, 20), (7, 20), (1499, 1500)):
        expected = stats.binomtest(right, n).proportion_ci(method="wilson")
        top = np.r_[np.ones(right), np.zeros(n - right)]
        assert share_interval(top, np.ones(n)) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_share_of_groups_counts_groups_where_all_are_alike():
    """Ten rows of each of 40 images: all right, they are 40 answers; half right by image, too; by row, 400."""
    whole = np.full(40, 10.0)
    low, high = share_interval(whole, whole)
    z = stats.t.ppf(0.975, 39)
    assert high == 1 and low == pytest.approx(40 / (40 + z**2))
    assert design_effect(np.repeat([0.0, 10.0], 20), whole) == pytest.approx(10)
    by_row = np.random.default_rng(0).binomial(10, 0.5, 40).astype(float)
    assert 0.6 < design_effect(by_row, whole) < 1.7
    assert design_effect(np.array([1.0, 0, 1, 1]), np.ones(4)) == pytest.approx(1)
    # A single mistake says little of how alike the rows of an image are.
    assert share_interval(whole - np.eye(40)[0], whole)[0] == pytest.approx(low, abs=0.01)


def test_shares_of_groups_are_covered():
    """95 % intervals of a share near 1, whose rows are alike within a group or not, hold it in at least 93 %."""
    for alike in (0.0, 0.5, 1.0):
        random, held = np.random.default_rng(1), []
        for _ in range(400):
            group = random.random((60, 1)) < 0.97
            rows = np.where(random.random((60, 5)) < alike, group, random.random((60, 5)) < 0.97)
            low, high = share_interval(rows.sum(axis=1).astype(float), np.full(60, 5.0))
            held.append(low <= 0.97 <= high)
        assert np.mean(held) > 0.93, alike


def test_the_bootstrap_is_quick_and_small_for_100_000_groups():
    top = np.random.default_rng(0).normal(1, 1, 100_000)
    tracemalloc.start()
    started = time.process_time()
    low, high = bootstrap_interval(top, np.ones(100_000))
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6 and seconds < 3, (peak, seconds)
    assert (high - low) / (2 * 1.96 * top.std() / 100_000**0.5) == pytest.approx(1, abs=0.1)


def test_chunks_do_not_change_the_bootstrap(monkeypatch):
    top, bottom = np.random.default_rng(0).random((2, 50))
    expected = bootstrap_interval(top, bottom, seed=3)
    random = np.random.default_rng(3)
    draws = random.multinomial(50, np.full(50, 1 / 50), size=1000)
    assert expected == pytest.approx(np.quantile((draws @ top) / (draws @ bottom), [0.025, 0.975]))
    monkeypatch.setattr(statistics, "CHUNK", 700)
    assert bootstrap_interval(top, bottom, seed=3) == expected


def test_three_states():
    assert [three_state(*ends) for ends in ((0.1, 0.2), (-0.1, 0.2), (-0.2, -0.1), (0.0, 0.1))] == [
        "beats",
        "not significantly different",
        "worse",
        "not significantly different",
    ]
    found = Difference(0.1, 0.05, 0.2, 0.01)
    assert found.verdict == "beats" and found.reversed() == Difference(-0.1, -0.2, -0.05, 0.01)


def test_a_paired_difference_is_a_paired_t_test():
    first, second = np.random.default_rng(0).normal(0.1, 1, (2, 80))
    found, expected = paired_difference(first, second), stats.ttest_rel(first, second)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    # The upper end alone allows for the other's having been chosen.
    chosen = paired_difference(first, second, candidates=5)
    assert chosen.low == found.low
    assert chosen.high == pytest.approx(expected.confidence_interval(0.99).high)


def test_rows_that_both_models_answer_alike_make_a_difference_certain():
    """Intervals of 90 % and 84 % of 500 rows overlap or not as the same rows are right."""
    right = np.zeros((2, 500))
    right[0, :450], right[1, :420] = 1, 1
    assert paired_difference(*right, share=True).verdict == "beats"
    shuffled = np.random.default_rng(0).permuted(right, axis=1)
    paired, apart = (paired_difference(*part, share=True) for part in (right, shuffled))
    assert paired.high - paired.low < 0.75 * (apart.high - apart.low)
    # Four rows that differ are no evidence, and rows of one group are one.
    few = np.ones((2, 500))
    few[1, :4] = 0
    assert paired_difference(*few, share=True).verdict == "not significantly different"
    few[1, :40] = 0
    assert paired_difference(*few, share=True).verdict == "beats"
    groups = np.r_[np.zeros(40, int), np.arange(1, 461)]
    grouped = [linear_values(by_group(part, groups), by_group(np.ones(500), groups)) for part in few]
    assert paired_difference(*grouped, share=True).verdict == "not significantly different"


def test_equal_models_rarely_beat_or_lose_to_the_best_baseline():
    random, said = np.random.default_rng(0), []
    for _ in range(500):
        values = family(random, 5, 1, 150)[:, 0]
        best = 1 + values[1:].mean(axis=1).argmax()
        said.append(paired_difference(values[0], values[best], candidates=4).verdict)
    assert said.count("beats") < 0.03 * 500 and said.count("worse") < 0.04 * 500


def test_two_models_with_one_seed_are_a_paired_t_test():
    values = np.random.default_rng(0).normal([[0.25], [0.0]], 1, (2, 80))[:, None]
    found, expected = compare_all(values), stats.ttest_rel(*values[:, 0])
    assert found.p[0, 1] == pytest.approx(expected.pvalue, abs=0.006)
    ends = expected.confidence_interval()
    assert found.reach[0, 1] == pytest.approx((ends.high - ends.low) / 2, rel=0.02)


def test_one_seed_of_many_models_is_tukeys_test():
    """Independent models of equal variance: the studentized range, which SciPy has."""
    values = np.random.default_rng(1).normal(np.linspace(0, 0.07, 4)[:, None], 1, (4, 3000))[:, None]
    found, expected = compare_all(values), stats.tukey_hsd(*values[:, 0])
    assert found.p[0, 3] == pytest.approx(expected.pvalue[0, 3], abs=0.03)
    assert found.p[0, 1] == pytest.approx(expected.pvalue[0, 1], abs=0.1)


def test_what_varies_by_seed_and_row_counts_once(monkeypatch):
    """Without a seed variance, 2 seeds of 300 rows have the error that rows alone give, on average."""
    monkeypatch.setattr(statistics, "DRAWS", 500)
    random, ratios = np.random.default_rng(0), []
    for _ in range(100):
        values = family(random, 6, 2, 300, 0.0, model_row=0.2, seed_row=0.6)
        found = compare_all(values)
        error = np.sqrt(found.seed_variance + values.mean(axis=1).var(axis=1, ddof=1) / 300)
        assert found.error == pytest.approx(error)
        ratios.append(np.median(found.seed_variance) / (0.6**2 / 2 / 300))
    # Counted twice, the median would be about 1 (and more with what is moderated).
    assert np.median(ratios) < 0.5


def test_the_seed_variance_of_both_models_counts():
    """An unstable model that leads by luck, and one whose rival is unstable, are no news."""
    random = np.random.default_rng(0)
    rows = random.normal(0.5, 0.1, (1, 1, 200))
    seeds = np.array([[0.45, 0.0, -0.15], [0.001, 0.0, -0.001], [0.002, 0.001, 0.0]])[..., None]
    values = rows + seeds + random.normal(0, 0.01, (3, 3, 200))
    found = compare_all(values)
    assert found.means.argmax() == 0 and found.means[0] - found.means[1] > 0.09
    assert found.p[0, 1] > 0.2 and found.p[1, 0] > 0.2
    assert found.seed_variance[0] > 0.01 and found.error[0] > 0.1
    # Beside a model without seeds, such as the majority, it is a t test of its own seeds, moderated or not.
    for place in (0, 1):
        alone = np.roll(np.stack([values[0], np.broadcast_to(values[1, :1], (3, 200))]), place, axis=0)
        expected = stats.ttest_1samp(alone[place].mean(axis=1) - alone[1 - place, 0].mean(), 0).pvalue
        for sign in (1, -1):
            assert compare_all(sign * alone).p[0, 1] == pytest.approx(expected, rel=0.35)
    # All intervals are as wide in units of their standard errors.
    by_row = values.mean(axis=1)
    variance = (
        (by_row[:, None] - by_row).var(axis=2, ddof=1) / 200 + found.seed_variance[:, None] + found.seed_variance
    )
    units = (found.reach / np.sqrt(variance))[~np.eye(3, dtype=bool)]
    assert units == pytest.approx(units[0])
    # Where the same rows vary as much but no seed does, the lead is certain.
    steady = compare_all(values - seeds + seeds.mean(axis=1, keepdims=True))
    assert steady.p[0, 1] < 0.01


def test_the_typical_seed_variance_is_not_biased_by_the_median():
    for seeds in (2, 3):
        random, found = np.random.default_rng(seeds), []
        for _ in range(60):
            _, drawn, freedom = seed_variances(random.chisquare(seeds - 1, 10) / (seeds - 1), seeds - 1, random, 400)
            found.append(np.median(drawn))
        assert 0.6 < np.median(found) < 1.7
        assert 1 <= (freedom - (seeds - 1)) * (seeds - 1) <= 2


@pytest.mark.parametrize(
    ("seeds", "deviation"), [(1, [0.0]), (3, [0.1]), (2, [0.3]), (3, [0.3, 0.03, 0.03, 0.03, 0.03])]
)
def test_equal_models_are_rarely_called_different(monkeypatch, seeds, deviation):
    """The whole simulation is experiments/benchmarks/comparison_errors.py; 11 of 120 is beyond 6 % (p < 0.07)."""
    monkeypatch.setattr(statistics, "DRAWS", 1000)
    random, named = np.random.default_rng(0), 0
    for _ in range(120):
        named += (compare_all(family(random, 5, seeds, 100, np.resize(deviation, 5))).p < 0.05).any()
    assert named <= 11


def test_models_that_differ_are_found():
    values = family(np.random.default_rng(0), 5, 3, 300, 0.02) + np.array([0.0, 0, 0, 0, 0.5])[:, None, None]
    found = compare_all(values)
    assert (found.p[4, :4] < 0.01).all() and (found.p[:4, :4] > 0.05).all()
    low = found.differences - found.reach
    assert ((low > 0) == ((found.p < 0.05) & (found.differences > 0))).all()


def test_what_cannot_be_tested_is_not_significant():
    one_row = compare_all(np.array([[[1.0]], [[0.0]]]), share=True)
    assert (one_row.p == 1).all() and three_state(-one_row.reach[0, 1], one_row.reach[0, 1]) != "beats"
    alike = compare_all(np.ones((3, 2, 50)), share=True)
    assert (alike.p == 1).all() and (alike.seed_variance == 0).all()
