"""Charts of pages: Matplotlib's SVG, in the colors and fonts of the page."""

import re
import warnings
from html.parser import HTMLParser

import pytest

from kerasfusion.evaluation.html_report import figures

NASTY = "<b>$x_1$ 价格</b> \"q\" & 'a'"
BINS = [{"count": 0}, {"count": 3, "accuracy": 1 / 3}, {"count": 40, "accuracy": 0.9}]
CHARTS = {
    "lines": lambda: figures.lines(NASTY, [1, 2], {NASTY: [0.5, float("nan")], "validation": [1.0, 2.0]}, 2),
    "one epoch": lambda: figures.lines("loss", [1], {"training": [0.5], "validation": [0.5]}, 1),
    "within": lambda: figures.lines("loss", [0.0, 0.5], {"model": [0.5, 0.5]}, unit=NASTY, within=[0.0, 9.0]),
    "scatter": lambda: figures.scatter(NASTY, [(0.0, 1.0), (2.0, 2.5)], NASTY, "answer"),
    "histogram": lambda: figures.histogram(NASTY, [0, 1, 2], [3, 0], NASTY),
    "reliability": lambda: figures.reliability(NASTY, BINS, "confidence"),
}


def shown(page):
    """What a browser shows of a page."""
    parser, texts = HTMLParser(), []
    parser.handle_data = texts.append
    parser.feed(page)
    return texts


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_a_part_of_the_page(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = CHARTS[name]()
    # Two of them may stand in one page, which loads nothing.
    assert not re.search(r"\sid=|url\(|xmlns|xlink|<(use|defs|metadata|style)\b", chart)
    assert chart.count("<svg") == 1 and 'role="img"' in chart and "<b>" not in chart
    # Every color is the page's, in the light and in the dark; so is the font.
    assert "var(--" in chart and not re.search("#[0-9a-f]{6}", chart)
    assert "font-size" in chart and not re.search("font:|font-family", chart)


def test_texts_are_as_they_were_given():
    assert shown(CHARTS["scatter"]()).count(NASTY) == 2
    assert NASTY in shown(CHARTS["within"]())


def test_points_and_what_they_say():
    assert CHARTS["scatter"]().count("<circle") == 2 and CHARTS["one epoch"]().count("<circle") == 2
    told = re.findall("<title>(.*?)</title>", CHARTS["reliability"]())
    assert told == ["0.33 to 0.67: 3 answers, 33.3% right", "0.67 to 1.00: 40 answers, 90.0% right"]


def test_axes():
    assert {"0", "2", "4", "6", "8"} <= set(shown(CHARTS["within"]()))
    # Epochs are whole numbers.
    assert [text for text in shown(CHARTS["one epoch"]()) if text == "1"] == ["1"]
    assert "1.5" not in shown(CHARTS["lines"]())[:4]
