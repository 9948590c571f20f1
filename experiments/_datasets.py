"""Data sets of the tutorials: read from files, or drawn."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, caption, draw_scene
from kerasfusion.data.shapes_world.scene import sample_scene
from kerasfusion.data.table import read_table
from kerasfusion.data.tfds_source import read_tfds

# Twelve parts, each of one color and one shape.
PARTS = [(color, SHAPES[(i + k) % 4]) for i, color in enumerate(COLORS) for k in (0, 2)]


def cifar10(folder):
    """Read `train.npz` and `test.npz` as one table: pixels `x`, class names `y` and `split`."""
    parts = [read_table(folder / f"{split}.npz").assign(split=split) for split in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    names = np.array(json.loads((folder / "classes.json").read_text()), object)
    table = table.assign(y=names[table["y"]])
    table.attrs.update(source=folder.name)
    return table


def covid_chestxray(folder):
    """Read one row per X-ray: `image`, `text` (the patient's note), `label` and `patient`."""
    return read_table(folder / "data.jsonl")


def vqa_rad(folder):
    """Read one row per question: `image`, `question`, `answer`, `kind` (closed or open), `organ` and `split`."""
    table = read_table(folder / "data.jsonl")
    attrs = table.attrs
    table = table.assign(kind=table["answer_type"].str.lower().str.strip(), split=table["split_image"])
    table.attrs.update(attrs)
    return table


def flickr8k(folder):
    """Read one row per photo, with the list of its `captions`."""
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    table["image"] = [str((folder / name).resolve()) for name in table["image"]]
    table.attrs.update(source=folder.name)
    return table


def flickr8k_pairs(folder):
    """Read one row per `caption`."""
    table = flickr8k(folder)
    pairs = table.explode("captions", ignore_index=True).rename(columns={"captions": "caption"})
    pairs.attrs.update(table.attrs)
    return pairs


def mobilenet_weights(data_dir):
    """Find the weights file in `mobilenet_v2_035`; `None` if there is none."""
    if not data_dir:
        return None
    return next((str(path) for path in (Path(data_dir) / "mobilenet_v2_035").glob("*.h5")), None)


def draw_npz(path, rows=160):
    """Write an .npz file in the layout of `keras.datasets`: images of one blue shape each, labels 0 to 3."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % len(SHAPES)
    scenes = [Scene((Object(SHAPES[label], "blue", "large", *rng.uniform(0.3, 0.7, 2)),)) for label in labels]
    pixels = np.stack([draw_scene(scene, rng)[::2, ::2] for scene in scenes])
    train = rows * 3 // 4
    np.savez(path, x_train=pixels[:train], y_train=labels[:train], x_test=pixels[train:], y_test=labels[train:])
    return path


def shapes_with_tags(folder, quick, tags_of):
    """Write images of the shapes world to a folder and return their tags.

    Args:
        folder: Path for the image files.
        quick: Whether to use the small configuration.
        tags_of: Function from a DataFrame of one image's objects (`shape`, `color`) to a list of tags.

    Returns:
        pandas.DataFrame: `image` (file name), `tags` (joined by `|`) and `split`, one row per image.
    """
    world = "shapes:quick" if quick else "shapes"
    objects, _ = read_tfds(world, {"image": "image", "label": ["scene/shape", "scene/color", "index"]})
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for (split, index), part in objects.groupby(["split", "index"], sort=False):
        name = f"images/{split}_{index}.png"
        (folder / name).write_bytes(part["image"].iloc[0])
        rows.append({"image": name, "tags": "|".join(tags_of(part)), "split": split})
    return pd.DataFrame(rows)


def draw_xrays(folder, patients=36):
    """Draw noisy gray images, brighter for COVID-19, with notes, half of which name COVID-19 where present."""
    rng, rows = np.random.default_rng(0), []
    for patient in range(patients):
        sick = patient % 3 > 0
        note = "cough and COVID-19 found" if sick and patient % 3 == 1 else "cough, seen on day " + str(patient % 5)
        for shot in range(1 + patient % 2):
            path = folder / f"{patient}_{shot}.png"
            pixels = np.clip(rng.normal(130 if sick else 100, 40, (32, 32)), 0, 255)
            Image.fromarray(pixels.astype("uint8")).save(path)
            label = "COVID-19" if sick else "Pneumonia"
            rows.append({"image": path.name, "text": note, "label": label, "patient": patient})
    table = pd.DataFrame(rows)
    table.attrs.update(source="made-up table", folder=str(folder))
    return table


def draw_scans(folder, scans=120):
    """Draw dark scans, some with a bright spot, and write two questions about each: a closed and an open one."""
    rng, rows = np.random.default_rng(0), []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(scans):
        pixels = rng.normal(60, 15, (32, 32))
        place = ("none", "left", "right")[number % 3]
        if place != "none":
            row, column = rng.integers(6, 22), rng.integers(2, 10) + 16 * (place == "right")
            pixels[row : row + 5, column : column + 5] += 120
        path = folder / f"{number}.png"
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(path)
        shared = {
            "image": path.name,
            "organ": ("HEAD", "CHEST")[number % 2],
            "split": "test" if number < 20 else "dev" if number < 40 else "train",
        }
        closed = "yes" if place != "none" else "No"
        rows += [
            {**shared, "kind": "closed", "question": "Is there a lesion?", "answer": closed},
            {**shared, "kind": "open", "question": "Where is the lesion?", "answer": place},
        ]
    table = pd.DataFrame(rows)
    table.attrs.update(source="made-up table", folder=str(folder))
    return table


def draw_occluded_scenes(folder, num_train, seed=0):
    """Draw scenes of two or three shapes, one of them hidden by a black square and described by a hint.

    Args:
        folder: Path for the images and `scenes.csv`.
        num_train: Training scenes; validation and test have a twelfth of it each, at least 60.
        seed: Seed of the scenes.

    Returns:
        tuple: path of a table with the columns `image`, `hint`, `caption` and `split`, and the list of test `Scene`s.
    """
    rng, rows, scenes, seen = np.random.default_rng(seed), [], [], set()
    splits = {"train": num_train, "validation": max(60, num_train // 12), "test": max(60, num_train // 12)}
    (folder / "images").mkdir(parents=True)
    for split, count in splits.items():
        for _ in range(count):
            scene = None
            while scene is None or scene.key() in seen:
                objects = sample_scene(rng).objects
                scene = Scene(objects[: rng.integers(2, 4)])
            seen.add(scene.key())
            pixels, hidden = draw_scene(scene, rng), scene.objects[rng.integers(len(scene.objects))]
            row, column = int(64 * hidden.y), int(64 * hidden.x)
            pixels[max(0, row - 11) : row + 12, max(0, column - 11) : column + 12] = 0
            name = f"images/{len(rows)}.png"
            Image.fromarray(pixels).save(folder / name)
            hint = f"a {hidden.size} {hidden.color} {hidden.shape} is hidden"
            rows.append({"image": name, "hint": hint, "caption": caption(scene), "split": split})
            scenes.append(scene)
    pd.DataFrame(rows).to_csv(folder / "scenes.csv", index=False)
    return folder / "scenes.csv", [scene for row, scene in zip(rows, scenes, strict=True) if row["split"] == "test"]


def draw_captioned(folder, num_images=160):
    """Draw images of one shape, with two captions each."""
    rng, rows = np.random.default_rng(0), []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(num_images):
        # In a fixed order, so that no test caption has only unseen words.
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
    """Draw parts in poor light, 32 pixels wide, with unreliable notes.

    Args:
        folder: Path for the image files.
        sizes: Dict of split -> number of rows.
        silent: float, probability that a word is missing from a note.
        right: float, probability that a word is correct; otherwise it is random.
        shares: Relative frequencies of `PARTS`. Defaults to `None`, uniform.
        seed: int, random seed. Defaults to `0`.

    Returns:
        pandas.DataFrame with the columns `image`, `note`, `named` (the words of the note), `part` and `split`.
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
