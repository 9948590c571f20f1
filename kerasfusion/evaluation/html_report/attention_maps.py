"""What the model looked at: images with class activation maps over them."""

from kerasfusion.evaluation.details import example
from kerasfusion.evaluation.html_report.html import element, join
from kerasfusion.evaluation.html_report.rows import place_line, shown_input
from kerasfusion.evaluation.thumbnails import jpeg
from kerasfusion.feature_kinds import KINDS

_SAID = (
    "Bright places spoke for the class named below each image, the brightest most; dark ones did not (Grad-CAM, "
    "arXiv 1610.02391). A map says where the evidence lies, not why; its places are as coarse as the model's grid. "
    "First the wrong answers that the model was surest of, then right ones."
)


def looked_at_details(rows, found, examples):
    """Rows of `kf.explain.explain_examples` as plain JSON; a reason why there are none stays as it is.

    Args:
        rows: The rows, or a sentence.
        found: The `TaskReport`.
        examples: The `Examples` it was made on.

    Returns:
        list of dicts, or the sentence.
    """
    if isinstance(rows, str):
        return rows
    return [
        {
            **example(found, examples, row["place"]),
            "maps": [
                {key: shown[key] for key in ("class", "said", "probability")}
                | dict(zip(("src", "width", "height"), jpeg(shown["pixels"]), strict=True))
                for shown in row["maps"]
            ],
        }
        for row in rows
    ]


def looked_at(rows):
    """The part of a task's section; nothing where the page is of a table without images.

    Args:
        rows: What `looked_at_details` gave, or None.

    Returns:
        Html
    """
    if rows is None:
        return None
    heading = element("h3", "What the model looked at")
    if isinstance(rows, str):
        return join(heading, element("p", f"Not shown: {rows}"))
    return join(heading, element("p", _SAID), element("div", [_card(row) for row in rows], class_="cards looked"))


def _card(row):
    maps = [
        element(
            "div",
            element(
                "img",
                src=shown["src"],
                alt=f"where row {row['row']} speaks for {shown['class']}",
                width=shown["width"],
                height=shown["height"],
                class_="small" if max(shown["width"], shown["height"]) <= 64 else None,
            ),
            element("p", f"{shown['said']}: {shown['class']} ({shown['probability']:.1%})"),
        )
        for shown in row["maps"]
    ]
    texts = [shown_input(row, cell) for cell in row["inputs"] if not KINDS[cell["kind"]].stored]
    images = [element("div", shown_input(row, cell)) for cell in row["inputs"] if KINDS[cell["kind"]].stored]
    return element(
        "article",
        texts,
        element("div", images, maps, class_="maps"),
        element("p", place_line(row), class_="place"),
        class_="card",
    )
