"""Located objects: scenes with their boxes, expressions and questions about them, and objects as region tokens."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge

from kerasfusion.data.shapes_world import (
    COLORS,
    SHAPES,
    ask,
    bounding_box,
    draw_scene,
    encode_png,
    refer,
    sample_scene,
)
from kerasfusion.evaluation import average_precision
from kerasfusion.serving import CApiSession

# A detector's classes. The size of an object is that of its box.
CLASSES = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
MOST_OBJECTS = 6
# Objects of a lower score are left out of the table of a detector's objects.
LEAST_SCORE = 0.3


def draw_scenes(folder, sizes, seed=0):
    """Draw scenes, no two alike, and write their images to a folder.

    Args:
        folder: Path for the image files.
        sizes: Dict of split -> number of scenes.
        seed: Seed of the scenes.

    Returns:
        pandas.DataFrame: `image` (path), `scene` and `split`.
    """
    rng, seen, rows = np.random.default_rng(seed), set(), []
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        for number in range(size):
            scene = sample_scene(rng)
            while scene.key() in seen:
                scene = sample_scene(rng)
            seen.add(scene.key())
            path = folder / f"{split}_{number}.png"
            path.write_bytes(encode_png(draw_scene(scene, rng)))
            rows.append({"image": str(path.resolve()), "scene": scene, "split": split})
    return pd.DataFrame(rows)


def expressions_of(scenes, per_scene=6, seed=1):
    """A table of referring expressions.

    Returns:
        pandas.DataFrame: `image`, `text`, `box`, `type`, `split`, `place` of the scene, and `fits`, numbers of the
        objects that the attributes fit.
    """
    rng, rows = np.random.default_rng(seed), []
    for place, row in enumerate(scenes.itertuples()):
        for text, target, kind, fits in refer(row.scene, rng, per_scene):
            box = ",".join(f"{side:.4f}" for side in bounding_box(row.scene.objects[target]))
            found = {"image": row.image, "text": text, "box": box, "type": kind, "split": row.split}
            rows.append({**found, "place": place, "fits": fits})
    return pd.DataFrame(rows)


def questions_of(scenes, per_type=3, seed=2):
    """A table of questions: `image`, `question`, `answer`, `type`, `place` of the scene and `split`."""
    rng, rows = np.random.default_rng(seed), []
    for place, row in enumerate(scenes.itertuples()):
        for question in ask(row.scene, rng, per_type):
            rows.append({**question._asdict(), "image": row.image, "place": place, "split": row.split})
    return pd.DataFrame(rows)


def true_objects(scenes):
    """Boxes and classes of every scene: float32 `(n, MOST_OBJECTS, 5)`, zeros for padding."""
    found = np.zeros((len(scenes), MOST_OBJECTS, 5), "float32")
    for place, scene in enumerate(scenes["scene"]):
        for number, item in enumerate(scene.objects):
            found[place, number] = *bounding_box(item), CLASSES.index(f"{item.color} {item.shape}")
    return found


def mean_average_precision(found, objects, threshold=0.5):
    """Mean over classes of the average precision of detections.

    Args:
        found: Dict of `boxes` `(n, k, 4)`, `scores` `(n, k)` and `classes` `(n, k)`.
        objects: What `true_objects` gave for the same scenes.
        threshold: Least overlap.
    """
    images = np.broadcast_to(np.arange(len(objects))[:, None], found["scores"].shape)
    there = objects[..., 2] > objects[..., 0]
    true_images = np.broadcast_to(np.arange(len(objects))[:, None], there.shape)
    values = []
    for number in range(len(CLASSES)):
        own, true = found["classes"] == number, there & (objects[..., 4] == number)
        detections = images[own], found["boxes"][own], found["scores"][own]
        values.append(average_precision(*detections, true_images[true], objects[true][:, :4], threshold))
    return float(np.nanmean(values))


def as_cells(boxes, classes, scores=None):
    """Objects of one image as a cell of a table: JSON of boxes with labels."""
    kept = (boxes[:, 2] > boxes[:, 0]) if scores is None else scores >= LEAST_SCORE
    objects = zip(boxes[kept], classes[kept], strict=True)
    return json.dumps([{"box": box.round(4).tolist(), "label": CLASSES[int(kind)]} for box, kind in objects])


def guess(expressions, scenes, rng, only_fitting):
    """Boxes of objects by chance, any of the scene or any that the attributes fit: float32 `(n, 4)`."""
    boxes = []
    for place, fits in zip(expressions["place"], expressions["fits"], strict=True):
        objects = scenes["scene"].iloc[place].objects
        chosen = rng.choice(fits) if only_fitting else rng.integers(len(objects))
        boxes.append(bounding_box(objects[chosen]))
    return np.array(boxes, "float32")


def boxes_from_words(train, test):
    """Boxes from the words alone, by a ridge regression on which words an expression has: float `(n, 4)`."""
    words = CountVectorizer(binary=True)
    model = Ridge().fit(words.fit_transform(train.frame["text"]), train.labels["box"])
    return model.predict(words.transform(test.frame["text"]))


def relation_left_out(expressions):
    """The table with the attributes of each expression alone: "the circle" for "the circle left of the cross"."""
    words = expressions["text"].str.replace(r" (left of|right of|above|below) .*", "", regex=True)
    return expressions.assign(text=words)


def served_answers(version, questions, classes, batch=256):
    """What an exported model answers to a table of questions: int `(n,)`, places in `classes`."""
    found = []
    with CApiSession(version) as session:
        for start in range(0, len(questions), batch):
            part = questions.iloc[start : start + batch]
            images = [Path(path).read_bytes() for path in part["image"]]
            texts = [text.encode() for text in part["question"]]
            answered = session.run("serving_default", {"text": texts, "image_bytes": images})
            found += [classes.index(name.decode()) for name in answered["label"]]
    return np.array(found, "int32")


def enlarged(encoded):
    """The image at twice its size, as the bytes of a JPEG."""
    file, image = io.BytesIO(), Image.open(io.BytesIO(encoded)).convert("RGB")
    image.resize((2 * image.width, 2 * image.height)).save(file, "jpeg")
    return file.getvalue()
