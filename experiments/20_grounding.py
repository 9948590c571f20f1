# %% [markdown]
"""# Located objects: what is where, and which one is meant

- Article: 000, section 3.2.1, and 004, section 2
- What you will learn: detect objects without anchors, answer questions from them, and find what a sentence refers to
- Time: twelve minutes on one core (`--quick`: a minute)
- Data: none, scenes of shapes are drawn; they know their boxes

```shell
python experiments/20_grounding.py
python experiments/20_grounding.py --quick
```

The articles list object detection among the tasks of image recognition, and position and shape among the features
that joint models need. Here objects are found and used in two ways: a detector's boxes are the tokens that a question
is answered from, and a referring expression ("the red circle left of the cross") is answered with a box.

Neither is worth much without knowing what comes for free: how many questions the words answer alone, how often any
object of the scene is the right one, and how far one gets without understanding "left of".
"""

# %%
from pathlib import Path

import _common
import keras
import numpy as np
from _figures import save_boxes
from _grounding import (
    CLASSES,
    as_cells,
    boxes_from_words,
    draw_scenes,
    enlarged,
    expressions_of,
    guess,
    mean_average_precision,
    questions_of,
    relation_left_out,
    served_answers,
    true_objects,
)
from PIL import Image

import kerasfusion as kf
from kerasfusion.evaluation import box_iou, postprocess, predict_classes, predict_logits
from kerasfusion.evaluation.trivial_baselines import by_key
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "20_grounding", drawn=True, seeds=3)
arguments = _common.parse(parser)
results = _common.Results(arguments, "20_grounding", ["seeds", "on"], "grounding.csv")
folder = arguments.output_dir / ("quick" if arguments.quick else "full")

# %% [markdown]
# ## 1. Scenes, questions and expressions
#
# A scene has three to six objects, no two alike. Expressions come in two types. Attributes alone name an object ("the
# large circle"), or they fit several, of which one is on the named side of another object: then the relation is
# needed. Where it is doubtful which one is meant, nothing is asked.

# %%
sizes = {"train": 4000, "validation": 500, "test": 500}
if arguments.quick:
    sizes = {"train": 300, "validation": 60, "test": 60}
scenes = draw_scenes(folder / "scenes", sizes)
objects, pixels = true_objects(scenes), np.stack([np.asarray(Image.open(path)) for path in scenes["image"]])
expressions, questions = expressions_of(scenes), questions_of(scenes, per_type=2)
rows = {split: np.flatnonzero(scenes["split"] == split) for split in sizes}
print(expressions.groupby("type")["text"].agg(["size", "first"]).to_string(), "\n")

# %% [markdown]
# ## 2. Detect objects
#
# The detector has no anchors: each cell of an 8 x 8 grid says with which probability it holds the center of an object
# of each class, and how far that object's edges are (CenterNet, FCOS). A class is a color and a shape; the size is
# that of the box. It is a plain Keras model with the loss of its head.

# %%
ENCODER = {"name": "residual_cnn", "filters": (24, 48, 64), "num_blocks": 0, "coordinates": True}


def train_detector(seed):
    path = folder / f"detector, seed {seed}.keras"
    if path.exists():
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(seed)
    model = kf.models.detector(len(CLASSES), pixels.shape[1:3], ENCODER)
    epochs, train = 6, rows["train"]
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(train) // 64)
    model.compile(keras.optimizers.AdamW(rate), loss={"objects": model.get_layer("head_objects").loss()})
    model.fit({"image": pixels[train]}, {"objects": objects[train]}, batch_size=64, epochs=epochs, verbose=0)
    model.save(path)
    return model


def detect(model):
    """Dict of `boxes`, `scores` and `classes` of all scenes."""
    maps = model.predict({"image": pixels}, batch_size=256, verbose=0)["objects"]
    return {key: np.asarray(value) for key, value in model.get_layer("head_objects").predictions(maps).items()}


# %% [markdown]
# ## 3. Objects as tokens of questions
#
# `boxes=` gives a model one token for each object: class, center and size. The model attends to words and objects in
# steps; it never sees a pixel. It is trained on the true objects, and asked about the true ones and about those that
# the detector finds. The grid model that it has to match is the one in `saved_models/shapes_vqa`: the same steps over
# the cells of a CNN, trained on questions of the same kind.

# %%
FROM_TRUE, FROM_FOUND, LOOKUP = "objects, true", "objects, detected", "question lookup"
LEFT_OUT, FROM_GRID = "objects left out", "cells of a grid (shapes_vqa)"
asked_of = {"text": "question", "boxes": "objects", "label": "answer", "split": "split", "image": []}
cells = np.array([as_cells(own[:, :4], own[:, 4]) for own in objects], object)
vqa = kf.data.load(questions.assign(objects=cells[questions["place"]]), **asked_of)
asked = vqa.splits[arguments.on]
answers, (answer_task,) = asked.labels["label"], vqa.schema.tasks


def train_answering(seed):
    keras.utils.set_random_seed(seed)
    fusion = {"name": "mac", "num_steps": 3, "count": True}
    model = kf.models.fusion_model(vqa.schema, text_encoder="gru", fusion=fusion, units=64)
    config = kf.training.TrainingConfig(epochs=8, batch_size=128, learning_rate=3e-3, patience=None, seed=seed)
    kf.training.fit(model, vqa.splits["train"], vqa.splits["validation"], config, folder / f"answers, seed {seed}",
                    verbose=0, resume=True)  # fmt: skip
    return model


def answer(model, examples):
    return predict_classes(answer_task, postprocess(model, predict_logits(model, examples))["label"])


# %% [markdown]
# ## 4. Find what an expression means
#
# `problem_type="box"` reads a column "left,top,right,bottom" in fractions of the image. `kf.models.grounder` joins
# the words with every cell: steps of attention find "the cross", the cells left of it are told so, and a box is read
# from the cell that the whole expression fits best. The image encoder starts from the detector's.

# %%
GROUNDED, CUT = "words and cells", "words and cells, relation left out of the text"
data = kf.data.load(
    expressions, image="image", text="text", label="box", problem_type="box", split="split", slice_by="type",
    image_size=64, allow_external_paths=True,
)  # fmt: skip
train, validation, test = data.splits["train"], data.splits["validation"], data.splits[arguments.on]
(box_task,), true_boxes, kinds = data.schema.tasks, test.labels["box"], test.frame["type"].to_numpy(str)
results.n = len(test)


def train_grounder(seed, detector):
    keras.utils.set_random_seed(seed)
    model = kf.models.grounder(data.schema, image_encoder=ENCODER)
    model.encoders["image"].set_weights(detector.get_layer("encode_image").get_weights())
    config = kf.training.TrainingConfig(epochs=8, batch_size=128, learning_rate=3e-3, patience=None, seed=seed)
    kf.training.fit(model, train, validation, config, folder / f"grounder, seed {seed}", verbose=0, resume=True)
    return model


def locate(model, examples):
    return postprocess(model, predict_logits(model, examples))["box"]["value"]


cut, _ = kf.data.load_rows(relation_left_out(test.frame), data.schema, allow_external_paths=True)


# %% [markdown]
# ## 5. Train, and predict
#
# Baselines of the box: the mean box; a ridge regression from the words alone; the most confident detection; any
# object of the scene, by chance; and any object that the attributes fit, by chance. The last two are told the true
# objects: they are what a model can reach that sees perfectly, and ignores the text or the relation.

# %%
MEAN_BOX, WORDS, SUREST = "mean box", "words alone, ridge regression", "image alone, most confident detection"
ANY, FITS = "any true object", "any true object that the attributes fit"
decided, boxes = {}, {}
shapes_vqa = Path(__file__).parents[1] / "saved_models" / "shapes_vqa" / "1"
grid = served_answers(shapes_vqa, asked.frame, answer_task.classes)
for seed in results.seeds:
    detector = train_detector(seed)
    found, own = detect(detector), rows[arguments.on]
    for name, shift in (("detector", 0), ("detections of another scene", 1)):
        other = {key: np.roll(value[own], shift, axis=0) for key, value in found.items()}
        for threshold in (0.5, 0.75):
            precision = mean_average_precision(other, objects[own], threshold)
            results.add(name, f"mAP at IoU {threshold}", precision, n=len(own), seed=seed)

    model = train_answering(seed)
    parts = zip(found["boxes"], found["classes"], found["scores"], strict=True)
    seen = np.array([as_cells(*part) for part in parts], object)
    detected, _ = kf.data.load_rows(asked.frame.assign(objects=seen[asked.frame["place"]]), vqa.schema)
    for name, examples in ((FROM_TRUE, asked), (FROM_FOUND, detected), (LEFT_OUT, asked.without("boxes"))):
        decided.setdefault(name, []).append(answer(model, examples))

    model = train_grounder(seed, detector)
    for name, examples in ((GROUNDED, test), (CUT, cut)):
        boxes.setdefault(name, []).append(locate(model, examples))
    boxes.setdefault(SUREST, []).append(found["boxes"][test.frame["place"], 0])
    rng = np.random.default_rng(seed)
    for name in (ANY, FITS):
        boxes.setdefault(name, []).append(guess(test.frame, scenes, rng, only_fitting=name == FITS))
    if seed == 0:
        grounder = model
boxes[MEAN_BOX] = [np.tile(train.labels["box"].mean(axis=0), (len(test), 1))] * len(results.seeds)
boxes[WORDS] = [boxes_from_words(train, test)] * len(results.seeds)
decided[FROM_GRID] = [grid] * len(results.seeds)
known = vqa.splits["train"]
keys = known.frame["question"], known.labels["label"], asked.frame["question"]
decided[LOOKUP] = [by_key(answer_task, *keys)] * len(results.seeds)

# %% [markdown]
# ## 6. Results
#
# mAP is the mean over classes of the area under the precision-recall curve. An expression is grounded if its box and
# the true one have an IoU of 0.5 or more. Models are compared over seeds and scenes together: the expressions of one
# scene count as one observation.

# %%
question_types = asked.frame["type"].to_numpy(str)
for name, seeds in decided.items():
    results.add(name, "accuracy", [float(np.mean(values == answers)) for values in seeds], n=len(answers))
    for kind in sorted(set(question_types)):
        part = question_types == kind
        right = [float(np.mean(values[part] == answers[part])) for values in seeds]
        results.add(name, f"accuracy, {kind}", right, n=int(part.sum()))
for name, seeds in boxes.items():
    overlaps = [box_iou(values, true_boxes) for values in seeds]
    results.add(name, "accuracy at IoU 0.5", [float(np.mean(values >= 0.5)) for values in overlaps])
    results.add(name, "mean IoU", [float(values.mean()) for values in overlaps])
    for kind in ("attributes", "relation"):
        part = kinds == kind
        found = [float(np.mean(values[part] >= 0.5)) for values in overlaps]
        results.add(name, f"accuracy at IoU 0.5, {kind}", found, n=int(part.sum()))

of_questions = answer_task, answers, decided, asked.frame["place"].to_numpy()
of_expressions = box_task, true_boxes, boxes, test.frame["place"].to_numpy()
for what, given, pairs in (
    ("questions", of_questions, [(FROM_FOUND, FROM_GRID), (FROM_TRUE, FROM_FOUND), (FROM_FOUND, LOOKUP)]),
    ("expressions", of_expressions, [(GROUNDED, FITS), (GROUNDED, CUT), (GROUNDED, SUREST)]),
):
    compared = kf.evaluation.compare_predictions(*given)
    print(f"\n{what}: {compared.verdict}")
    for name, other in pairs:
        gain = compared.differences[name, other]
        print(f"  {name} against {other}: {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}], p = {gain.p:.3f}")
        results.add(f"{name} against {other}", "p", gain.p, n=len(given[1]))

# %% [markdown]
# `expressions.png` shows true boxes in green and predicted ones in black; the last row has mistakes.

# %%
overlap = box_iou(boxes[GROUNDED][0], true_boxes)
picked = np.concatenate([np.flatnonzero(overlap >= 0.5)[:60:6], np.flatnonzero(overlap < 0.5)[:5]])
images = [Image.open(path) for path in test.frame["image"].iloc[picked]]
captions = [text.replace(" the ", "\nthe ") for text in test.frame["text"].iloc[picked]]
colored = {"limegreen": true_boxes[picked], "black": boxes[GROUNDED][0][picked]}
save_boxes(arguments.output_dir / "expressions.png", images, colored, captions, columns=5, width=2.0)

# %% [markdown]
# ## 7. Serve it
#
# `ground` takes the bytes of an image and an expression, and gives the box as fractions and in pixels of the image
# that was sent, a score, and whether image and text are there. Of four rows, the second has an image of twice the
# size, the third bytes that are no image, the fourth no text.

# %%
raw = {key: value[:4] for key, value in test.take(np.arange(4)).raw_inputs().items()}
run = kf.workflows.save_run(grounder, data.schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
raw["image_bytes"][1] = enlarged(raw["image_bytes"][1])
raw["image_bytes"][2], raw["text"][3] = b"not an image", b""
with CApiSession(version) as session:
    answered = session.run("ground", raw)
sent = test.frame["text"]
for i in range(4):
    box, score = answered["box_pixels"][i].round().astype(int).tolist(), answered["score"][i]
    flags = f"image: {bool(answered['image_ok'][i])}, text: {bool(answered['text_ok'][i])}"
    print(f"{sent.iloc[i] if i < 3 else '':50} {box!s:18} score {score:.2f}   {flags}")

# %% [markdown]
# ## Try it yourself
#
# Which attribute do the mistakes get wrong: compare the object that the predicted box hits with the right one. Take
# the steps of attention away (`num_steps=1` in `kf.models.grounder`): which type of expression suffers? Ask for
# something that is not there, and look at the score.

# %%
for seed in results.seeds:
    results.record(f"20_grounding, seed {seed}", seed)
_common.finish(report.ok)
