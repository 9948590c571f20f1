"""Helpers of tutorial 07: made-up views, retrieval scores of a joint space, and their chart."""

import numpy as np
from matplotlib.figure import Figure

import kerasfusion as kf
from kerasfusion.evaluation.retrieval import chance, retrieval, rsum


def made_up_views(items, seed=0):
    """Two dense views with 8 shared factors, 6 much stronger private factors each, and noise."""
    rng = np.random.default_rng(seed)
    shared, views = rng.normal(size=(items, 8)), {}
    for name, width, strength in (("text", 60, 5.0), ("image", 80, 10.0)):
        private = strength * rng.normal(size=(items, 6)) @ rng.normal(size=(6, width))
        views[name] = shared @ rng.normal(size=(8, width)) + private + 3 * rng.normal(size=(items, width))
    return views


def drop_views(views, fraction=0.6, seed=1):
    """Remove one view, chosen at random, from a fraction of the items (rows of NaN)."""
    rng = np.random.default_rng(seed)
    items = len(next(iter(views.values())))
    incomplete, dropped = rng.random(items) < fraction, rng.integers(len(views), size=items)
    return {
        name: np.where((incomplete & (dropped == i))[:, None], np.nan, matrix)
        for i, (name, matrix) in enumerate(views.items())
    }


def retrieval_scores(model, image_features, text_features, image_of_text):
    """Retrieval of a joint space in both directions, by cosine similarity.

    Args:
        model: A fitted joint model with the views `image` and `text`.
        image_features: float `(images, d)`, one row per image of the data set.
        text_features: float `(texts, d)`, the captions of one split.
        image_of_text: int `(texts,)`, the row of each caption's image.

    Returns:
        Dict of direction -> `Retrieval`.
    """
    images, own = np.unique(image_of_text, return_inverse=True)
    spaces = [model.transform({"image": image_features[images]}), model.transform({"text": text_features})]
    return retrieval(
        *(space / np.maximum(np.linalg.norm(space, axis=1, keepdims=True), 1e-9) for space in spaces), own
    )


def contrastive_scores(run, data):
    """Retrieval of a trained dual encoder on the test split of `data`."""
    frame = data.splits["test"].frame
    examples, _ = kf.data.load_rows(frame, run.schema, allow_external_paths=True, with_labels=False)
    images, embeddings = kf.evaluation.embed_images(run.model, examples)
    own = np.searchsorted(images, examples.arrays["image"])
    return retrieval(embeddings, kf.evaluation.embed_texts(run.model, examples), own)


def chance_scores(image_of_text):
    """Retrieval by random ranking."""
    images, own = np.unique(image_of_text, return_inverse=True)
    return chance(len(images), len(own), own)


def retrieval_rows(name, scores):
    """Print the scores of one model in both directions and return them as CSV rows."""
    rows = []
    for direction, found in scores.items():
        metrics = {f"R@{k}": value for k, value in found.recall.items()}
        print(f"{name:40} {direction}: " + "  ".join(f"{k} {v:6.1%}" for k, v in metrics.items()))
        metrics["median rank"] = found.median_rank
        rows += [
            {"model": name, "metric": f"{metric} {direction}", "value": value, "n": found.queries}
            for metric, value in metrics.items()
        ]
    print(f"{name:40} rsum {rsum(scores):.1f}")
    return [*rows, {"model": name, "metric": "rsum", "value": rsum(scores)}]


def plot_recall(scores, path):
    """Save a bar chart of R@10 in both directions, one pair of bars per model."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    colors = {"image to text": "#1f6feb", "text to image": "#9aa4b2"}
    for shift, (direction, color) in enumerate(colors.items()):
        recalls = [found[direction].recall[10] for found in list(scores.values())[::-1]]
        axes.barh(np.arange(len(scores)) + 0.2 - 0.4 * shift, recalls, 0.38, color=color, label=direction)
    axes.set_yticks(range(len(scores)), list(scores)[::-1])
    found = scores["chance"]["text to image"]
    axes.set(xlabel=f"R@10 among {found.gallery} test images and {found.queries} captions", xlim=(0, 1))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    print(f"Chart: {path}")
