"""Which figures a run has, by the type of its tasks, and what they are drawn from."""

import functools

import numpy as np

from kerasfusion.evaluation import figures
from kerasfusion.evaluation.caption_report import shown_images
from kerasfusion.evaluation.predict import decode_predictions
from kerasfusion.evaluation.retrieval_report import shown_queries
from kerasfusion.evaluation.tasks import TASKS


def run_figures(history, reports, test, looked_at):
    """The figures of a run.

    Args:
        history: DataFrame of `history.csv`.
        reports: dict task -> its report on the test split.
        test: The test `Examples`.
        looked_at: dict task -> rows of `kf.explain`, or the reason why there are none.

    Yields:
        tuple: a figure's file name, and a function of the `path` that draws it.
    """
    yield "learning_curves.png", functools.partial(figures.learning_curves, history)
    for name, found in reports.items():
        end = "" if len(reports) == 1 else f"_{name}"
        for file, draw in TASKS[found.task.type].figures(found, test, looked_at.get(name)):
            yield f"{file}{end}.png", draw


def retrieval_figures(found, test):
    """Queries and what was found: pairs of a name and a function of the `path`, as are those of the others."""
    yield "retrieval", functools.partial(_draw_queries, found, test)


def caption_figures(found, test, looked_at):
    """Scores, captions, and where each word looked."""
    yield "comparison", functools.partial(figures.comparison, found.ciders)
    yield "examples", functools.partial(_draw_captions, found, test)
    if isinstance(looked_at, list):
        yield "looked_at", functools.partial(figures.words_looked_at, looked_at)


def label_figures(found, test, looked_at):
    """Scores, mistakes, calibration, examples, and what they looked at."""
    yield "comparison", functools.partial(figures.comparison, found.scores)
    if found.task.one_class:
        yield "confusion", functools.partial(figures.confusion, found.task, found.labels, found.decided)
    if found.calibration is not None:
        yield "reliability", functools.partial(figures.reliability, found.calibration)
    if test.schema.of_kind("image"):
        yield "examples", functools.partial(_draw_examples, found, test)
    if isinstance(looked_at, list):
        asked = _asked(test, found.rows[[row["place"] for row in looked_at]])
        yield "looked_at", functools.partial(figures.looked_at, looked_at, asked=asked)


def _draw_queries(found, test, path):
    (image,), (text,) = test.schema.of_kind("image"), test.schema.of_kind("text")
    bank, texts = test.banks[image.name], test.raw(text)[found.rows]

    def images(places):
        return bank.fetch(found.image_places[places])[0].numpy()

    figures.retrieval_grid(shown_queries(found), images, texts, path)


def _draw_captions(found, test, path, count=12):
    """What was written about a few images, and below what a person wrote."""
    places = shown_images(found, count)
    (image,) = test.schema.of_kind("image")
    images = test.banks[image.name].fetch(test.arrays[image.name][found.rows[places]])[0].numpy()
    written = next(iter(found.captions.values()))
    texts = [f"{written[place]}\n({found.references[place][0]})" for place in places]
    figures.example_grid(images, texts, ["black"] * len(texts), path)


def _draw_examples(found, test, path, count=12):
    """Test rows spread over the split: what was asked, what was answered, in green where right."""
    task = found.task
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(found.rows), min(count, len(found.rows)), replace=False))
    image = test.schema.of_kind("image")[0].name
    rows = found.rows[chosen]
    images = test.banks[image].fetch(test.arrays[image][rows])[0].numpy()
    answers, labels = decode_predictions(task, found.decided[chosen]), decode_predictions(task, found.labels[chosen])
    captions, colors = [], []
    for i, asked in enumerate(_asked(test, rows)):
        if not task.classes:
            captions.append(f"{asked}\n{answers[i]:.3g} (label {labels[i]:.3g})")
            colors.append("black")
            continue
        right = answers[i] == labels[i]
        captions.append(f"{asked}\n{answers[i]}" + ("" if right else f" (label {labels[i]})"))
        colors.append("#1a7f37" if right else "#cf222e")
    figures.example_grid(images, captions, colors, path)


def _asked(test, rows):
    """The texts of each row, short enough to stand beside its image."""
    texts = [test.raw(feature)[rows] for feature in test.schema.of_kind("text")]
    return [" / ".join(str(text[i]) for text in texts)[:90] for i in range(len(rows))]
