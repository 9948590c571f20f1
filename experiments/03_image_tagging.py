# %% [markdown]
"""# Image classification and tagging

- Article: 001, section 4
- What you will learn: softmax and logits, data augmentation, Grad-CAM, several tags per image
- Time: half an hour on two cores (`--quick`: a minute)
- Data: CIFAR-10 (DATA/cifar10, or tfds:cifar10); `--quick` draws shapes instead

```shell
python experiments/03_image_tagging.py --data-dir DATA    # DATA/cifar10
python experiments/03_image_tagging.py tfds:cifar10       # the full data set, by tensorflow-datasets
python experiments/03_image_tagging.py images.npz         # your own arrays of images and labels
python experiments/03_image_tagging.py --quick            # a minute, on drawn shapes
```

The article classifies the images of CIFAR-10 with a small convolutional network. Its code runs, but can be improved:

| the article                      | the problem                  | here                             |
|----------------------------------|------------------------------|----------------------------------|
| `softmax` and `from_logits=True` | they contradict each other   | the head returns logits (part 2) |
| ten epochs, no validation split  | no way to tell when to stop  | one row in ten is held out       |
| no augmentation                  | it memorizes training images | augmentation (part 3)            |
| one number at the end            | it hides what was learned    | Grad-CAM (part 4)                |
| one class per image              | "tagging" with a single tag  | several tags (part 5)            |
"""

# %%
import tempfile
import time
import warnings
from pathlib import Path

import _common
import keras
import numpy as np
from _datasets import cifar10, draw_npz, shapes_with_tags

import kerasfusion as kf

parser = _common.tutorial_parser(__doc__, "03_image_tagging")
parser.add_argument("source", nargs="?", help="tfds:cifar10, an .npz file, or a folder with train.npz and test.npz")
parser.add_argument("--epochs", type=int, default=30, help="epochs of the residual network")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. Load the data
#
# `kf.data.load` reads a table with an image column, a label column and a split column. An .npz file becomes such a
# table: `x_train` and `x_test` turn into one column `x`, and the names say which row belongs to which split. For
# CIFAR-10, the class names replace the numbers 0 to 9. The printed table lists every inferred setting and the flag
# that overrides it.

# %%
scratch = tempfile.TemporaryDirectory()
source, columns = arguments.source, {}
if arguments.quick:
    source = draw_npz(Path(scratch.name) / "shapes.npz")
elif source is None and not arguments.data_dir:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds cifar10, or try --quick")
elif source is None or Path(source).is_dir():
    source = cifar10(Path(source or Path(arguments.data_dir) / "cifar10"))
elif source.startswith("tfds:"):
    columns = {"image": "image", "label": "label"}
data = kf.data.load(source, **columns)
for setting, value, reason, flag in data.settings:
    print(f"{setting:12} {value}  ({reason}; {flag})")
(task,) = data.schema.tasks

# %% [markdown]
# ## 2. Do not apply softmax twice
#
# A softmax layer outputs probabilities, while `from_logits=True` tells the loss to expect logits and to apply softmax
# itself. Applied twice, the loss of a perfect classifier is -log(e / (e + C - 1)) for C classes, 1.46 for ten, and
# never 0: the loss stays high and its gradients are small.
#
# Keras sometimes rescues you. On TensorFlow, the loss finds the softmax that produced the tensor, uses the logits in
# front of it and warns; this is why the article's `fit` works. It fails as soon as the softmax cannot be traced, for
# example behind a Reshape layer, or when the loss is called on the output of `predict`.
#
# The next cell trains all three variants from the same weights on the same batches. Compare their training loss and
# accuracy in the last epoch.

# %%
epochs = 1 if arguments.quick else 3
batches = kf.data.BatchedDataset(data.splits["train"], batch_size=32, shuffle=True)


def article_network(activation, *more_layers):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
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
            *more_layers,
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model


variants = {
    "as the article has it": article_network("softmax"),
    "softmax taken twice": article_network("softmax", keras.layers.Reshape((len(task.classes),))),
    "mended: logits": article_network(None),
}
last_metrics = {}
for variant, model in variants.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = batches.dataset().map(lambda x, y, _: (x["image"] / 255, y["label"]))
        for epoch in range(epochs):
            batches.epoch = epoch
            history = model.fit(dataset, verbose=0).history
    last_metrics[variant] = {name: history[name][0] for name in ("loss", "accuracy")}
    message = next((str(w.message) for w in caught if "from_logits" in str(w.message)), "no warning")
    print(f"\n{variant}: training loss {history['loss'][0]:.3f}, accuracy {history['accuracy'][0]:.1%}")
    print(f"  {message}")

# %% [markdown]
# In kerasfusion you cannot make this mistake: a head returns logits, owns the matching loss, and turns the logits
# into probabilities in the exported model.

# %% [markdown]
# ## 3. Train a better network
#
# Both networks are in the zoo and train with the same call. `tagger_residual` is a residual network that keeps the
# full resolution of small images in its first layers. Strong augmentation shifts, zooms, rotates, flips and relights
# every image in every epoch, and weight decay regularizes the weights. Its hyperparameters were chosen on a
# validation split cut from the training data. The verdict compares each model with its baselines on the test split.

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
runs, cpu_seconds = {}, {}
for name, config in configs.items():
    start = time.process_time()
    runs[name] = kf.train(data, name, arguments.output_dir / name, config, overwrite=True)
    cpu_seconds[name] = time.process_time() - start
    print(runs[name].metrics["tasks"]["label"]["verdict"])

# %% [markdown]
# ## 4. See what the network looked at
#
# Grad-CAM (arXiv:1610.02391) shows which image regions contributed to a class. `report.html` contains these heatmaps
# for correct and wrong predictions; `kf.explain.grad_cam` computes them for any batch. Is the evidence on the object,
# or on the background?

# %%
test_batches = kf.data.BatchedDataset(data.splits["test"], batch_size=8)
x, y, _ = next(iter(test_batches.dataset()))
heatmaps = kf.explain.grad_cam(runs["tagger_residual"].model, x, "label", y["label"])
border = heatmaps.shape[1] // 4
center = heatmaps[:, border:-border, border:-border].sum(axis=(1, 2)) / np.maximum(heatmaps.sum(axis=(1, 2)), 1e-9)
print(f"\nShare of the evidence in the central quarter of eight images: {', '.join(f'{s:.0%}' for s in center)}")
print(f"Heatmaps: {runs['tagger_residual'].path / 'figures' / 'looked_at.png'}")

# %% [markdown]
# ## 5. Predict several tags per image
#
# An image of the shapes world shows several shapes in several colors. All of them are its tags, and each tag gets its
# own probability. In the table, tags are separated by `|`.

# %%
folder = arguments.output_dir / "shapes"
table = shapes_with_tags(folder, arguments.quick, lambda objects: sorted({*objects["shape"], *objects["color"]}))
table.to_csv(folder / "tags.csv", index=False)
print(f"\n{table.head(3).to_string(index=False)}\n")

# %% [markdown]
# Any table with tags works the same way, also on the command line:
#
#     kerasfusion train tags.csv --image image --label tags --model image_only

# %%
tag_data = kf.data.load(folder / "tags.csv", image="image", label="tags")
config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, batch_size=64)
tagger = kf.train(tag_data, "image_only", arguments.output_dir / "tags", config, overwrite=True)
print(tagger.metrics["tasks"]["label"]["verdict"])
print("Other metrics:", tagger.metrics["tasks"]["label"]["further"])

# %% [markdown]
# ## 6. Export the tagger
#
# The SavedModel takes image bytes. `label` holds the predicted tags, separated by `|`, and `probabilities` one value
# per tag. `kf.verify` runs it with the loader of TensorFlow Serving and compares every output with that of the Keras
# model.

# %%
version = kf.export(tagger, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)

if arguments.results:
    rows = [
        {"model": variant, "metric": f"training {name} after {epochs} epochs", "value": value}
        for variant, metrics in last_metrics.items()
        for name, value in metrics.items()
    ]
    for name, run in runs.items():
        rows += kf.evaluation.score_rows(run.metrics)
        rows.append({"model": name, "metric": "processor seconds", "value": cpu_seconds[name]})
    rows += [{**row, "model": f"tags: {row['model']}"} for row in kf.evaluation.score_rows(tagger.metrics)]
    command = "python experiments/03_image_tagging.py --data-dir DATA --results experiments/results/image_tagging.csv"
    _common.record(arguments.results, rows, "03_image_tagging", command)

_common.finish(report.ok)
