"""Rows of a report with what the model looked at in them."""

import numpy as np

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.evaluation.details import ranked
from kerasfusion.explain.heatmap import overlay_heatmap
from kerasfusion.explain.saliency import NoFeatureMapError, grad_cam, image_encoders

ROWS = 4
# Of a row with many tags.
MOST_TAGS = 3


def explain_examples(model, found, examples, count=ROWS):
    """The most confident wrong rows and the most confident right ones, each with its maps.

    Asked about are the answer and, where that is wrong, the label; of tags, the most probable ones.

    Args:
        model: The plain model that was reported on.
        found: Its `TaskReport`.
        examples: The `Examples` it was made on.
        count: Rows of each sort.

    Returns:
        list of dicts: `place` (in `found.rows`), `image` (the feature), `pixels` uint8 `(H, W, 3)` as the model got
        it, `maps`: a list of dicts with `class` (its name), `probability`, `said` (`"answer"` or `"label"`) and
        `pixels`, the same with the map over it.

    Raises:
        NoFeatureMapError: There is nothing to show, as a number has no classes or the model no image grid.
    """
    task = found.task
    if not task.classes:
        raise NoFeatureMapError(f"{task.name!r} is of type {task.type}, so there is no class to ask about.")
    rows = []
    for image in image_encoders(model):
        imaged = examples.arrays[image][found.rows] >= 0
        places = np.concatenate([order[imaged[order]][:count] for order in ranked(found)])
        asked = [(place, *question) for place in places for question in _asked(found, place)]
        if not asked:
            raise NoFeatureMapError(f"no row that was scored has an image ({image}).")
        all_pixels, maps = _maps(model, examples.take(found.rows[[place for place, *_ in asked]]), image, task, asked)
        for (place, number, said), pixels, heat in zip(asked, all_pixels, maps, strict=True):
            if not rows or rows[-1]["place"] != place or rows[-1]["image"] != image:
                rows.append({"place": int(place), "image": image, "pixels": pixels, "maps": []})
            probability = float(found.prediction["probabilities"][place, number])
            shown = {"class": task.classes[number], "probability": probability, "said": said}
            rows[-1]["maps"].append({**shown, "pixels": overlay_heatmap(pixels, heat)})
    return rows


def _asked(found, place):
    """Which classes of a row to ask about: pairs of class number and `"answer"` or `"label"`."""
    if found.task.any_classes:
        order = np.argsort(-found.prediction["probabilities"][place], kind="stable")
        return [(int(tag), "answer") for tag in order[: max(1, min(MOST_TAGS, int(found.decided[place].sum())))]]
    answer, label = int(found.decided[place]), int(found.labels[place])
    return [(answer, "answer")] + ([(label, "label")] if label != answer else [])


def _maps(model, examples, image, task, asked):
    features = tuple(f for f in examples.schema.features if f.name in model.input)
    examples = examples.with_features(type(examples.schema)(features, examples.schema.tasks))
    batch = next(iter(BatchedDataset(examples, len(examples)).dataset()))[0]
    maps = grad_cam(model, batch, task.name, [number for _, number, _ in asked], image)
    return batch[image].numpy(), maps
