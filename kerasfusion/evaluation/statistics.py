"""Intervals, paired differences and the family-wise test of a comparison.

All claims of this package are decided here.

A claim has three states, from the 95 % interval of a difference: `"beats"` where it lies above 0, `"worse"` where it
lies below, and else `"not significantly different"`.
"""

import dataclasses

import numpy as np
from scipy import special, stats

LEVEL = 0.05
RESAMPLES = 1000
BEATS, UNDECIDED, WORSE = "beats", "not significantly different", "worse"
# A bootstrap of more groups than this first merges them at random into so many blocks.
MOST_BLOCKS = 2000
# Numbers in memory at a time while resampling: 32 MB of float64.
CHUNK = 2**22
# Simulated families behind a p-value: its standard error at 0.05 is 0.0015.
DRAWS = 20_000


def three_state(low, high):
    """What the interval of a difference says: `"beats"`, `"not significantly different"` or `"worse"`.

    Args:
        low: Lower end of the interval of a difference that is positive where the first model is better.
        high: Upper end.
    """
    return BEATS if low > 0 else WORSE if high < 0 else UNDECIDED


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much better one model is than another on the same rows, with its 95 % interval.

    Args:
        value: float, positive where the first model is better, whatever the metric.
        low: Lower end of the interval.
        high: Upper end.
        p: Its p-value, adjusted for all pairs of a comparison; None where no test was made.
    """

    value: float
    low: float
    high: float
    p: float | None = None

    @property
    def verdict(self):
        """`"beats"`, `"not significantly different"` or `"worse"`."""
        return three_state(self.low, self.high)

    def reversed(self):
        """The same difference, seen from the other model."""
        return Difference(-self.value, -self.high, -self.low, self.p)


def by_group(values, groups):
    """Sums of values within groups.

    Args:
        values: float `(n,)`.
        groups: `(n,)`, the group of each; None, each row alone.

    Returns:
        float `(groups,)`, in the order of the groups' sorted names.
    """
    values = np.asarray(values, float)
    if groups is None:
        return values
    return np.bincount(np.unique(groups, return_inverse=True)[1], weights=values)


def linear_values(top, bottom):
    """Values of groups whose mean is the ratio `Σ top / Σ bottom`, and whose spread is that of its linear part.

    Args:
        top: float `(groups,)`.
        bottom: float `(groups,)`.

    Returns:
        float `(groups,)`
    """
    whole = max(bottom.sum(), 1e-12)
    ratio = top.sum() / whole
    return ratio + (top - ratio * bottom) * (len(top) / whole)


def wilson(share, n, z=None):
    """The Wilson score interval of a share, which has a width where the share is 0 or 1, and stays within them.

    `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)` (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        share: float from 0 to 1.
        n: Number of independent answers it was counted in; with a design effect it need not be whole.
        z: Quantile; None takes the normal one of 95 %.

    Returns:
        tuple: `(low, high)`; `wilson(1.0, 100)` is `(0.963, 1.0)`.
    """
    if not n > 0:
        return 0.0, 1.0
    z = stats.norm.ppf(1 - LEVEL / 2) if z is None else z
    middle = share + z**2 / (2 * n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)
    # Rounding must not leave 0 or 1 outside of their own interval.
    return float(max(min(low, share), 0.0)), float(min(max(high, share), 1.0))


def design_effect(top, bottom):
    """How many times the variance of a share exceeds that of as many independent answers.

    With `T_g` right answers of `B_g` in group g and the share `p = Σ T / Σ B`, it is
    `Σ_g (T_g - p B_g)² / (p (1 - p) Σ B)`: the variance by groups (Kish 1965) over the binomial one. Groups that are
    all alike do not show it, so half a group with all answers right and half a one with all wrong, of the size
    `Σ B² / Σ B`, are added: where nothing (or everything) is right it is that size, and so each group counts as one
    answer, and where each answer is a group of its own it is 1.

    Args:
        top: float `(groups,)`, right answers.
        bottom: float `(groups,)`, all answers.

    Returns:
        float
    """
    whole = bottom.sum()
    if whole <= 0:
        return 1.0
    size = (bottom**2).sum() / whole
    share = (top.sum() + size / 2) / (whole + size)
    squares = ((top - share * bottom) ** 2).sum() + size**2 * ((1 - share) ** 2 + share**2) / 2
    return float(squares / (share * (1 - share) * (whole + size)))


def share_interval(top, bottom, seed_variance=0.0, freedom=None):
    """The Wilson interval of a share of answers that come in groups, as a ratio of sums.

    The answers count as `Σ B / design effect` independent ones (Korn and Graubard 1998), and where groups have
    several answers z is Student's t with a degree of freedom less than there are groups.

    Args:
        top: float `(groups,)`, right answers of each group, at most `bottom`.
        bottom: float `(groups,)`, all of its answers (micro F1: twice the hits, and the tags of label and answer).
        seed_variance: float, a further variance of the share, such as that between the seeds of a mean of them.
        freedom: Degrees of freedom; None counts the groups.

    Returns:
        tuple: `(low, high)`, from 0 to 1.
    """
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    whole = bottom.sum()
    if not whole:
        return 0.0, 1.0
    share, effect = min(top.sum() / whole, 1.0), design_effect(top, bottom)
    n = whole / effect
    if seed_variance > 0:
        # The variance of a share near 0 or 1 as of one with half an answer more and less.
        typical = (share * n + 0.5) / (n + 1)
        n = typical * (1 - typical) / (typical * (1 - typical) / n + seed_variance)
    alone = (bottom == 1).all() and freedom is None
    freedom = len(top) - 1 if freedom is None else freedom
    if alone:
        return wilson(share, n)
    return wilson(share, n, stats.t.ppf(1 - LEVEL / 2, freedom)) if freedom > 0 else (0.0, 1.0)


def student_interval(mean, error, freedom):
    """Student's 95 % interval `mean ± t error`.

    Args:
        mean: float.
        error: float, its standard error.
        freedom: float, the degrees of freedom of that.
    """
    reach = stats.t.ppf(1 - LEVEL / 2, freedom) * error
    return float(mean - reach), float(mean + reach)


def bootstrap_interval(top, bottom, seed=0):
    """The percentile interval of a ratio of sums over groups, by the bootstrap (Efron 1979) of 1,000 samples.

    Args:
        top: float `(groups,)`.
        bottom: float `(groups,)`.
        seed: Seed of the resampling. More than 2,000 groups are first merged at random into 2,000 blocks: the
            variance of their ratio is the same in expectation, and known to 1.6 %.

    Returns:
        tuple: `(low, high)`.
    """
    random = np.random.default_rng(seed)
    if len(top) > MOST_BLOCKS:
        blocks = random.permutation(len(top)) % MOST_BLOCKS
        top, bottom = (np.bincount(blocks, weights=part) for part in (top, bottom))
    count = len(top)
    if not count:
        return 0.0, 0.0
    parts, rows = [], max(CHUNK // count, 1)
    for start in range(0, RESAMPLES, rows):
        draws = random.multinomial(count, np.full(count, 1 / count), size=min(rows, RESAMPLES - start))
        parts.append((draws @ top) / np.maximum(draws @ bottom, 1e-12))
    low, high = np.quantile(np.concatenate(parts), [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def paired_difference(first, second, share=False, candidates=1):
    """The difference of two models on the same rows, with its 95 % interval.

    The values are those of groups (`linear_values`), so that rows of one group count as one, and the interval is
    Student's of their mean difference. Of shares, half a group that only the one model gets right and half a one that
    only the other does are added, as in the interval of Agresti and Min (2005, doi:10.1002/sim.1781): four rows that
    differ, all in favor of one model, are no evidence yet.

    Args:
        first: float `(groups,)`, larger is better.
        second: float `(groups,)`, of the other model. It may have been chosen as the best of several on these rows.
        share: Whether the score is a share.
        candidates: From how many the other was chosen. The choice flatters it, which makes `"beats"` only harder to
            say; the upper end is widened (Bonferroni) so that `"worse"` is not easier.

    Returns:
        Difference
    """
    each = np.asarray(first, float) - second
    count, value = len(each), float(each.mean()) if len(each) else 0.0
    if count < 2:
        return Difference(value, -np.inf, np.inf)
    middle, squares = value, ((each - value) ** 2).sum()
    if share:
        middle, squares = value * count / (count + 2), squares + 1
    error = np.sqrt(squares / (count * (count - 1)))
    below, above = stats.t.ppf(1 - np.array([LEVEL, LEVEL / candidates]) / 2, count - 1)
    return Difference(value, float(middle - below * error), float(middle + above * error))


@dataclasses.dataclass(frozen=True)
class Family:
    """Several models, each with several seeds, on the same rows.

    Args:
        means: float `(k,)`.
        seed_variance: float `(k,)`, of each mean, as far as it comes from the seeds.
        error: float `(k,)`, standard error of each mean, for other seeds and other rows.
        freedom: float `(k,)`, its degrees of freedom.
        differences: float `(k, k)`, mean of the row's model minus that of the column's.
        reach: float `(k, k)`, half the width of the simultaneous 95 % intervals of these.
        p: float `(k, k)`, adjusted p-values.
    """

    means: np.ndarray
    seed_variance: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    differences: np.ndarray
    reach: np.ndarray
    p: np.ndarray


def compare_all(values, share=False, seed=0):
    """Test all differences of k models at once: a studentized range for unequal and correlated variances.

    `y[i, s, r] = μ_i + row_r + (model x row)_ir + seed_is + (seed x row)_isr`, with seeds s that belong to one model
    and rows r that all share. The difference of two means has the variance

        V_ij = Var(ȳ_i.r - ȳ_j.r) / n + (τ_i² + τ_j²) / m,    τ_i² = max(σ_i² - e_i / n, 0),

    the first over n rows and the second over m seeds: σ_i² is the variance of a seed's mean and e_i that of model i's
    seed x row part, which the first term holds already. As three seeds say little of a variance, those of all models
    have a common prior, σ_i² ~ d0 s0² / χ²(d0) (Smyth 2004, doi:10.2202/1544-6115.1027), of which d0 and s0 have a
    distribution of their own, given the variances found (`seed_variances`).

    The statistic is the largest of all |ȳ_i - ȳ_j| / √V_ij, as in Tukey and Kramer's test. Its distribution where all
    models are alike is simulated, not read off a table of the studentized range: the rows' part is multivariate t
    with the covariance found, the seeds' part normal with variances drawn from what is known of them (simultaneous
    fiducial intervals, Hannig, Abdel-Karim and Iyer 2006). So p-values and intervals hold for all pairs at once,
    also for those with the best, whichever that is.

    Args:
        values: float `(k, m, n)`: of each model, seed and row (or group of rows); a mean over rows is a score.
        share: Whether scores are shares; then half a row that one model alone gets right is added, as in
            `paired_difference`.
        seed: Seed of the simulation.

    Returns:
        Family
    """
    models, seeds, rows = values.shape
    random = np.random.default_rng(seed)
    by_row = values.mean(axis=1)
    means = by_row.mean(axis=1)
    centered = by_row - means[:, None]
    cov = centered @ centered.T / max(rows - 1, 1) / rows
    if share:
        cov += np.eye(models) / 2 / rows**2
    # What all models share, as easy and hard rows, cancels from every difference.
    contrast = np.eye(models) - 1 / models
    own_variance, cov = np.diag(cov).copy(), contrast @ cov @ contrast
    typical, drawn, freedom_of_seeds = np.zeros(models), np.zeros((DRAWS, models)), np.inf
    if seeds > 1:
        by_seed = values.mean(axis=2)
        rest = values - by_row[:, None] - by_seed[:, :, None] + means[:, None, None]
        both = (rest**2).sum(axis=(1, 2)) / ((seeds - 1) * max(rows - 1, 1)) / rows
        varies = (np.ptp(values, axis=1) > 0).any(axis=1)
        if varies.any():
            found = by_seed[varies].var(axis=1, ddof=1)
            typical[varies], drawn[:, varies], freedom_of_seeds = seed_variances(found, seeds - 1, random, DRAWS)
            typical, drawn = (np.maximum(part - both, 0) * varies / seeds for part in (typical, drawn))
    scale = np.diag(cov)
    pairs = scale[:, None] + scale - 2 * cov + typical[:, None] + typical
    error = np.sqrt(np.maximum(pairs, 0))
    np.fill_diagonal(error, 0)
    largest = _largest_statistics(cov, drawn, error, rows, random)
    differences = means[:, None] - means
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.where(differences == 0, 0.0, np.abs(differences) / error)
    observed[np.abs(differences) < 1e-12] = 0.0
    # A quantile of the draws themselves, so that an interval without 0 and a p-value below 0.05 are the same.
    p = 1 - np.searchsorted(largest, observed) / len(largest)
    reach = np.quantile(largest, 1 - LEVEL, method="higher") * error
    if rows < 2:
        p, reach = np.ones_like(p), np.full_like(reach, np.inf)
    total = own_variance + typical
    spread = own_variance**2 / max(rows - 1, 1) + typical**2 / freedom_of_seeds
    freedom = np.divide(total**2, spread, out=np.ones(models), where=spread > 0)
    return Family(means, typical, np.sqrt(total), np.maximum(freedom, 1.0), differences, reach, p)


def _largest_statistics(cov, drawn, error, rows, random):
    """Draws of the largest |difference| / error of all pairs where all models are alike, in order."""
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0))
    first, second = np.triu_indices(len(cov), 1)
    scale = error[first, second]
    kept = scale > 0
    if not kept.any():
        return np.zeros(1)
    first, second, scale = first[kept], second[kept], scale[kept]
    found, size = [], max(CHUNK // len(scale), 1)
    for start in range(0, len(drawn), size):
        part = drawn[start : start + size]
        student = np.sqrt(max(rows - 1, 1) / random.chisquare(max(rows - 1, 1), (len(part), 1)))
        noise = random.standard_normal(part.shape) @ root.T * student
        noise += random.standard_normal(part.shape) * np.sqrt(part)
        found.append((np.abs(noise[:, first] - noise[:, second]) / scale).max(axis=1))
    return np.sort(np.concatenate(found))


# Degrees of freedom of the prior that are thought possible, alike, times those of a model's own seeds. Few, so that
# one unstable model among steady ones stays possible, and the fewer the more seeds it has itself: with up to 64,
# families in which a fifth of the models has ten times the spread of the others named a false difference in up to
# 14 % (now: experiments/benchmarks/comparison_errors.py).
PRIOR_FREEDOM = 2.0 ** np.array([0.0, 0.5, 1.0])


def seed_variances(found, freedom, random=None, draws=DRAWS):
    """What is known of the variances of several models between seeds, from a few seeds of each.

    `s_i² ~ σ_i² χ²(d) / d` and `σ_i² ~ d0 s0² / χ²(d0)` make `s_i² / s0²` an F(d, d0) variable. The posterior of d0
    (1 / d to 2 / d, alike in logarithms) and s0 (alike in logarithms) is evaluated on a grid around the median of the
    s_i² divided by its bias `chi2.median(d) / d`, so that neither has to be estimated first.

    Args:
        found: float `(k,)`, the unbiased variances.
        freedom: Their degrees of freedom d, seeds less 1.
        random: A NumPy generator; None makes one.
        draws: How many draws of the variances.

    Returns:
        tuple: float `(k,)`, the expected moderated variances `(d0 s0² + d s_i²) / (d0 + d)`; float `(draws, k)`,
        draws of the variances; and the expected degrees of freedom `d0 + d`.
    """
    random = random or np.random.default_rng(0)
    positive = found[found > 0]
    if not len(positive):
        return np.zeros(len(found)), np.zeros((draws, len(found))), float(freedom)
    center = np.log(np.median(positive) / (stats.chi2.median(freedom) / freedom))
    log_scale = center + np.linspace(-6, 6, 121)
    prior = PRIOR_FREEDOM / freedom
    d0, s0 = prior[:, None], np.exp(log_scale)
    constant = special.gammaln((freedom + d0) / 2) - special.gammaln(d0 / 2) + freedom / 2 * np.log(freedom / d0)
    # Without what depends on the variances alone, which may be 0.
    terms = np.log1p(freedom * found[:, None, None] / (d0 * s0)).sum(axis=0)
    log_posterior = len(found) * (constant - freedom / 2 * log_scale) - (freedom + d0) / 2 * terms
    weights = np.exp(log_posterior - log_posterior.max())
    weights /= weights.sum()
    moderated = (d0 * s0)[..., None] + freedom * found
    moderated /= (d0 + freedom)[..., None]
    typical = (weights[..., None] * moderated).sum(axis=(0, 1))
    place = random.choice(weights.size, size=draws, p=weights.ravel())
    total = prior[place // len(log_scale)] + freedom
    sums = moderated.reshape(-1, len(found))[place] * total[:, None]
    drawn = sums / random.chisquare(total[:, None], sums.shape)
    return typical, drawn, float((weights.sum(axis=1) * (prior + freedom)).sum())
