"""Models by what they score and how long a request takes."""

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kerasfusion.evaluation.figures import ACCENT, QUIET, figure_style, save_figure

# Latency is drawn in logarithms: twice as slow is as far at the left as at the right.
ROUND = [digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5)]


@figure_style()
def draw(found, latency, joined, path):
    """Write the image.

    Args:
        found: A `TaskComparison`.
        latency: Name -> milliseconds; models that are not in it are left out.
        joined: Names of the models that join modalities, drawn in the accent's color.
        path: The PNG file.
    """
    names = [name for name in found.scores if name in latency]
    figure = Figure(figsize=(9, max(4, 0.24 * len(names) + 1)), layout="constrained")
    axes = figure.subplots()
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
    axes.set(xlabel="milliseconds for one row", ylabel=f"{found.metric}, mean and 95 % interval")
    if found.metric != "mae":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
    # Names stand in a column beside the axes, so that none covers another.
    bottom, top = axes.get_ylim()
    shares = [(found.scores[name].mean - bottom) / (top - bottom) for name in names]
    for name, place in zip(names, spread(shares, 0.22 / (figure.get_figheight() - 0.7), 0, 1), strict=True):
        axes.annotate(
            name,
            (latency[name], found.scores[name].mean),
            (1.03, place),
            textcoords="axes fraction",
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": QUIET, "lw": 0.5},
        )
    save_figure(figure, path, dpi=120)


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
