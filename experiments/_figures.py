"""Figures of images that several tutorials save."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def save_columns(path, columns, rows=6):
    """Save a figure with one column of images per title.

    Args:
        path: The PNG file.
        columns: dict title -> float array of images in 0..1, `(n, 32, 32, 3)` or flattened.
        rows: Images per column.
    """
    figure = Figure(figsize=(1.15 * len(columns), 1.1 * rows), layout="constrained")
    for axes, (title, images) in zip(figure.subplots(1, len(columns)), columns.items(), strict=True):
        axes.imshow(np.concatenate(list(np.reshape(images, (-1, 32, 32, 3))[:rows])).clip(0, 1))
        axes.set_title(title, fontsize=7)
        axes.axis("off")
    figure.savefig(path, dpi=120)


def save_rows(path, rows):
    """Save a figure with one row of images per title.

    Args:
        path: The PNG file.
        rows: dict title -> uint8 array of images `(n, 32, 32, 3)`.
    """
    figure = Figure(figsize=(8, 0.85 * len(rows)), layout="constrained")
    for axes, (title, images) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
        axes.imshow(np.concatenate(list(images), axis=1))
        axes.set_title(title, fontsize=8)
        axes.axis("off")
    figure.savefig(path, dpi=120)


def save_captioned(path, images, captions, title=None, columns=8):
    """Save a grid of images with a caption above each.

    Args:
        path: The PNG file.
        images: List of images, as `imshow` takes them.
        captions: List of strings.
        title: Title of the whole figure.
        columns: Images per row.
    """
    height = -(-len(images) // columns)
    figure = Figure(figsize=(1.25 * columns, 1.8 * height), layout="constrained")
    for axes, image, caption in zip(figure.subplots(height, columns).flat, images, captions, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize=6)
        axes.axis("off")
    if title:
        figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=120)


def save_curves(path, curves, top, xlabel, ylabel="accuracy", xscale="log"):
    """Save learning curves, with the range over the seeds as a band.

    Args:
        path: The PNG file.
        curves: dict name -> pandas.DataFrame, one row per x and one column per seed.
        top: tuple of a name and a value, drawn as a horizontal line.
        xlabel: Label of the x axis.
        ylabel: Label of the y axis.
        xscale: Scale of the x axis.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        (line,) = axes.plot(curve.index, curve.mean(axis=1), marker="o", ms=4, label=name)
        axes.fill_between(curve.index, curve.min(axis=1), curve.max(axis=1), color=line.get_color(), alpha=0.12, lw=0)
    axes.axhline(top[1], color="#9aa4b2", ls=":", label=top[0])
    axes.set(xlabel=f"{xlabel} (bands: the seeds)", ylabel=ylabel, xscale=xscale)
    axes.set_xticks(curve.index, curve.index)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def save_bars(path, panels, highlight, xlabel="accuracy"):
    """Save horizontal bars, one panel per condition, with a dot per seed.

    Args:
        path: The PNG file.
        panels: dict title -> pandas.DataFrame, one row per model and one column per seed.
        highlight: Words; the bars of models whose name has one of them are blue.
        xlabel: Label of the x axes.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, (title, panel) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        means = panel[::-1].mean(axis=1)
        colors = ["#1f6feb" if any(word in name for word in highlight) else "#9aa4b2" for name in means.index]
        axes.barh(means.index, means, color=colors, alpha=0.6)
        for place, (mean, values) in enumerate(zip(means, panel[::-1].to_numpy(), strict=True)):
            axes.plot(values, [place] * len(values), ".", color="#1f2328", ms=3)
            axes.text(1.02, place, f"{mean:.0%}", va="center", fontsize=7)
        axes.set(xlim=(0, 1.2))
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(f"{xlabel} (dots: the seeds)", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=120)


def save_boxes(path, images, boxes, captions, columns=6, width=1.6, fontsize=7):
    """Save a grid of images with boxes.

    Args:
        path: The PNG file.
        images: List of `PIL.Image`.
        boxes: dict of color -> boxes of each image `(n, 4)` or `(n, k, 4)`: left, top, right and bottom as fractions.
            Those of the second color are dashed; boxes without an area are left out.
        captions: List of strings.
        columns: Images per row.
        width: Inches of a column.
        fontsize: Of the captions.
    """
    height = -(-len(images) // columns)
    figure = Figure(figsize=(width * columns, 1.125 * width * height), layout="constrained")
    grid = np.atleast_1d(figure.subplots(height, columns)).flatten()
    for axes in grid:
        axes.axis("off")
    for place, (axes, image, caption) in enumerate(zip(grid, images, captions, strict=False)):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        for (color, own), style in zip(boxes.items(), ("-", "--"), strict=False):
            for left, top, right, bottom in np.reshape(own[place], (-1, 4)):
                corner = (left * image.width - 0.5, top * image.height - 0.5)
                extent = ((right - left) * image.width, (bottom - top) * image.height)
                if min(extent) > 0:
                    axes.add_patch(Rectangle(corner, *extent, fill=False, color=color, ls=style, lw=1.5))
        axes.set_title(caption, fontsize=fontsize)
    figure.savefig(path, dpi=120)
