"""Data sets that several tutorials read, and the ones that they draw."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, draw_scene
from kerasfusion.data.table import read_table

# Twelve parts, each of one color and one shape.
PARTS = [(color, SHAPES[(i + k) % 4]) for i, color in enumerate(COLORS) for k in (0, 2)]


def cifar10(folder):
    """`train.npz` and `test.npz` of a folder as one table: pixels `x`, class names `y`, `split`."""
    parts = [read_table(folder / f"{split}.npz").assign(split=split) for split in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    names = np.array(json.loads((folder / "classes.json").read_text()), object)
    table = table.assign(y=names[table["y"]])
    table.attrs.update(source=folder.name)
    return table


def flickr8k(folder):
    """One row per photo, with the list of its `captions`."""
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    table["image"] = [str((folder / name).resolve()) for name in table["image"]]
    table.attrs.update(source=folder.name)
    return table


def flickr8k_pairs(folder):
    """One row per `caption`."""
    table = flickr8k(folder)
    pairs = table.explode("captions", ignore_index=True).rename(columns={"captions": "caption"})
    pairs.attrs.update(table.attrs)
    return pairs


def mobilenet_weights(data_dir):
    """The weights file in `mobilenet_v2_035`; None if there is none."""
    if not data_dir:
        return None
    return next((str(path) for path in (Path(data_dir) / "mobilenet_v2_035").glob("*.h5")), None)


def draw_captioned(folder, num_images=160):
    """Images of one shape, with two captions each."""
    rng, rows = np.random.default_rng(0), []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(num_images):
        # In turn, so that no test caption consists of unseen words.
        color, shape, side = COLORS[i % 6], SHAPES[i // 6 % 4], ("left", "right")[i // 24 % 2]
        item = Object(shape, color, "large", rng.uniform(0.2, 0.3) + 0.5 * (side == "right"), rng.uniform(0.3, 0.7))
        name = f"images/{i}.png"
        Image.fromarray(draw_scene(Scene((item,)), rng)).resize((32, 32)).save(folder / name)
        captions = f"a {color} {shape} on the {side}", f"{side} there is a {shape} it is {color}"
        rows += [{"image": name, "caption": caption} for caption in captions]
    table = pd.DataFrame(rows)
    table.attrs["folder"] = str(folder)
    return table


def draw_parts(folder, sizes, silent, right, shares=None, seed=0):
    """Parts in poor light, 32 pixels wide, with careless notes.

    Args:
        folder: Where the images go.
        sizes: dict split -> rows.
        silent: Probability that a note leaves out a word.
        right: Probability that a word that is there is chosen rightly, not by chance.
        shares: Relative frequency of each of `PARTS`; None is uniform.
        seed: Seed of everything.

    Returns:
        pandas.DataFrame: `image`, `note`, `named` (the words of the note), `part`, `split`.
    """
    random, rows = np.random.default_rng(seed), []
    (folder / "images").mkdir(parents=True, exist_ok=True)

    def word(value, values):
        if random.random() < silent:
            return ""
        return value if random.random() < right else random.choice(values)

    for split, size in sizes.items():
        for i in range(size):
            if shares is None:
                place = random.integers(len(PARTS))
            else:
                place = random.choice(len(PARTS), p=shares / shares.sum())
            color, shape = PARTS[place]
            item = Object(shape, color, SIZES[i % 2], *random.uniform(0.4, 0.6, 2))
            tint, grain = random.normal(0, 30, 3), random.normal(0, 25, (32, 32, 1))
            pixels = draw_scene(Scene((item,)), random)[16:48, 16:48] + tint + grain
            name = f"images/{split}_{i}.png"
            Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(folder / name)
            words = [said for said in (word(color, COLORS), word(shape, SHAPES)) if said]
            note = " ".join(["a", *words, "thing"])
            rows.append({"image": name, "note": note, "named": words, "part": f"P{place + 1:02}", "split": split})
    table = pd.DataFrame(rows)
    table.attrs.update(folder=str(folder))
    return table
