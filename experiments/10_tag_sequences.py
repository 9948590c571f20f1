# %% [markdown]
"""# Tags as a sequence

- Article: 004, section 3.2
- What you will learn: predict tags one after the other, against one probability per tag
- Time: an hour (`--quick`: a minute)
- Data: drawn scenes

```shell
python experiments/10_tag_sequences.py            # drawn scenes; about half an hour on two cores
python experiments/10_tag_sequences.py --quick    # a minute
```

The article tags images by the network that describes them: a recurrent network writes the tags as if they were a
sentence. The usual way is another: a probability for each tag by itself. What is gained by writing them? The next tag
is chosen in the knowledge of those before it. What is lost? A sequence needs an order, which tags do not have, and a
loop, where a head needs one product.
"""

# %%
import _common
import keras
import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

import kerasfusion as kf
from kerasfusion.data.tfds_source import read_tfds
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.predict import postprocess, predict_classes, predict_logits

parser = _common.tutorial_parser(__doc__, "10_tag_sequences", drawn=True)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--seeds", type=int, default=3)
arguments = _common.parse(parser)
if arguments.quick:
    arguments.epochs, arguments.seeds = 1, 1

# %% [markdown]
# ## 1. The same tags, as a set and as a sentence
#
# A tag is a color and a shape together, "red circle": 24 of them, of which an image has three to six. As a sentence
# they stand in the order of the alphabet, with "and" between. Any fixed order will do, as long as it can be told from
# the image; without one, the same image would have many right answers and the network would learn their mean.

# %%
world = "shapes:quick" if arguments.quick else "shapes"
objects, _ = read_tfds(world, {"image": "image", "label": ["scene/shape", "scene/color", "index"]})
folder = arguments.output_dir / "shapes"
(folder / "images").mkdir(parents=True, exist_ok=True)
rows = []
for (split, index), part in objects.groupby(["split", "index"], sort=False):
    name = f"images/{split}_{index}.png"
    (folder / name).write_bytes(part["image"].iloc[0])
    tags = sorted(set(part["color"] + " " + part["shape"]))
    rows.append({"image": name, "tags": "|".join(tags), "sentence": " and ".join(tags), "split": split})
table = folder / "tags.csv"
pd.DataFrame(rows).to_csv(table, index=False)
print(pd.DataFrame(rows).head(3).to_string(index=False), "\n")
as_set = kf.data.load(table, image="image", label="tags", text=[])
as_sentence = kf.data.load(table, image="image", label="sentence", problem_type="captioning")
(task,) = as_set.schema.tasks

# %% [markdown]
# ## 2. One encoder, three ways to tag

# %%
LOOK = {"name": "residual_cnn", "filters": (32, 64, 128), "coordinates": True}
WAYS = {
    "a probability for each tag": ("image_only", as_set, {"image_encoder": LOOK, "units": 128}),
    "written, the image seen once": ("caption_lstm", as_sentence, {"units": 128, "dropout": 0.0}),
    "written, looking for each word": ("caption_attend", as_sentence, {"units": 128, "dropout": 0.0}),
}
if arguments.quick:
    WAYS.pop("written, looking for each word")
labels = as_set.splits["test"].labels[task.name]
place_of = {name: place for place, name in enumerate(task.classes)}


def tagged(model, data):
    """What a model says of the test images: 0 or 1, `(images, tags)`."""
    test = data.splits["test"]
    if data is as_set:
        return predict_classes(task, postprocess(model, predict_logits(model, test))[task.name])
    answers = np.zeros_like(labels)
    for row, sentence in enumerate(generate_captions(model, test)):
        answers[row, [place_of[tag] for tag in sentence.split(" and ") if tag in place_of]] = 1
    return answers


command = f"python experiments/10_tag_sequences.py --epochs {arguments.epochs} --seeds {arguments.seeds}"
command += " --quick" * arguments.quick + " --results experiments/results/tag_sequences.csv"
# What an interrupted run has recorded with the same command is not made again.
recorded = _common.recorded(arguments.results)
figures = []
for way, (name, data, changes) in WAYS.items():
    for seed in range(arguments.seeds):
        experiment = f"10_tag_sequences: {way}, seed {seed}"
        if before := [row for row in recorded if (row["experiment"], row["command"]) == (experiment, command)]:
            figures += [{**row, "value": float(row["value"])} for row in before]
            continue
        config = kf.training.TrainingConfig(epochs=arguments.epochs, seed=seed, patience=None)
        keras.utils.set_random_seed(seed)
        model = kf.create_model(name, data.schema, **changes)
        folder = arguments.output_dir / f"{name}_{seed}"
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, folder)
        answers = tagged(model, data)
        precision, recall, f1, _ = precision_recall_fscore_support(labels, answers, average="micro", zero_division=0)
        exact = (answers == labels).all(axis=1).mean()
        found = {"precision": precision, "recall": recall, "F1": f1, "all tags right": exact}
        rows = [{"model": way, "metric": metric, "value": value, "n": len(labels)} for metric, value in found.items()]
        figures += rows
        print(f"{way}, seed {seed}: " + "  ".join(f"{metric} {value:.3f}" for metric, value in found.items()))
        if arguments.results:
            # At once, and not at the end: all of it takes an hour.
            _common.record(arguments.results, rows, experiment, command, seed)

# %% [markdown]
# ## 3. What the table says
#
# Precision is the share of the tags given that are right, recall the share of the right ones that were given, F1
# their harmonic mean; "all tags right" asks for the whole set.

# %%
means = pd.DataFrame(figures).pivot_table(index="model", columns="metric", values="value", aggfunc="mean")
print(means.to_string(float_format="%.3f"))

# %% [markdown]
# ## What to change
#
# Shuffle the tags of each sentence: what becomes of the writers?
