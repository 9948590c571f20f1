"""The sections in their order, in one file of HTML."""

from importlib.resources import files

from kerasfusion.evaluation.html_report.costs import costs
from kerasfusion.evaluation.html_report.html import Html, element
from kerasfusion.evaluation.html_report.profile import profile_section
from kerasfusion.evaluation.html_report.results import results, training
from kerasfusion.evaluation.html_report.serving import serving
from kerasfusion.evaluation.html_report.summary import asked, notes, verdicts


def render(parts):
    """The page's HTML.

    Args:
        parts: A `Parts`.

    Returns:
        str
    """
    return document(
        parts.title,
        verdicts(parts),
        notes(parts),
        _contents(parts),
        asked(parts),
        profile_section(parts),
        training(parts),
        results(parts),
        costs(parts),
        serving(parts),
    )


def document(title, *contents):
    """A whole page: its style in it, its title above, then the contents."""
    style = (files("kerasfusion.evaluation.html_report") / "page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    )
    body = element("body", element("main", element("h1", title), *contents))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _contents(parts):
    places = [("asked", "What was asked"), ("data", "The data")]
    places += [("training", "Training")] if parts.history else []
    places += [(f"results-{i}", f"Results: {parts.schema[n].column}") for i, n in enumerate(parts.metrics["tasks"])]
    places += [("costs", "What it costs"), ("serve", "Serve it")] if parts.folder else []
    links = [element("li", element("a", name, href=f"#{place}")) for place, name in places]
    return element("nav", element("ul", links), aria_label="Contents")
