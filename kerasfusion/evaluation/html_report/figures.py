"""Charts of a page, drawn by Matplotlib into the page itself, and boxes that are bars and intervals."""

import contextlib
import math
import warnings

import matplotlib
from matplotlib.figure import Figure

from kerasfusion.evaluation.charts import ACCENT, GOOD, draw_lines, draw_reliability, draw_score_and_latency
from kerasfusion.evaluation.html_report.html import element
from kerasfusion.evaluation.html_report.svg import STYLE, inline_svg

# Drawn about as wide as a phone shows it, so that its letters stay as large as they are.
WIDTH, HEIGHT = 340, 220
_SHORT = 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 8, 34


def short_number(value):
    """A figure as short as it can be read."""
    if value is None:
        return "–"
    whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:,.0f}" if whole else f"{value:.4g}"


def bar(share, class_="bar"):
    """A bar that fills this share of its cell; the figure must stand beside it."""
    width = f"width:{100 * min(max(share, 0), 1):.2f}%"
    return element("span", element("span", style=width), class_=class_, aria_hidden="true")


def interval(value, low, high, most, first=False):
    """A dot with its interval on a line from 0 to `most`; the figures must stand beside it."""
    most = most or 1
    left, right, middle = (100 * min(max(x / most, 0), 1) for x in (low, high, value))
    return element(
        "span",
        element("span", class_="reach", style=f"left:{left:.2f}%;width:{right - left:.2f}%"),
        element("span", class_="dot", style=f"left:{middle:.2f}%"),
        class_="interval own" if first else "interval",
        aria_hidden="true",
    )


def lines(title, across, series, marked=None, unit="epoch", within=()):
    """Curves over epochs, or over something else.

    Args:
        title: What they show.
        across: The numbers of the epochs.
        series: Name -> values; the second is drawn in the accent's color.
        marked: The epoch to mark as the best.
        unit: What `across` counts.
        within: Values that the axis takes in as well, so that several charts have the same.

    Returns:
        Html: a `<figure>`.
    """
    legend = [element("span", name, class_=f"key series{place}") for place, name in enumerate(series)]
    if marked is not None:
        legend.append(element("span", f"best epoch, {marked}", class_="key mark"))
    ends = "; ".join(f"{name} from {short_number(p[0])} to {short_number(p[-1])}" for name, p in series.items())
    with _chart() as axes:
        draw_lines(axes, across, series, marked, unit)
        axes.update_datalim([(across[0], value) for value in within if math.isfinite(value)])
        axes.autoscale_view()
        return _figure(title, axes, f"{title}, by {unit}: {ends}", element("p", legend, class_="legend"))


def scatter(title, points, across, up):
    """Points with the line on which both are the same.

    Args:
        title: What it shows.
        points: Pairs.
        across: What their first figure is.
        up: What their second figure is.

    Returns:
        Html: a `<figure>`.
    """
    note = element("p", f"across: {across}; up: {up}; the line: both the same", class_="legend")
    with _chart() as axes:
        both = [value for point in points for value in point]
        axes.plot([min(both), max(both)], [min(both), max(both)], "--", lw=1, color=GOOD)
        axes.plot(*zip(*points, strict=True), "o", ms=4, color=ACCENT, alpha=0.6, mew=0)
        axes.set_xlabel(across)
        return _figure(title, axes, f"{title}: {len(points)} points", note)


def histogram(title, edges, counts, unit):
    """How often values fall into each bin.

    Args:
        title: What it shows.
        edges: One more than bins.
        counts: One for each bin.
        unit: What the values are counted in.

    Returns:
        Html: a `<figure>`.
    """
    with _chart(_SHORT) as axes:
        axes.stairs(counts, edges, fill=True, color=ACCENT)
        axes.set_xlabel(unit)
        axes.yaxis.get_major_locator().set_params(nbins=3, integer=True)
        return _figure(title, axes, f"{title}: {sum(counts):,} values in {len(counts)} bins")


def waveform(title, curves, samples, rate):
    """A signal over its samples or seconds, a curve for each channel.

    Args:
        title: What it shows.
        curves: By channel a list of `(sample, value)`, value None where samples are missing.
        samples: Number of samples.
        rate: Samples a second; None counts in samples.

    Returns:
        Html: a `<figure>`.
    """
    with _chart(_SHORT) as axes:
        for curve in curves:
            places, values = zip(*curve, strict=True)
            axes.plot(
                [place / (rate or 1) for place in places], [math.nan if v is None else v for v in values], lw=0.8
            )
        axes.set_xlabel("seconds" if rate else "samples")
        axes.yaxis.get_major_locator().set_params(nbins=3)
        length = f"{samples / rate:.3g} seconds" if rate else f"{samples:,} samples"
        return _figure(title, axes, f"{title}: {length}")


def reliability(title, bins, unit):
    """The share that was right in bins of equal width from 0 to 1, beside the line on which it equals the confidence.

    Args:
        title: What it shows.
        bins: dicts with `count` and, where that is not 0, `accuracy`.
        unit: What the bins are of.

    Returns:
        Html: a `<figure>`.
    """
    total = sum(one["count"] for one in bins)
    with _chart() as axes:
        draw_reliability(axes, bins)
        axes.set_xlabel(unit)
        return _figure(title, axes, f"{title}: {total:,} answers in {len(bins)} bins of confidence")


def score_and_latency(title, found, latency, joined):
    """Models by what they score and how long a request takes.

    Args:
        title: What it shows.
        found: A `TaskComparison`.
        latency: Name -> milliseconds.
        joined: Names of the models that join modalities.

    Returns:
        Html: a `<figure>` as wide as the page.
    """
    told = (f"{name} {found.figure(found.scores[name].mean)} at {value:.3g} ms" for name, value in latency.items())
    legend = element(
        "p",
        element("span", "joins modalities", class_="key series1"),
        element("span", "does without", class_="key series0"),
        class_="legend",
    )
    height = max(280, _TOP + _BOTTOM + 16 * len(latency))
    with _chart(height, 680, right=240) as axes:
        draw_score_and_latency(axes, found, latency, joined, 14 / (height - _TOP - _BOTTOM))
        return _figure(title, axes, "; ".join(told), legend, class_="wide")


@contextlib.contextmanager
def _chart(height=HEIGHT, width=WIDTH, right=_RIGHT):
    """Axes in a figure of this size in pixels, in the style of the page."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser has fonts for what Matplotlib's lack.
        warnings.filterwarnings("ignore", "Glyph")
        inner = (_LEFT / width, _BOTTOM / height, (width - _LEFT - right) / width, (height - _TOP - _BOTTOM) / height)
        # SVG has 72 pixels to Matplotlib's inch.
        yield Figure(figsize=(width / 72, height / 72)).add_axes(inner)


def _figure(title, axes, alt, *below, class_=None):
    return element("figure", element("figcaption", title), inline_svg(axes.figure, alt), *below, class_=class_)
