# %% [markdown]
"""# Tags as a sequence

- Article: 004, section 3.2
- What you will learn: generate tags one after the other, compared with an independent probability per tag
- Time: an hour (`--quick`: a minute)
- Data: drawn scenes

```shell
python experiments/10_tag_sequences.py
python experiments/10_tag_sequences.py --quick
```

The article tags images with its captioning network: a recurrent decoder writes the tags as if they were a sentence.
The usual approach is multi-label classification, one independent probability per tag. A decoder has an advantage,
because each tag is chosen given the previous ones. It also has two costs: a sequence needs an order, which tags do
not have, and a loop, where a classification head needs a single matrix product. This tutorial measures both
approaches.
"""

# %%
import _common
import keras
import numpy as np
import pandas as pd
from _datasets import shapes_with_tags
from sklearn.metrics import precision_recall_fscore_support

import kerasfusion as kf

parser = _common.tutorial_parser(__doc__, "10_tag_sequences", drawn=True)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--seeds", type=int, default=3)
arguments = _common.parse(parser)
if arguments.quick:
    arguments.epochs, arguments.seeds = 1, 1

# %% [markdown]
# ## 1. Write the same tags as a set and as a sentence
#
# A tag is a color and a shape, such as "red circle". There are 24 of them, and an image has three to six. In the
# sentence, the tags are sorted alphabetically and joined by "and". Any fixed order works. Without one, an image would
# have many correct sentences, and the model would learn a mixture of them.

# %%
folder = arguments.output_dir / "shapes"
table = shapes_with_tags(
    folder, arguments.quick, lambda objects: sorted(set(objects["color"] + " " + objects["shape"]))
)
table.insert(2, "sentence", table["tags"].str.replace("|", " and ", regex=False))
table.to_csv(folder / "tags.csv", index=False)
print(table.head(3).to_string(index=False), "\n")
tag_data = kf.data.load(folder / "tags.csv", image="image", label="tags", text=[])
caption_data = kf.data.load(folder / "tags.csv", image="image", label="sentence", problem_type="captioning")
(task,) = tag_data.schema.tasks

# %% [markdown]
# ## 2. Train three taggers with the same image encoder
#
# `image_only` predicts a probability per tag. `caption_lstm` and `caption_attend` write the sentence; the second
# attends to the image grid for every word. Generated tags that do not exist are ignored.

# %%
ENCODER = {"name": "residual_cnn", "filters": (32, 64, 128), "coordinates": True}
TAGGERS = {
    "a probability for each tag": ("image_only", tag_data, {"image_encoder": ENCODER, "units": 128}),
    "written, the image seen once": ("caption_lstm", caption_data, {"units": 128, "dropout": 0.0}),
    "written, looking for each word": ("caption_attend", caption_data, {"units": 128, "dropout": 0.0}),
}
if arguments.quick:
    TAGGERS.pop("written, looking for each word")
labels = tag_data.splits["test"].labels[task.name]
index_of = {name: index for index, name in enumerate(task.classes)}


def predict_tags(model, data):
    """Predicted tags of the test images as 0 or 1, `(images, tags)`."""
    test = data.splits["test"]
    if data is tag_data:
        outputs = kf.evaluation.postprocess(model, kf.evaluation.predict_logits(model, test))
        return kf.evaluation.predict_classes(task, outputs[task.name])
    predictions = np.zeros_like(labels)
    for row, sentence in enumerate(kf.evaluation.generate_captions(model, test)):
        predictions[row, [index_of[tag] for tag in sentence.split(" and ") if tag in index_of]] = 1
    return predictions


command = f"python experiments/10_tag_sequences.py --epochs {arguments.epochs} --seeds {arguments.seeds}"
command += " --quick" * arguments.quick + " --results experiments/results/tag_sequences.csv"
# An interrupted study continues: what the same command has recorded is not trained again.
recorded = _common.recorded(arguments.results)
results = []
for tagger, (name, data, options) in TAGGERS.items():
    for seed in range(arguments.seeds):
        experiment = f"10_tag_sequences: {tagger}, seed {seed}"
        if done := [row for row in recorded if (row["experiment"], row["command"]) == (experiment, command)]:
            results += [{**row, "value": float(row["value"])} for row in done]
            continue
        config = kf.training.TrainingConfig(epochs=arguments.epochs, seed=seed, patience=None)
        keras.utils.set_random_seed(seed)
        model = kf.create_model(name, data.schema, **options)
        run_dir = arguments.output_dir / f"{name}_{seed}"
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, run_dir)
        predictions = predict_tags(model, data)
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predictions, average="micro", zero_division=0
        )
        exact = (predictions == labels).all(axis=1).mean()
        metrics = {"precision": precision, "recall": recall, "F1": f1, "all tags right": exact}
        rows = [{"model": tagger, "metric": key, "value": value, "n": len(labels)} for key, value in metrics.items()]
        results += rows
        print(f"{tagger}, seed {seed}: " + "  ".join(f"{key} {value:.3f}" for key, value in metrics.items()))
        _common.record(arguments.results, rows, experiment, command, seed)

# %% [markdown]
# ## 3. Compare
#
# Precision is the share of predicted tags that are correct, recall the share of true tags that are predicted, and F1
# their harmonic mean. "All tags right" is the share of images whose whole set of tags is correct. The table shows
# means over seeds.

# %%
means = pd.DataFrame(results).pivot_table(index="model", columns="metric", values="value", aggfunc="mean")
print(means.to_string(float_format="%.3f"))

# %% [markdown]
# ## Try it yourself
#
# Shuffle the tags of each sentence. What happens to the two decoders?
