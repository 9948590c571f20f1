"""Inspection of surfaces: read or draw plates, measure them with noise, mirror them, tidy boxes."""

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter

BOX = ["left", "top", "right", "bottom"]
MEASURED = ["gray_mean", "gray_std"]
ANNOTATED = ["n_defects", "largest_defect_px", "defect_area_ratio"]


def steel_defects(folder):
    """Read one row per plate: `image`, `label`, the columns of `BOX`, `MEASURED` and `ANNOTATED`, and `split`."""
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    table["image"] = [str((folder / name).resolve()) for name in table["image"]]
    table[BOX] = [enclosing_box(boxes) for boxes in table["boxes"]]
    table[BOX] /= 200
    table.attrs.update(source=folder.name)
    return table


def draw_plates(folder, sizes, side=64, seed=0):
    """Draw gray plates with scratches, spots or patches, and write the images to a folder.

    Args:
        folder: Path for the image files.
        sizes: Dict of split -> number of plates.
        side: Pixels of a side.
        seed: Seed of the plates.

    Returns:
        pandas.DataFrame with the columns of `steel_defects`.
    """
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        for number in range(size):
            label = ("scratches", "spots", "patches")[number % 3]
            plate = Image.new("L", (side, side), int(rng.integers(90, 150)))
            pen, boxes = ImageDraw.Draw(plate), []
            for _ in range(rng.integers(1, 4)):
                width, height = {
                    "scratches": (rng.integers(2, 4), rng.integers(20, 45)),
                    "spots": (rng.integers(5, 9),) * 2,
                    "patches": rng.integers(12, 28, 2),
                }[label]
                x, y = (int(rng.integers(0, side - extent)) for extent in (width, height))
                box = (x, y, x + int(width), y + int(height))
                (pen.ellipse if label == "spots" else pen.rectangle)(box, fill=200 if label == "scratches" else 50)
                boxes.append(box)
            pixels = np.asarray(plate.filter(ImageFilter.GaussianBlur(0.7))) + rng.normal(0, 12, (side, side))
            pixels = np.clip(pixels, 0, 255).astype("uint8")
            path = folder / f"{split}_{number}.png"
            Image.fromarray(pixels).save(path)
            areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
            values = (pixels.mean(), pixels.std(), len(boxes), max(areas), sum(areas) / side**2)
            row = {"image": str(path.resolve()), "label": label, "split": split}
            row |= dict(zip(MEASURED + ANNOTATED, values, strict=True))
            rows.append(row | dict(zip(BOX, np.divide(enclosing_box(boxes), side), strict=True)))
    table = pd.DataFrame(rows)
    table.attrs.update(source="drawn plates")
    return table


def enclosing_box(boxes):
    """The smallest box `(left, top, right, bottom)` that encloses all boxes."""
    corners = np.array(boxes)
    return [*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)]


def measure(table, noise=0.25, missing=0.15, seed=0):
    """Return the table with sensor noise in the columns of `MEASURED`, and some of their cells empty.

    Args:
        table: A DataFrame with a column `split`.
        noise: Standard deviation of the noise, in units of the column's own over the training split.
        missing: Probability that a cell is empty.
        seed: Seed of both.
    """
    rng, attrs = np.random.default_rng(seed), table.attrs
    values = table[MEASURED]
    deviation = values[table["split"] == "train"].std()
    values = values + rng.normal(0, noise, values.shape) * deviation.to_numpy()
    table = table.assign(**values.mask(rng.random(values.shape) < missing))
    table.attrs.update(attrs)
    return table


def with_mirrored(table, folder):
    """Append the training plates mirrored left to right and top to bottom, with their boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    train, parts = table[table["split"] == "train"], [table]
    mirrors = (("left", "right", Image.Transpose.FLIP_LEFT_RIGHT), ("top", "bottom", Image.Transpose.FLIP_TOP_BOTTOM))
    for start, end, mirror in mirrors:
        copies = [str((folder / f"{start}_{row}.png").resolve()) for row in train.index]
        for source, copy in zip(train["image"], copies, strict=True):
            Image.open(source).convert("L").transpose(mirror).save(copy)
        parts.append(train.assign(image=copies, **{start: 1 - train[end], end: 1 - train[start]}))
    found = pd.concat(parts, ignore_index=True)
    found.attrs.update(table.attrs)
    return found


def tidy_boxes(boxes):
    """Boxes `(n, 4)` inside the image, with left <= right and top <= bottom."""
    ends = np.clip(boxes, 0, 1).reshape(-1, 2, 2)
    return np.sort(ends, axis=1).reshape(-1, 4)
