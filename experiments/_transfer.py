"""Data sets and figure of tutorial 11."""

from pathlib import Path

import numpy as np
import pandas as pd
from _datasets import cifar10, flickr8k, mobilenet_weights
from matplotlib.figure import Figure
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, draw_scene
from kerasfusion.evaluation.caption_scores import require_scorers

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
# Photos scored by CIDEr, photos that choose the best epoch, and sentences to pretrain on.
SCORED, CHOOSING, SENTENCES = 300, 100, 6000


def check_requirements(parser, arguments):
    """End with an error now, and not in the middle of the run, where data or the caption scorers are missing."""
    if not (arguments.quick or arguments.data_dir):
        parser.error("name the folder of cifar10 and noto_emoji: --data-dir or KERASFUSION_DATA (or try --quick)")
    require_scorers()


def command(arguments):
    """The command that is recorded with the results."""
    line = f"python experiments/11_transfer.py --data-dir DATA --seeds {arguments.seeds} --on {arguments.on}"
    return line + " --quick" * arguments.quick + " --results experiments/results/transfer.csv"


def draw_shapes(folder, label, num_rows=60, seed=0, accurate=False):
    """Draw one shape per image, with a note.

    Args:
        folder: Where the images go.
        label: What to predict: "shape", "color" or "both".
        num_rows: int. Defaults to 60.
        seed: int. Defaults to 0.
        accurate: Whether notes are always right. Defaults to False: their words are often wrong.

    Returns:
        pandas.DataFrame: `image`, `note`, `label`, `split`.
    """
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(num_rows):
        shape, color = rng.choice(SHAPES), rng.choice(COLORS[:4])
        pixels = draw_scene(Scene((Object(shape, color, SIZES[i % 2], *rng.uniform(0.4, 0.6, 2)),)), rng)
        Image.fromarray(pixels[16:48, 16:48]).save(folder / f"{i}.png")
        words = [color, shape]
        if not accurate:
            words = [rng.choice([color, *COLORS[:4]]), rng.choice([shape, *SHAPES])]
        target = {"shape": shape, "color": color, "both": f"{color} {shape}"}[label]
        split = ("train", "train", "validation", "test")[i % 4]
        rows.append({"image": f"{i}.png", "note": " ".join(words), "label": target, "split": split})
    table = pd.DataFrame(rows)
    table.attrs.update(folder=str(folder))
    return table


def load_images(arguments):
    """Animals and vehicles of CIFAR-10, two tasks without a common image; drawn shapes in quick mode."""
    if arguments.quick:
        tables = [
            draw_shapes(arguments.output_dir / name, label, seed=seed).drop(columns="note")
            for seed, (name, label) in enumerate({"shapes": "shape", "colors": "color"}.items())
        ]
    else:
        table = cifar10(Path(arguments.data_dir) / "cifar10").rename(columns={"x": "image", "y": "label"})
        animal = table["label"].isin(ANIMALS)
        tables = [table[animal].reset_index(drop=True), table[~animal].reset_index(drop=True)]
    return [kf.data.load(table, image="image", label="label", split="split") for table in tables]


def load_emoji(arguments):
    """Emoji with names and a coarse class; drawn shapes with notes in quick mode."""
    if arguments.quick:
        table = draw_shapes(arguments.output_dir / "emoji", "color", seed=2)
        return kf.data.load(table, image="image", text="note", label="label", split="split")
    return kf.data.load(Path(arguments.data_dir) / "noto_emoji" / "data.jsonl", image_size=32)


def load_shapes(arguments):
    """Shapes of four colors with accurate notes, 16 classes."""
    num_rows = 200 if arguments.quick else 4000
    table = draw_shapes(arguments.output_dir / "things", "both", num_rows, seed=9, accurate=True)
    return kf.data.load(table, image="image", text="note", label="label", split="split", image_size=32)


def load_captions(arguments, num_photos):
    """Captioned photos of Flickr8k, and captions of other photos; drawn shapes in quick mode.

    Args:
        arguments: The parsed flags.
        num_photos: Training photos, with one caption each.

    Returns:
        tuple: `Data`, and a list of sentences.
    """
    settings = {"image": "image", "label": "captions", "split": "split", "problem_type": "captioning"}
    if arguments.quick:
        table = draw_shapes(arguments.output_dir / "emoji", "color", seed=2).drop(columns="label")
        table = table.rename(columns={"note": "captions"})
        return kf.data.load(table, **settings, image_size=32, allow_external_paths=True), ["red circle"] * 30
    table = flickr8k(Path(arguments.data_dir) / "flickr8k_128").sample(frac=1, random_state=0)
    parts = {split: part for split, part in table.groupby("split")}
    train = parts["train"][:num_photos]
    train = train.assign(captions=[captions[0] for captions in train["captions"]])
    sentences = parts["train"]["captions"][num_photos:].explode().tolist()[:SENTENCES]
    table = pd.concat([train, parts["validation"][: CHOOSING + SCORED], parts["test"][:SCORED]])
    table = table[["image", "captions", "split"]]
    data = kf.data.load(table, **settings, sequence_length=20, image_size=128, allow_external_paths=True)
    return data, sentences


def train_and_validation(data):
    """The two splits that training reads."""
    return [data.splits["train"], data.splits["validation"]]


def sample(data, fraction, seed):
    """A random fraction of the training and validation rows, at least 20 of each."""
    rng = np.random.default_rng(seed)
    parts = train_and_validation(data)
    return [part.take(rng.permutation(len(part))[: max(20, round(fraction * len(part)))]) for part in parts]


def take_images(examples, first, last):
    """The rows of some of the images."""
    images = examples.arrays["image"]
    return examples.take(np.flatnonzero(np.isin(images, np.unique(images)[first:last])))


def split_captions(data, on):
    """Rows that choose the best epoch, a quarter of the validation photos, and rows to score: test or the others."""
    validation = data.splits["validation"]
    quarter = len(np.unique(validation.arrays["image"])) // 4
    scored = data.splits["test"] if on == "test" else take_images(validation, quarter, None)
    return take_images(validation, 0, quarter), scored


def captioner_settings(arguments, small_cnn):
    """Arguments of `kf.models.captioner`: a pretrained MobileNetV2, or a small CNN in quick mode."""
    if arguments.quick:
        return {"image_encoder": small_cnn, "decoder": {"name": "transformer", "num_layers": 1}, "units": 16}
    weights = mobilenet_weights(arguments.data_dir)
    backbone = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights, "units": None}
    return {"image_encoder": backbone, "decoder": "transformer", "units": 128, "dropout": 0.3}


def plot_learning_curves(curves, path):
    """Accuracy over the number of labels: name -> list of `(labels, accuracy)`."""
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    for (name, points), color in zip(curves.items(), ("#1f6feb", "#1a7f37", "#9aa4b2"), strict=False):
        axes.plot(*zip(*points, strict=True), "o-", color=color, label=name)
    axes.set(title="feature transfer", xlabel="labeled vehicles", ylabel="accuracy", xscale="log")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    print(f"Figure: {path}")
