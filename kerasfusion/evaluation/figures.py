"""Images of a run: learning curves, the comparison with baselines, the confusion matrix, examples."""

import contextlib
import re
import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from kerasfusion.evaluation import fonts
from kerasfusion.evaluation.charts import ACCENT, BAD, GOOD, QUIET, UNSURE, draw_lines, draw_reliability
from kerasfusion.files import atomic_write

MOST_CLASSES = 30
# Longer ones would make a figure larger than can be drawn.
LONGEST_NAME, LONGEST_LINE = 40, 120
# Control characters and halves of surrogate pairs, which no font has.
_UNDRAWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@contextlib.contextmanager
def figure_style():
    """Settings of Matplotlib for every figure; also a decorator of functions that draw.

    Text is drawn as it is: `$` in a class or sentence is a dollar sign, not the start of a formula.
    Characters that the default font lacks, such as Chinese ones, come from an installed font that has them.
    """
    settings = {"text.parse_math": False, "font.family": fonts.families()}
    with matplotlib.rc_context(settings), fonts.one_warning():
        yield


def save_figure(figure, path, **settings):
    """Write a figure atomically; the settings are those of `Figure.savefig`."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, **settings)


def shorten(text, length=LONGEST_NAME):
    """Cut a text so that it fits into a figure, and replace characters that cannot be drawn."""
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    return _UNDRAWABLE.sub(lambda found: " " if found[0].isspace() else "\ufffd", cut)


@figure_style()
def learning_curves(history, path):
    """Training and validation loss, and the main metric, over epochs."""
    names = [name for name in history[0] if not name.startswith("val_") and f"val_{name}" in history[0]]
    shown = [name for name in ("loss", *sorted(names)) if name in names]
    shown = list(dict.fromkeys(["loss", *[n for n in shown if "accuracy" in n or n.endswith(("mae", "recall"))][:1]]))
    figure = Figure(figsize=(5 * len(shown), 3.6), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
        series = {"training": [row[name] for row in history], "validation": [row[f"val_{name}"] for row in history]}
        draw_lines(axes, epochs, series)
        axes.set_title(name)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save_figure(figure, path, dpi=120)


@figure_style()
def comparison(scores, path):
    """The model beside everything it has to beat, with intervals: dict name -> Score, the model first."""
    figure = Figure(figsize=(7, 0.55 * len(scores) + 1.1), layout="constrained")
    axes = figure.subplots()
    names = list(scores)[::-1]
    values = np.array([scores[name].value for name in names])
    errors = np.abs(np.array([[scores[n].low, scores[n].high] for n in names]).T - values)
    model = next(iter(scores))
    axes.barh(names, values, xerr=errors, color=[ACCENT if n == model else QUIET for n in names], capsize=3)
    for place, name in enumerate(names):
        text = f"{scores[name].value:.1%}" if scores[name].is_share else f"{scores[name].value:.3g}"
        axes.text(scores[name].high, place, f"  {text}", va="center", fontsize=9)
    axes.set(xlabel=f"{scores[model].name} on the test split, 95 % interval")
    axes.set_xlim(0, max(score.high for score in scores.values()) * 1.15)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, dpi=120)


@figure_style()
def confusion(task, labels, decided, path):
    """How often each class (rows) was taken for each other (columns); the most frequent classes where many."""
    frequent = np.argsort(-np.bincount(labels.astype(int), minlength=len(task.classes)), kind="stable")
    kept = np.sort(frequent[:MOST_CLASSES])
    matrix = confusion_matrix(labels.astype(int), decided.astype(int), labels=kept)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(3.5, 0.38 * len(kept) + 1.8)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [shorten(task.classes[k]) for k in kept]
    axes.set_xticks(range(len(kept)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(kept)), names, fontsize=8)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=6, color=color)
    more = f" ({len(kept)} most frequent of {len(task.classes)})" if len(kept) < len(task.classes) else ""
    axes.set(xlabel="decided", ylabel="label", title=f"{shorten(task.title)}{more}")
    figure.colorbar(image, ax=axes, fraction=0.046, label="share of the row")
    save_figure(figure, path, dpi=120, bbox_inches="tight")


@figure_style()
def reliability(calibration, path):
    """How often answers were right at each confidence, before and after the temperature, and how many they are."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
    for (above, below), part in zip(panels.T, ("before", "after"), strict=True):
        found = calibration[part]
        bins = found["bins"]
        draw_reliability(above, bins)
        temperature = f"temperature {calibration['temperature']:.3g}" if part == "after" else "as trained"
        above.set(title=f"{temperature}: ECE {found['ece']:.3f}, Brier {found['brier']:.3f}")
        below.stairs([one["count"] for one in bins], np.linspace(0, 1, len(bins) + 1), fill=True, color=QUIET)
        below.set(xlabel="confidence")
    panels[0, 0].set(ylabel="share that is right")
    panels[1, 0].set(ylabel="answers")
    save_figure(figure, path, dpi=120)


@figure_style()
def looked_at(rows, path, asked=None):
    """Rows of `kf.explain.explain_examples`: the image under its row's text, and beside it the map of each class."""
    columns = 1 + max(len(row["maps"]) for row in rows)
    figure = Figure(figsize=(2 * columns, 2.2 * len(rows)), layout="constrained")
    for axes in figure.subplots(len(rows), columns, squeeze=False).flat:
        axes.axis("off")
    for place, row in enumerate(rows):
        first, *others = figure.axes[columns * place :]
        first.imshow(row["pixels"], interpolation="nearest")
        first.set_title(textwrap.fill(shorten(asked[place], LONGEST_LINE), 28) if asked else "", fontsize=8)
        for axes, shown in zip(others, row["maps"], strict=False):
            axes.imshow(shown["pixels"], interpolation="nearest")
            title = f"{shown['said']}: {shorten(shown['class'])} ({shown['probability']:.0%})"
            axes.set_title(textwrap.fill(title, 24), fontsize=8)
    save_figure(figure, path, dpi=110)


@figure_style()
def words_looked_at(rows, path, columns=8):
    """Rows of `kf.explain.explain_captions`: the image, and behind it the map of each word."""
    lines = [-(-(1 + len(row["maps"])) // columns) for row in rows]
    figure = Figure(figsize=(1.5 * columns, 1.7 * sum(lines)), layout="constrained")
    for axes in figure.subplots(sum(lines), columns, squeeze=False).flat:
        axes.axis("off")
    for row, first in zip(rows, np.cumsum([0, *lines]), strict=False):
        cells = [("", row["pixels"]), *((shown["word"], shown["pixels"]) for shown in row["maps"])]
        for axes, (word, image) in zip(figure.axes[columns * first :], cells, strict=False):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(shorten(word), fontsize=9)
    save_figure(figure, path, dpi=110)


@figure_style()
def robustness(curves, path):
    """How scores fall by degrees: a row for each task, a panel for each corruption, a line for each model."""
    tasks, corruptions = curves["task"].unique(), curves["corruption"].unique()
    first, *others = curves["model"].unique()
    colors = dict(zip(others, (GOOD, UNSURE, BAD), strict=False))
    colors.update({"late average": QUIET, first: ACCENT})
    figure = Figure(figsize=(3.2 * len(corruptions), 3.2 * len(tasks)), layout="constrained")
    panels = figure.subplots(len(tasks), len(corruptions), sharex=True, sharey="row", squeeze=False)
    for row, task in zip(panels, tasks, strict=True):
        for axes, corruption in zip(row, corruptions, strict=True):
            part = curves[(curves["task"] == task) & (curves["corruption"] == corruption)]
            for model, line in part.groupby("model", sort=False):
                draw_lines(axes, line["degree"], {model: line["value"]}, unit="degree", colors=(colors[model],))
            axes.set_title(corruption)
            axes.grid(alpha=0.3)
        row[0].set(ylabel=f"{shorten(task)}: {part['metric'].iloc[0]}")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    save_figure(figure, path, dpi=120)


@figure_style()
def example_grid(images, captions, colors, path, columns=4):
    """Images with a few lines below each: uint8 arrays, strings, a color per caption."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2.6 * columns, 3.1 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, caption, color in zip(figure.axes, images, captions, colors, strict=False):
        axes.imshow(image, interpolation="nearest")
        lines = "\n".join(textwrap.fill(shorten(line, LONGEST_LINE), 30) for line in caption.split("\n"))
        axes.set_title(lines, fontsize=8, color=color, y=0, pad=-4, va="top")
    save_figure(figure, path, dpi=110)


@figure_style()
def retrieval_grid(shown, images, texts, path):
    """Queries, each a row: the text or image on the left, beside it what it found, right ones framed green.

    Args:
        shown: What `shown_queries` gave.
        images: Function of places of images, int `(k,)`, to uint8 `(k, H, W, 3)`.
        texts: The texts.
        path: The file.
    """
    rows = [(direction, *query) for direction, queries in shown.items() for query in queries]
    columns = 1 + max(len(items) for _, _, items, _ in rows)
    figure = Figure(figsize=(1.8 * columns, 1.9 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for (direction, query, items, right), (first, *others) in zip(rows, panels, strict=True):
        by_text = direction == "text to image"
        for axes in (first, *others):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        cells = [(query, not by_text), *((item, by_text) for item in items)]
        for axes, (place, is_image) in zip((first, *others), cells, strict=False):
            if is_image:
                axes.imshow(images(np.array([place]))[0], interpolation="nearest")
            else:
                said = textwrap.fill(shorten(str(texts[place]), LONGEST_LINE), 20)
                axes.text(0.5, 0.5, said, ha="center", va="center", fontsize=7, transform=axes.transAxes)
        for axes, is_right in zip(others, right, strict=False):
            axes.spines[:].set(visible=True, color=GOOD if is_right else QUIET, linewidth=3 if is_right else 0.5)
    save_figure(figure, path, dpi=110)
