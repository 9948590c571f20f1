# %% [markdown]
"""# Image captioning

- Article: 004, sections 3.1 and 4
- What you will learn: train captioners with and without attention; greedy, beam and sampled decoding
- Time: half an hour per model (`--quick`: a minute)
- Data: shapes:large, DATA/flickr8k_128, or a table of your own

```shell
python experiments/08_captioning.py shapes:large           # drawn scenes, where a caption is right or wrong
python experiments/08_captioning.py --data-dir DATA        # DATA/flickr8k_128: photos with five captions each
python experiments/08_captioning.py captions.jsonl --image photo --label captions    # a table of your own
python experiments/08_captioning.py --quick                # a minute: 300 scenes, one epoch
```

The article describes the right thing: a convolutional network makes features of an image, a recurrent one makes
words of these, one after the other, and a greedy or random search chooses among the words. Its code does something
else:

| the article                             | what happens                               | here                      |
|-----------------------------------------|--------------------------------------------|---------------------------|
| `ImageDataset`, `device`, `epochs`      | are defined nowhere: it stops at the first | a table is read           |
| CNN and LSTM each trained as a          | neither ever sees a sentence               | each next word is learned |
| classifier of ten labels                |                                            | from those before it      |
| `rnn(images)`: pixels into an embedding | a type error: they are no token ids        | the decoder reads words   |
| `rnn(cnn_outputs)` to describe          | ten class scores, not features, and again  | what the image's cells  |
|                                         | no ids                                     | hold                      |
| the last output only, once              | one "word"; nothing begins or ends         | a start, an end, a loop   |
| `"A " + predicted.tolist()`             | a string and a list cannot be added        | ids become words          |
"""

# %%
import dataclasses
from pathlib import Path

import _common
import numpy as np
from _datasets import flickr8k, mobilenet_weights

import kerasfusion as kf
from kerasfusion.data.shapes_world import parse_caption
from kerasfusion.data.shapes_world.builder import HELD_OUT
from kerasfusion.evaluation.caption_report import caption_rows
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.results import caption_score_rows, score_rows
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "08_captioning")
parser.add_argument("source", nargs="?", help="shapes:large, or a table of images and captions")
parser.add_argument("--image", help="its image column")
parser.add_argument("--label", help="its caption column")
parser.add_argument("--models", nargs="+", default=["caption_lstm", "caption_attend"], help="the last is exported")
parser.add_argument("--epochs", type=int, help="12 if not given")
parser.add_argument("--weights", help="weights of MobileNetV2 0.35; DATA/mobilenet_v2_035 if not given")
parser.add_argument("--seed", type=int, default=0)
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. The data
#
# `problem_type="captioning"` names the label: a sentence, or a list of several for one image.
# Its words and its length are learned from the training split; a start goes before it and an end behind it, so that a
# model can learn when to stop.
#
# The shapes world comes with captions that name every object by size, color and shape. They can be read back into a
# scene, so a caption is right or wrong, which no score of likeness tells. Photos come with five sentences each, by
# five people; all five stay in one split and are trained on beside one encoding of their photo.


# %%
source = "shapes:quick" if arguments.quick else arguments.source
photos, shapes = source is None, str(source).startswith("shapes")
if photos and not arguments.data_dir:
    parser.error("name a table, shapes:large, or the folder that flickr8k_128 is in: --data-dir or KERASFUSION_DATA")
if photos:
    # MobileNetV2 learned from images of 224 pixels: these of 128 are drawn as large. Words that few captions hold
    # are left out, since they cannot be learned.
    size = {"image_size": 224, "sequence_length": 20, "max_tokens": 2600}
    table = flickr8k(Path(arguments.data_dir) / "flickr8k_128")
    data = kf.data.load(
        table, image="image", label="captions", problem_type="captioning", allow_external_paths=True, **size
    )
else:
    data = kf.data.load(source, image=arguments.image, label=arguments.label, problem_type="captioning")
for what, value, why, flag in data.settings:
    print(f"{what:24} {value}  ({why}; {flag})")
(task,) = data.schema.tasks

# %% [markdown]
# ## 2. Two ways to look
#
# `caption_lstm` (Show and Tell) reads the image's vector as if it were a word before the first, and must remember
# it from there on. `caption_attend` (Show, Attend and Tell) attends to the image's cells for each token; the
# report shows where. Both learn by teacher forcing: at every place the words before it are those of a person, and the
# loss is the cross-entropy of the next one.

# %%
changes, config = {"units": 128, "dropout": 0.0}, {"epochs": arguments.epochs or 12, "learning_rate": 2e-3}
if photos:
    weights = arguments.weights or mobilenet_weights(arguments.data_dir)
    # It keeps its ImageNet weights, sees each photo and its mirror image once, and gives a grid of 7 x 7 cells.
    look = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights, "flip_tta": True, "units": None}
    changes = {"image_encoder": look, "units": 256, "dropout": 0.3, "label_smoothing": 0.1}
    config = {"epochs": arguments.epochs or 12, "learning_rate": 1e-3, "batch_size": 320, "global_clipnorm": 1.0}
if arguments.quick:
    config["epochs"] = 1
config = kf.training.TrainingConfig(**config, seed=arguments.seed)
runs = {}
for name in arguments.models:
    runs[name] = kf.train(data, name, arguments.output_dir / name, config, overwrite=True, **changes)
    print(runs[name].metrics["tasks"]["caption"]["verdict"])

# %% [markdown]
# ## 3. Three ways to choose words
#
# *Greedy*: the likeliest word each time. *Beam*: the likeliest sentence among several that are kept side by side; a
# word that is less likely may begin a better one. *Sampled*: words drawn by their probabilities, among those that
# make up nine tenths of them: less like what people said of this photo, more varied.

# %%
SEARCHES = {"greedy": {}, "beam of 3": {"strategy": "beam"}, "sampled": {"strategy": "sample", "top_p": 0.9}}
test, train = data.splits["test"], data.splits["train"]
rows, references = caption_rows(test, task)
known = [caption for own in caption_rows(train, task)[1] for caption in own]
figures, written = [], {}
for name, run in runs.items():
    figures += [
        {**row, "model": f"{name}, greedy" if row["model"] == name else f"{name}: {row['model']}"}
        for row in score_rows(run.metrics)
    ]
    for search, settings in SEARCHES.items():
        written[name, search] = generate_captions(run.model, test.take(rows), **settings)
        if search == "greedy":
            continue
        found = kf.evaluation.score_captions(written[name, search], references, known)
        figures += caption_score_rows({f"{name}, {search}": dataclasses.asdict(found)})
for row in figures:
    if row["metric"] in ("BLEU-4", "CIDEr"):
        print(f"{row['model']:28} {row['metric']:8} {row['value']:.3f}")
for place in range(0, len(rows), max(1, len(rows) // 4)):
    print(f"\n{references[place][0]}   (a person)")
    for (name, search), captions in written.items():
        print(f"  {name}, {search}: {captions[place]}")

# %% [markdown]
# ## 4. Right or wrong
#
# In the shapes world a caption is parsed, and compared with the scene: all objects, and nothing else. Then likeness
# is put in its place: a caption with one wrong color is wrong, and scores nearly as high as a right one.
#
# `shapes:held_out` is the same world, but some pairs of color and shape are in no training scene: can a network name
# a red cross that has seen red and has seen crosses, and never both at once?

# %%
if shapes:
    scenes = [sorted(parse_caption(own[0])) for own in references]
    unseen = np.array([any((color, shape) in HELD_OUT for _, color, shape in scene) for scene in scenes])
    for (name, search), captions in written.items():
        read = [parse_caption(caption) for caption in captions]
        right = np.array([own is not None and sorted(own) == scene for own, scene in zip(read, scenes, strict=True)])
        parts = {"": np.full(len(right), True)}
        if source == "shapes:held_out":
            parts |= {", with an unseen pair": unseen, ", without one": ~unseen}
        for part, rows_of in parts.items():
            share = right[rows_of].mean()
            print(f"{name}, {search}: {share:.1%} of {rows_of.sum()} scenes{part} are described exactly")
            metric = f"scenes described exactly{part}"
            figures.append({"model": f"{name}, {search}", "metric": metric, "value": share, "n": int(rows_of.sum())})

# %% [markdown]
# ## 5. A SavedModel that writes
#
# The loop over words is part of the graph: an image goes in, a sentence comes out, without any Python. A `prompt` is
# how the sentence must begin; `strategy` chooses the search.

# %%
last = runs[arguments.models[-1]]
version = kf.export(last, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
bank, index = test.banks["image"], test.images["image"][rows]
with CApiSession(version) as session:
    given = {"image_bytes": [bank.encoded(index[0])] * 3, "prompt": [b"", b"", b"a large"]}
    found = session.run("caption", {**given, "strategy": [b"greedy", b"beam", b"beam"]})
for strategy, caption, total in zip(
    ("greedy", "beam", "beam, from 'a large'"), found["caption"], found["log_probability"], strict=True
):
    print(f"{strategy:22} {caption.decode()}  (log-probability {total:.2f})")

if arguments.results:
    command = f"python experiments/08_captioning.py {'--data-dir DATA' if photos else source}"
    command += f" --models {' '.join(arguments.models)} --seed {arguments.seed}"
    command += f" --epochs {arguments.epochs}" if arguments.epochs else ""
    experiment = f"08_captioning, {'photos' if photos else source}, {' '.join(arguments.models)}, {arguments.seed}"
    command += f" --results experiments/results/{arguments.results.name}"
    _common.record(arguments.results, figures, experiment, command, arguments.seed)

# %% [markdown]
# ## What to change
#
# Give `caption_lstm` the shapes world with `units=32`: which words go first? Ask for a `prompt` that is not true of
# the image.

# %%
_common.finish(report.ok)
