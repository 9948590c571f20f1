# %% [markdown]
"""# Image tagging

- Article: 001, section 4
- What you will learn: softmax and logits, early stopping, augmentation, Grad-CAM, several tags per image
- Time: half an hour on two cores (`--quick`: a minute)
- Data: CIFAR-10 (DATA/cifar10 or tfds:cifar10); drawn shapes with --quick

```shell
python experiments/03_image_tagging.py --data-dir DATA     # DATA/cifar10; about half an hour on two cores
python experiments/03_image_tagging.py tfds:cifar10        # the whole set, by tensorflow-datasets
python experiments/03_image_tagging.py images.npz        # arrays of images and labels of your own
python experiments/03_image_tagging.py --quick             # a minute, on shapes drawn on the spot
```

The article tags the images of CIFAR-10 with a small convolutional network. Its code runs. What it wrote, and what
is worth changing:

| the article                                 | what it does                            | here                      |
|---------------------------------------------|-----------------------------------------|---------------------------|
| `Dense(10, activation='softmax')` with      | a contradiction: see section 2          | the head gives logits and |
| `SparseCategoricalCrossentropy(from_logits=True)` |                                   | owns the loss             |
| ten epochs, no validation split             | nothing says when to stop               | 1 of 10 rows is held out  |
| no augmentation                             | learns the training images by heart   | section 3                 |
| one class for each image                  | "tagging" with one tag                  | section 5                 |
| a number at the end                         | does not say what was learned           | section 4                 |
"""

# %%
import tempfile
import time
import warnings
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from _datasets import cifar10

import kerasfusion as kf
from kerasfusion.data.tfds_source import is_tfds, read_tfds
from kerasfusion.evaluation.results import score_rows

parser = _common.tutorial_parser(__doc__, "03_image_tagging")
parser.add_argument("source", nargs="?", help="tfds:cifar10, an .npz file, or a folder with train.npz and test.npz")
parser.add_argument("--epochs", type=int, default=30, help="epochs of the residual network")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. The data
#
# A table, as always: a column of images, a column of labels, and one that says which rows are for testing. Arrays
# in an .npz file are read as such a table: one column for each array, `x_train` and `x_test` as one column `x` with
# the split beside it. Numbers 0 to 9 are poor names for classes, so the folder's classes.json gives better ones.


# %%
def drawn_shapes(path, rows=160):
    """An .npz file as keras.datasets has them, of one shape in each image."""
    from kerasfusion.data.shapes_world import SHAPES, Object, Scene, draw_scene

    rng = np.random.default_rng(0)
    labels = np.arange(rows) % len(SHAPES)
    scenes = [Scene((Object(SHAPES[label], "blue", "large", *rng.uniform(0.3, 0.7, 2)),)) for label in labels]
    pixels = np.stack([draw_scene(scene, rng)[::2, ::2] for scene in scenes])
    cut = rows * 3 // 4
    np.savez(path, x_train=pixels[:cut], y_train=labels[:cut], x_test=pixels[cut:], y_test=labels[cut:])
    return path


scratch = tempfile.TemporaryDirectory()
source = arguments.source
if arguments.quick:
    source = drawn_shapes(Path(scratch.name) / "shapes.npz")
elif source is None and not arguments.data_dir:
    parser.error("say in which folder cifar10 is: --data-dir or KERASFUSION_DATA (or try --quick)")
elif source is None or Path(source).is_dir():
    source = cifar10(Path(source or Path(arguments.data_dir) / "cifar10"))
roles = {"image": "image", "label": "label"} if is_tfds(source) else {}
data = kf.data.load(source, **roles)
for what, value, why, flag in data.settings:
    print(f"{what:12} {value}  ({why}; {flag})")
task = data.schema.tasks[0]

# %% [markdown]
# ## 2. The article's mistake
#
# A softmax gives probabilities; `from_logits=True` tells the loss that it gets logits, and so to take a softmax
# itself. Taken twice, the best that a sure and right network can reach is -log(e / (e + C - 1)) for C classes, 1.46
# for ten, and never 0: the loss ends high and its gradients are weak.
#
# What happens depends on who looks. The loss of Keras on TensorFlow finds the softmax behind the tensor, goes back to
# the logits in front of it and warns: the article's `fit` is saved by that. It is not saved where the trace is lost,
# as when a layer stands between (a Reshape is enough), or when the loss is called on what `predict` gave. So the
# three are trained side by side, from the same weights on the same batches:

# %%
epochs = 1 if arguments.quick else 3
batches = kf.data.BatchedDataset(data.splits["train"], batch_size=32, shuffle=True)


def article_network(activation, *more):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((*data.schema["image"].size, 3)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(len(task.classes), activation=activation),
            *more,
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return network


mistake = {}
for case, network in {
    "as the article has it": article_network("softmax"),
    "softmax taken twice": article_network("softmax", keras.layers.Reshape((len(task.classes),))),
    "mended: logits": article_network(None),
}.items():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rows = batches.dataset().map(lambda x, y, _: (x["image"] / 255, y["label"]))
        for epoch in range(epochs):
            batches.epoch = epoch
            history = network.fit(rows, verbose=0).history
    mistake[case] = {name: history[name][0] for name in ("loss", "accuracy")}
    warned = next((str(one.message) for one in said if "from_logits" in str(one.message)), "no warning")
    print(f"\n{case}: training loss {mistake[case]['loss']:.3f}, accuracy {mistake[case]['accuracy']:.1%}")
    print(f"  {warned}")

# %% [markdown]
# Here no such mistake can be written: a head makes the logits, owns the loss for them, and turns them into
# probabilities for the export.

# %% [markdown]
# ## 3. The article's network, and a better one
#
# Both are entries of the zoo, trained by the same call. `tagger_residual` is a residual network that skips no pixel
# of a small image. It sees each image shifted, zoomed, turned, mirrored and lit differently in every epoch, and
# its weights are held small. Its settings were chosen on a validation split cut from train.

# %%
configs = {
    "article_tagging": kf.training.TrainingConfig(
        epochs=1 if arguments.quick else 10, batch_size=32, learning_rate=1e-3, weight_decay=0.0
    ),
    "tagger_residual": kf.training.TrainingConfig(
        epochs=1 if arguments.quick else arguments.epochs,
        batch_size=128,
        weight_decay=0.05,
        augmentation="strong",
        patience=None,
    ),
}
runs, processor_seconds = {}, {}
for name, config in configs.items():
    started = time.process_time()
    runs[name] = kf.train(data, name, arguments.output_dir / name, config, overwrite=True)
    processor_seconds[name] = time.process_time() - started
    print(runs[name].metrics["tasks"]["label"]["verdict"])

# %% [markdown]
# ## 4. What it looked at
#
# A class activation map says which places of the image spoke for a class. `report.html` shows them for wrong and
# right rows, `figures/looked_at.png` the same; and for any batch:

# %%
test = kf.data.BatchedDataset(data.splits["test"], batch_size=8)
x, y, _ = next(iter(test.dataset()))
maps = kf.explain.grad_cam(runs["tagger_residual"].model, x, "label", y["label"])
side = maps.shape[1] // 4
middle = maps[:, side:-side, side:-side].sum(axis=(1, 2)) / np.maximum(maps.sum(axis=(1, 2)), 1e-9)
print(f"\nEvidence in the middle quarter of eight images: {', '.join(f'{share:.0%}' for share in middle)}")
print(f"Images: {runs['tagger_residual'].path / 'figures' / 'looked_at.png'}")

# %% [markdown]
# ## 5. Several tags at once
#
# An image of the shapes world shows several shapes in several colors. Its tags are all of them; each gets a
# probability of its own. The table is a plain one: an image's file and its tags, divided by `|`.

# %%
world = "shapes:quick" if arguments.quick else "shapes"
objects, _ = read_tfds(world, {"image": "image", "label": ["scene/shape", "scene/color", "index"]})
folder = arguments.output_dir / "shapes"
(folder / "images").mkdir(parents=True, exist_ok=True)
rows = []
for (split, index), part in objects.groupby(["split", "index"], sort=False):
    name = f"images/{split}_{index}.png"
    (folder / name).write_bytes(part["image"].iloc[0])
    rows.append({"image": name, "tags": "|".join(sorted({*part["shape"], *part["color"]})), "split": split})
pd.DataFrame(rows).to_csv(folder / "tags.csv", index=False)
print(f"\n{pd.DataFrame(rows).head(3).to_string(index=False)}\n")

# %% [markdown]
# From here on it is any table with tags. The same by the command line:
#
#     kerasfusion train tags.csv --image image --label tags --model image_only

# %%
tags = kf.data.load(folder / "tags.csv", image="image", label="tags")
config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, batch_size=64)
tagger = kf.train(tags, "image_only", arguments.output_dir / "tags", config, overwrite=True)
print(tagger.metrics["tasks"]["label"]["verdict"])
print("further figures:", tagger.metrics["tasks"]["label"]["further"])

# %% [markdown]
# ## 6. A SavedModel that tags
#
# Image bytes in, tags out: `label` is the tags divided by `|`, `probabilities` one for each.

# %%
version = kf.export(tagger, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)

if arguments.results:
    rows = [
        {"model": case, "metric": f"training {name} after {epochs} epochs", "value": value}
        for case, figures in mistake.items()
        for name, value in figures.items()
    ]
    for name, run in runs.items():
        rows += score_rows(run.metrics)
        rows.append({"model": name, "metric": "processor seconds", "value": processor_seconds[name]})
    rows += [{**row, "model": f"tags: {row['model']}"} for row in score_rows(tagger.metrics)]
    command = "python experiments/03_image_tagging.py --data-dir DATA --results experiments/results/image_tagging.csv"
    _common.record(arguments.results, rows, "03_image_tagging", command)

_common.finish(report.ok)
