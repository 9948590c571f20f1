"""How well images and texts find each other: figures of both directions, and a few queries with what they found."""

from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.retrieval_report import shown_queries
from kerasfusion.evaluation.thumbnails import thumbnail

MOST_LETTERS = 200
_CAPTIONS = {
    "text to image": "Texts, and the images nearest to each",
    "image to text": "Images, and the texts nearest to each",
}


def match_details(found, examples):
    """What a page shows of a match beyond its figures.

    Args:
        found: A `MatchReport`.
        examples: The `Examples` it was made on.

    Returns:
        dict of JSON values: `queries`, direction -> list of dicts `query` and `found`, cells with `text` or a
        image's `src`, those found with `right` as well.
    """
    (image,), (text,) = examples.schema.of_kind("image"), examples.schema.of_kind("text")
    said = examples.raw(text)[found.rows]

    def shown_image(place):
        made = thumbnail(examples.banks[image.name].encoded(found.image_places[place]))
        return {} if made is None else {"src": made[0], "width": made[1][0], "height": made[1][1]}

    def words(place):
        return {"text": said[place][:MOST_LETTERS]}

    cells = {"text to image": (words, shown_image), "image to text": (shown_image, words)}
    queries = {
        direction: [
            {
                "query": cells[direction][0](query),
                "found": [
                    {**cells[direction][1](item), "right": bool(is_right)}
                    for item, is_right in zip(items, right, strict=True)
                ],
            }
            for query, items, right in shown
        ]
        for direction, shown in shown_queries(found).items()
    }
    return {"queries": queries}


def matches(found, detail):
    """The contents of the section of a match: a table of both directions with chance below, and the queries.

    Args:
        found: The task's part of `metrics.json`.
        detail: What `match_details` gave.

    Returns:
        Html
    """
    rows = [[name, *_figures(part)] for name, part in found["directions"].items()]
    rows += [[f"chance, {name}", *_figures(part)] for name, part in found["chance"].items()]
    ks = next(iter(found["directions"].values()))["recall"]
    header = ("", *(f"R@{k}" for k in ks), "median rank", "MRR", "queries", "searched")
    said = (
        f"R@K is the share of queries with a right item among the K nearest. rsum, the sum of all R@K in percent, is "
        f"{found['rsum']:.1f} of 600; by chance it is {found['chance_rsum']:.1f}."
    )
    contents = [table("Both directions", header, rows, range(1, len(header))), element("p", said)]
    for direction, queries in detail["queries"].items():
        contents.append(element("h3", _CAPTIONS[direction]))
        contents.append(element("p", "The nearest first; what is right is framed in green. Drawn from all queries."))
        contents += [_query(query) for query in queries]
    return join(contents)


def _figures(part):
    recall = [f"{value:.1%}" for value in part["recall"].values()]
    return [
        *recall,
        f"{part['median_rank']:g}",
        f"{part['mrr']:.3f}",
        f"{part['queries']:,}",
        f"{part['gallery']:,}",
    ]


def _query(query):
    found = [_cell(cell, "found right" if cell["right"] else "found") for cell in query["found"]]
    return element("div", _cell(query["query"], "query"), found, class_="matches")


def _cell(cell, class_):
    if "text" in cell:
        return element("p", cell["text"], class_=class_)
    if "src" not in cell:
        return element("p", "the image cannot be shown", class_=class_)
    class_ += " small" if max(cell["width"], cell["height"]) <= 64 else ""
    alt = "an image found" if class_.startswith("found") else "the image asked with"
    return element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"], class_=class_)
