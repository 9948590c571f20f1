"""Data set and figures of tutorial 12."""

import dataclasses

import numpy as np
import pandas as pd
from _datasets import PARTS
from matplotlib.figure import Figure
from PIL import Image

from kerasfusion.data.shapes_world import COLORS, SHAPES, SIZES, Object, Scene, draw_scene

# What can be asked about a part, and the possible answers.
QUESTIONS = {"color?": COLORS, "shape?": SHAPES, "where?": ("here", "there")}
QUICK_SIZES = {"train": 160, "validation": 60, "test": 60}
SIZES_OF_SPLITS = {"train": 1200, "validation": 400, "test": 1000}

ACCENT, MUTED, WARNING = "#1f6feb", "#9aa4b2", "#cf222e"


def draw_store(folder, quick=False, seed=0):
    """Draw a store room: `catalogue.csv` (what each part looks like), `shelf.csv` (the rows) and their images.

    Args:
        folder: Where to write.
        quick: Whether to draw few rows.
        seed: int. Defaults to 0.
    """
    rng, rows = np.random.default_rng(seed), []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    catalogue = pd.DataFrame(PARTS, columns=["color", "shape"])
    catalogue.insert(0, "part", [f"P{i + 1:02}" for i in range(len(catalogue))])
    for split, size in (QUICK_SIZES if quick else SIZES_OF_SPLITS).items():
        for i in range(size):
            part, color, shape = catalogue.iloc[rng.integers(len(catalogue))]
            image = f"images/{split}_{i}.png"
            Image.fromarray(_draw_part(rng, color, shape)).save(folder / image)
            words = [_answer(rng, color, COLORS, 0.8, omitted=0.3), _answer(rng, shape, SHAPES, 0.8, omitted=0.3)]
            answers = {"color?": _answer(rng, color, COLORS, 0.8), "shape?": _answer(rng, shape, SHAPES, 0.7)}
            answers["where?"] = rng.choice(["here", "there"])
            note = " ".join(["a", *filter(None, words), "thing"])
            row = {"image": image, "note": note, "part": part, "color": color, "shape": shape, **answers}
            rows.append({**row, "split": split})
    catalogue.to_csv(folder / "catalogue.csv", index=False)
    pd.DataFrame(rows).to_csv(folder / "shelf.csv", index=False)


def _draw_part(rng, color, shape):
    """32 x 32 pixels with a random tint and noise."""
    item = Object(shape, color, SIZES[rng.integers(2)], *rng.uniform(0.4, 0.6, 2))
    pixels = draw_scene(Scene((item,)), rng)[16:48, 16:48]
    tint, noise = rng.normal(0, 30, 3), rng.normal(0, 25, (32, 32, 1))
    return np.clip(pixels + tint + noise, 0, 255).astype("uint8")


def _answer(rng, value, values, accuracy, omitted=0.0):
    """The value, a wrong one, or None."""
    if rng.random() < omitted:
        return None
    return value if rng.random() < accuracy else rng.choice([other for other in values if other != value])


def keep_few_labels(examples, num_labels, seed):
    """All rows, of which `num_labels` keep one label each; labeled rows are repeated to a third of the rows.

    Of five labeled rows, one keeps the first task's label (the part), two the second's (color), two the third's
    (shape). A label is removed by giving it the weight 0.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    task_of_row = np.array([0, 1, 2, 1, 2])[np.arange(num_labels) % 5]
    labeled, task_of_row = (np.resize(values, len(examples) // 3) for values in (order[:num_labels], task_of_row))
    rows = examples.take(np.r_[labeled, order[num_labels:]])
    task_of_row = np.r_[task_of_row, np.full(len(rows) - len(task_of_row), -1)]
    weights = {task.name: (task_of_row == i).astype("float32") for i, task in enumerate(examples.schema.tasks)}
    return dataclasses.replace(rows, weights=weights)


def trust_every_answer(catalogue):
    """Likelihoods `(parts, answers)` of each question, under which hardly any answer is wrong."""
    likelihoods = {}
    for name in ("color?", "shape?"):
        correct = catalogue[name.rstrip("?")].to_numpy()[:, None] == np.array(QUESTIONS[name])
        likelihoods[name] = np.where(correct, 1.0, 1e-3)
    return {**likelihoods, "where?": np.full((len(catalogue), 2), 0.5)}


def look_up(classes, schema, catalogue):
    """Replace the predicted part by the one that has the predicted color and shape, if there is one."""
    part_of = {appearance: code for code, appearance in enumerate(catalogue.itertuples(index=False, name=None))}
    colors, shapes = (np.array(schema[name].classes)[classes[name]] for name in ("color", "shape"))
    appearances = zip(colors, shapes, classes["part"], strict=True)
    return {**classes, "part": np.array([part_of.get((color, shape), part) for color, shape, part in appearances])}


def plot_joint_and_conditional(joint, conditional, labels, path):
    """Accuracy of the part by model, and by number of questions: lists over seeds of dict name -> classes."""

    def accuracy(predictions, name):
        return np.mean([(one_seed[name] == labels).mean() for one_seed in predictions])

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, name in enumerate(reversed(joint[0])):
        value = accuracy(joint, name)
        left.barh(name, value, color=ACCENT if "product" in name or "learned" in name else MUTED)
        left.text(value, i, f" {value:.1%}", va="center", fontsize=8)
    left.set(title="joint inference", xlabel="accuracy of the part", xlim=(0, 1.1))
    colors = {"most telling first": ACCENT, "in any order": MUTED, "every answer believed": WARNING}
    for name, color in colors.items():
        steps = ["image alone", *(f"{count} asked, {name}" for count in (1, 2, 3))]
        right.plot([accuracy(conditional, step) for step in steps], "o-", color=color, label=name)
    right.set(title="conditional reasoning", xlabel="questions asked", ylabel="accuracy of the part", xticks=range(4))
    right.grid(alpha=0.3)
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=120)


def plot_rules(budgets, accuracies, violations, path):
    """Accuracy and violated rules by number of labels: name -> list over budgets of lists over seeds."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    styles = {"without rules": (MUTED, "-"), "looked up": (MUTED, "--"), "rules in training": (ACCENT, ":")}
    styles |= {"rules in deciding": (ACCENT, "--"), "rules in training and deciding": (ACCENT, "-")}
    panels = {"accuracy of the part": accuracies, "rows that violate a rule": violations}
    for axes, (label, values) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for name, (color, line) in styles.items():
            axes.plot(budgets, np.mean(values[name], axis=1), line, marker="o", ms=4, color=color, label=name)
        axes.set(xlabel="labeled rows", ylabel=label, xscale="log", ylim=(0, 1.02))
        axes.set_xticks(budgets, budgets)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def plot_questions(store, test, catalogue, beliefs, asked, path):
    """A row whose image was misclassified and whose answers corrected the belief, question by question.

    Args:
        store: Folder of the images.
        test: The `Examples`.
        catalogue: pandas.DataFrame, one row per part in the order of the classes.
        beliefs: float `(steps + 1, n, C)`, from `ask_greedily`.
        asked: `(n, steps)`, from `ask_greedily`.
        path: Where to save the figure.
    """
    labels = test.labels["part"]
    correct = beliefs.argmax(axis=-1) == labels
    row = int(np.argmax(~correct[0] & correct[-1]))
    names = [f"{color} {shape}" for color, shape in catalogue.itertuples(index=False)]
    titles = ["image", *(f"{question} {test.frame[question].iloc[row]}" for question in asked[row])]
    figure = Figure(figsize=(12, 2.9), layout="constrained")
    first, *panels = figure.subplots(1, 1 + len(titles))
    first.imshow(Image.open(store / test.frame["image"].iloc[row]))
    first.axis("off")
    first.set_title(names[labels[row]], fontsize=9)
    colors = [ACCENT if i == labels[row] else MUTED for i in range(len(names))]
    for axes, belief, title in zip(panels, beliefs[:, row], titles, strict=True):
        axes.barh(names, belief, color=colors)
        axes.set(title=title, xlim=(0, 1))
        axes.tick_params(labelsize=6, labelleft=axes is panels[0])
    figure.savefig(path, dpi=120)
