"""Small images of figures: inline SVG and styled boxes, which follow the page's width and colors."""

import math

from kerasfusion.evaluation.html_report.html import element

# Drawn about as wide as a phone shows it, so that its letters stay as large as they are.
WIDTH, HEIGHT = 340, 220
_SHORT = 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 8, 32


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
    values = [v for part in series.values() for v in part if math.isfinite(v)]
    scale = _Axes(across, [*values, *within], whole=unit == "epoch")
    drawn = [scale.frame(unit)]
    if marked is not None:
        x = scale.x(marked)
        drawn.append(element("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="mark"))
    for place, part in enumerate(series.values()):
        points = [(scale.x(e), scale.y(v)) for e, v in zip(across, part, strict=True) if math.isfinite(v)]
        kind = f"series{place}"
        drawn.append(element("polyline", points=" ".join(f"{x},{y}" for x, y in points), class_=kind))
        drawn += [element("circle", cx=x, cy=y, r=2.4, class_=kind) for x, y in points]
    legend = [element("span", name, class_=f"key series{place}") for place, name in enumerate(series)]
    if marked is not None:
        legend.append(element("span", f"best epoch, {marked}", class_="key mark"))
    ends = "; ".join(f"{name} from {short_number(p[0])} to {short_number(p[-1])}" for name, p in series.items())
    return _figure(title, drawn, f"{title}, by {unit}: {ends}", element("p", legend, class_="legend"))


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
    both = [v for point in points for v in point]
    scale = _Axes(both, both)
    low, high = min(both), max(both)
    ends = dict(x1=scale.x(low), x2=scale.x(high), y1=scale.y(low), y2=scale.y(high))
    drawn = [scale.frame(across), element("line", **ends, class_="mark")]
    drawn += [element("circle", cx=scale.x(x), cy=scale.y(y), r=2.2, class_="point") for x, y in points]
    note = element("p", f"across: {across}; up: {up}; the line: both the same", class_="legend")
    return _figure(title, drawn, f"{title}: {len(points)} points", note)


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
    scale = _Axes(edges, [0, *counts], short=True)
    drawn = [scale.frame(unit)]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, y = scale.x(low), scale.y(count)
        size = dict(width=max(round(scale.x(high) - x - 1, 1), 0.5), height=round(scale.base - y, 1))
        drawn.append(element("rect", x=x, y=y, **size, class_="column"))
    return _figure(title, drawn, f"{title}: {sum(counts):,} values in {len(counts)} bins", short=True)


def reliability(title, bins, unit):
    """The share that was right in bins of equal width from 0 to 1, beside the line on which it equals the confidence.

    Args:
        title: What it shows.
        bins: dicts with `count` and, where that is not 0, `accuracy`.
        unit: What the bins are of.

    Returns:
        Html: a `<figure>`.
    """
    scale = _Axes([0, 1], [0, 1])
    ends = dict(x1=scale.x(0), x2=scale.x(1), y1=scale.y(0), y2=scale.y(1))
    drawn, most = [scale.frame(unit)], max(one["count"] for one in bins) or 1
    for place, one in enumerate(bins):
        if one["count"]:
            low, high = place / len(bins), (place + 1) / len(bins)
            x, y = scale.x(low), scale.y(one["accuracy"])
            size = dict(width=round(scale.x(high) - x - 1, 1), height=round(scale.base - y, 1))
            # Bins of few answers stay visible.
            opacity = f"{0.25 + 0.75 * one['count'] / most:.2f}"
            told = f"{low:.2f} to {high:.2f}: {one['count']:,} answers, {one['accuracy']:.1%} right"
            drawn.append(
                element("rect", element("title", told), x=x, y=y, **size, class_="column", fill_opacity=opacity)
            )
    drawn.append(element("line", **ends, class_="mark"))
    total = sum(one["count"] for one in bins)
    return _figure(title, drawn, f"{title}: {total:,} answers in {len(bins)} bins of confidence")


def _figure(title, drawn, alt, *below, short=False):
    height = _SHORT if short else HEIGHT
    svg = element("svg", drawn, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=alt)
    return element("figure", element("figcaption", title), svg, *below)


class _Axes:
    """From figures to places in the drawing."""

    def __init__(self, across, up, short=False, whole=False):
        self.across, (low, high) = _span(across), _span(up)
        # A little air above, so that what is highest does not touch the frame.
        self.up, self.whole = (low, high + (high - low) * 0.06), whole
        self.height = _SHORT if short else HEIGHT
        self.base = self.height - _BOTTOM

    def x(self, value):
        low, high = self.across
        return round(_LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value):
        low, high = self.up
        return round(self.base - (value - low) / (high - low) * (self.base - _TOP), 1)

    def frame(self, name):
        """Axes with round figures beside them."""
        middle = (WIDTH + _LEFT - _RIGHT) / 2
        drawn = [
            element("path", d=f"M{_LEFT} {_TOP}V{self.base}H{WIDTH - _RIGHT}", class_="axis"),
            element("text", name, x=middle, y=self.height - 3, text_anchor="middle"),
        ]
        for value in ticks(*self.up, most=5):
            y = self.y(value)
            drawn.append(element("path", d=f"M{_LEFT} {y}H{WIDTH - _RIGHT}", class_="grid"))
            drawn.append(element("text", short_number(value), x=_LEFT - 5, y=y + 4, text_anchor="end"))
        for value in ticks(*self.across, most=6, least=1 if self.whole else 0):
            x = self.x(value)
            drawn.append(element("text", short_number(value), x=x, y=self.base + 13, text_anchor="middle"))
        return drawn


def _span(values):
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(low, high, most, least=0):
    """Up to `most` round figures within a span, at least `least` apart."""
    power = 10 ** math.floor(math.log10(high - low))
    steps = (power * factor for factor in (0.1, 0.2, 0.5, 1, 2, 5, 10))
    step = next(s for s in steps if s >= least and (high - low) / s <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded to what the step can tell apart, so that 0.30000000000000004 is written 0.3.
    return [round(place * step, 12) for place in range(first, last + 1)]
