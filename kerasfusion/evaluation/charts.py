"""Charts on the axes of a Matplotlib figure: the same in a run's image files and, as SVG, in its pages."""

from matplotlib.ticker import FuncFormatter, PercentFormatter

ACCENT, QUIET, GOOD, UNSURE, BAD = "#1f6feb", "#8c959f", "#1a7f37", "#9a6700", "#cf222e"
# Of the lines of a chart: what a model is compared with, the model, and others.
SERIES = (QUIET, ACCENT, GOOD, UNSURE, BAD)
# Latency is drawn in logarithms: twice as slow is as far at the left as at the right.
ROUND = [digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5)]


def draw_lines(axes, across, series, marked=None, unit="epoch", colors=SERIES):
    """Curves over epochs or degrees.

    Args:
        axes: Matplotlib's axes.
        across: The numbers of the epochs.
        series: Name -> values.
        marked: The epoch to mark as the best.
        unit: What `across` counts.
        colors: One for each of the series.
    """
    for (name, values), color in zip(series.items(), colors, strict=False):
        axes.plot(across, values, "o-", ms=3, color=color, label=name)
    if marked is not None:
        axes.axvline(marked, ls="--", lw=1, color=GOOD)
    axes.set_xlabel(unit)
    if unit == "epoch":
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def draw_reliability(axes, bins):
    """The share that was right in bins of equal width from 0 to 1, beside the line on which it is the confidence.

    Args:
        axes: Matplotlib's axes.
        bins: dicts with `count` and, where that is not 0, `accuracy`.
    """
    most = max(one["count"] for one in bins) or 1
    for place, one in enumerate(bins):
        if one["count"]:
            low, high = place / len(bins), (place + 1) / len(bins)
            (column,) = axes.bar(low, one["accuracy"], width=high - low, align="edge", color=ACCENT)
            # Bins of few answers stay visible.
            column.set_alpha(0.25 + 0.75 * one["count"] / most)
            column.set_gid(f"{low:.2f} to {high:.2f}: {one['count']:,} answers, {one['accuracy']:.1%} right")
    axes.plot([0, 1], [0, 1], "--", lw=1, color=GOOD)
    axes.set(xlim=(0, 1), ylim=(0, 1))


def draw_score_and_latency(axes, found, latency, joined, gap):
    """Models by what they score and how long a request takes; their names in a column at the right.

    Args:
        axes: Matplotlib's axes, with room for the names at their right.
        found: A `TaskComparison`.
        latency: Name -> milliseconds; models that are not in it are left out.
        joined: Names of the models that join modalities, drawn in the accent's color.
        gap: Between two names, as a share of the axes' height.
    """
    names = [name for name in found.scores if name in latency]
    for name in names:
        score, color = found.scores[name], ACCENT if name in joined else QUIET
        errors = [[score.mean - score.low], [score.high - score.mean]]
        axes.errorbar(latency[name], score.mean, errors, fmt="o", color=color, ecolor=QUIET, ms=5, capsize=2, lw=1)
    axes.set_xscale("log")
    low, high = around([latency[name] for name in names])
    shown = [value for value in ROUND if low <= value <= high]
    axes.set_xlim(low, high)
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.minorticks_off()
    axes.set_xlabel("milliseconds for one row (logarithmic)")
    percent = found.metric != "mae"
    axes.yaxis.set_major_formatter(PercentFormatter(1) if percent else FuncFormatter(lambda value, _: f"{value:.4g}"))
    # Names stand in a column beside the axes, so that none covers another.
    bottom, top = axes.get_ylim()
    shares = [(found.scores[name].mean - bottom) / (top - bottom) for name in names]
    for name, place in zip(names, spread(shares, gap, 0, 1), strict=True):
        axes.annotate(
            name,
            (latency[name], found.scores[name].mean),
            (1.03, place),
            textcoords="axes fraction",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": QUIET, "lw": 0.5},
        )


def around(values):
    """A span with some air around positive values on a logarithmic axis: `(low, high)`, at least threefold."""
    low, high = min(values), max(values)
    air = max(1.15, (3 * low / high) ** 0.5)
    return low / air, high * air


def spread(places, gap, low, high):
    """Places moved apart, in their order, until neighbors are `gap` apart; from `low` to `high` where they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved, last = list(places), low - gap
    for i in order:
        moved[i] = last = max(places[i], last + gap)
    last = high + gap
    for i in reversed(order):
        moved[i] = last = min(moved[i], last - gap)
    return moved
