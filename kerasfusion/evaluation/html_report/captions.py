"""How well images were put into words: figures beside the baselines, and images with what was written of them."""

from kerasfusion.evaluation.caption_report import shown_images
from kerasfusion.evaluation.caption_scores import TOKENS
from kerasfusion.evaluation.details import row_inputs
from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.html_report.rows import place_line, shown_input
from kerasfusion.evaluation.scores import Score
from kerasfusion.evaluation.statistics import RESAMPLES
from kerasfusion.evaluation.thumbnails import jpeg

EXAMPLES = 12
# Of the small images, one for each word.
SIDE = 96


def caption_details(found, examples, count=EXAMPLES):
    """What a page shows of captions beyond their figures.

    Args:
        found: A `CaptionReport`.
        examples: The `Examples` it was made on.
        count: Images shown, drawn from all.

    Returns:
        dict of JSON values: `images`, a list of dicts `row` (its number in the table), `inputs`, `captions`
        (name -> str) and `references`.
    """
    return {
        "images": [
            {
                **_shown(found, examples, place),
                "captions": {name: written[place] for name, written in found.captions.items()},
                "references": found.references[place],
            }
            for place in shown_images(found, count)
        ]
    }


def word_details(rows, found, examples):
    """Rows of `kf.explain.explain_captions` as plain JSON; a reason why there are none stays as it is.

    Args:
        rows: The rows, or a sentence.
        found: The `CaptionReport`.
        examples: The `Examples` it was made on.

    Returns:
        list of dicts, or the sentence.
    """
    if isinstance(rows, str):
        return rows
    return [
        {
            **_shown(found, examples, row["place"]),
            "words": [
                {"word": shown["word"]}
                | dict(zip(("src", "width", "height"), jpeg(shown["pixels"], SIDE), strict=True))
                for shown in row["maps"]
            ],
        }
        for row in rows
    ]


def captions(found, detail, rows_of):
    """The contents of the section of a caption: the scores, how they are made, images, what was looked at.

    Args:
        found: The task's part of `metrics.json`.
        detail: What `caption_details` gave.
        rows_of: A sentence on how rows are numbered.

    Returns:
        Html
    """
    header = ("", "CIDEr [95 % interval]", *(f"BLEU-{order}" for order in (1, 2, 3, 4)), "ROUGE-L")
    header += ("novel", "distinct words", "length")
    rows = [[name, *_figures(scores)] for name, scores in found["scores"].items()]
    first = next(iter(found["scores"].values()))
    said = (
        f"All captions of an image are its references; both are compared as {TOKENS}. CIDEr is the mean over "
        f"{first['cider']['n']:,} images, resampled {RESAMPLES:,} times for the interval; BLEU is of all captions "
        f"together ({first['signature']}). Novel are captions that no training image has; the length is in words."
    )
    cards = [_card(image) for image in detail["images"]]
    return join(
        table("The model beside what it has to beat (larger is better)", header, rows, range(1, len(header))),
        element("p", said, class_="legend"),
        element("h3", "Images and what was written of them"),
        element("p", f"Drawn from all images. {rows_of}"),
        element("div", cards, class_="cards looked"),
        _looked_at(detail.get("looked_at")),
    )


def _shown(found, examples, place):
    """An image's row in the table, and what went in."""
    position = found.rows[place]
    return {"row": int(examples.frame.index[position]) + 1, "inputs": row_inputs(examples, position)}


def _looked_at(rows):
    if rows is None:
        return None
    heading = element("h3", "What the model looked at, word by word")
    if isinstance(rows, str):
        return join(heading, element("p", f"Not shown: {rows}"))
    said = "Bright places had the most attention when the word below was chosen; each map is as bright as any."
    return join(heading, element("p", said), [_words(row) for row in rows])


def _words(row):
    words = [
        element(
            "div",
            element(
                "img",
                src=shown["src"],
                alt=f"where row {row['row']} was looked at for {shown['word']}",
                width=shown["width"],
                height=shown["height"],
            ),
            element("p", shown["word"]),
        )
        for shown in row["words"]
    ]
    images = [shown_input(row, cell) for cell in row["inputs"]]
    return element(
        "article",
        images,
        element("div", words, class_="maps"),
        element("p", place_line(row), class_="place"),
        class_="card",
    )


def _figures(scores):
    novel = "" if scores["novel"] is None else f"{scores['novel']:.1%}"
    return [
        # The column says which score it is.
        str(Score(**scores["cider"])).removeprefix("CIDEr "),
        *(f"{value:.1f}" for value in scores["bleu"]),
        f"{scores['rouge_l']:.3f}",
        novel,
        f"{scores['words']:,}",
        f"{scores['length']:.1f}",
    ]


def _card(image):
    lines = [
        [element("dt", name), element("dd", element("strong", written) if place == 0 else written)]
        for place, (name, written) in enumerate(image["captions"].items())
    ]
    return element(
        "article",
        [shown_input(image, cell) for cell in image["inputs"]],
        element("dl", lines),
        element("p", "Written by people:", class_="place"),
        element("ul", [element("li", said) for said in image["references"]]),
        element("p", place_line(image), class_="place"),
        class_="card",
    )
