# %% [markdown]
"""# Image captioning

- Article: 004, sections 3.1 and 4
- What you will learn: train captioners with and without attention; greedy, beam and sampled decoding
- Time: half an hour per model (`--quick`: a minute)
- Data: drawn scenes (shapes:large), DATA/flickr8k_128, or your own table

```shell
python experiments/08_captioning.py shapes:large        # drawn scenes, where a caption is right or wrong
python experiments/08_captioning.py --data-dir DATA     # DATA/flickr8k_128: photos with five captions each
python experiments/08_captioning.py --data-dir DATA --pretrained efficientnet_lite0    # a better image encoder
python experiments/08_captioning.py captions.jsonl --image photo --label captions    # your own table
python experiments/08_captioning.py --quick             # 300 scenes, one epoch
```

The article describes the standard approach: a convolutional network encodes the image, a recurrent network generates
one word at a time, and greedy search or sampling selects the words. Its code does something else:

| the article                             | the problem                       | here                           |
|-----------------------------------------|-----------------------------------|--------------------------------|
| `ImageDataset`, `device`, `epochs`      | are not defined                   | a table is loaded              |
| CNN and LSTM trained as classifiers     | neither ever sees a sentence      | decoder predicts the next word |
| `rnn(images)`: pixels into an embedding | pixels are not token ids          | the decoder reads tokens       |
| `rnn(cnn_outputs)` to describe an image | ten class scores are not features | image features                 |
| a single output                         | one "word", no start and no end   | start and end tokens, a loop   |
| `"A " + predicted.tolist()`             | a string plus a list is an error  | ids are mapped to words        |
"""

# %%
import dataclasses
from pathlib import Path

import _common
from _captions import exact_caption_rows
from _datasets import flickr8k, mobilenet_weights

import kerasfusion as kf
from kerasfusion.evaluation.caption_report import caption_rows
from kerasfusion.evaluation.results import caption_score_rows

parser = _common.tutorial_parser(__doc__, "08_captioning")
parser.add_argument("source", nargs="?", help="shapes:large, or a table of images and captions")
parser.add_argument("--image", help="image column of the table")
parser.add_argument("--label", help="caption column of the table")
parser.add_argument("--models", nargs="+", default=["caption_lstm", "caption_attend"], help="the last is exported")
parser.add_argument("--epochs", type=int, help="training epochs. Defaults to 12")
_common.add_pretrained_flags(parser, "efficientnet_lite0")
parser.add_argument("--weights", help="weights of MobileNetV2 0.35. Defaults to DATA/mobilenet_v2_035")
parser.add_argument("--seed", type=int, default=0)
arguments = _common.parse(parser)
_common.require_pretrained(arguments, parser)

# %% [markdown]
# ## 1. Load the data
#
# `problem_type="captioning"` makes the label column a caption, or a list of several captions per image. Vocabulary
# and maximum length are fitted on the training split, and start and end tokens are added, so that the model learns
# when to stop.
#
# Captions of the shapes world name every object by size, color and shape. They can be parsed back into a scene, so we
# know whether a caption is right, which no similarity score tells. Photos have five captions by five people; all five
# stay in the same split and train on a single encoding of their photo.

# %%
source = "shapes:quick" if arguments.quick else arguments.source
photos, shapes = source is None, str(source).startswith("shapes")
if photos and not arguments.data_dir:
    parser.error("pass a table or shapes:large, or --data-dir with the folder that holds flickr8k_128")
if arguments.pretrained and not photos:
    parser.error("--pretrained is for flickr8k_128: pass --data-dir and no table")
if photos:
    # The image encoders were trained on 224 pixels, so the 128-pixel photos are enlarged. Rare words are left out of
    # the vocabulary, because a few examples are not enough to learn them.
    sizes = {"image_size": 224, "sequence_length": 20, "max_tokens": 2600, "cache_dir": arguments.cache_dir}
    table = flickr8k(Path(arguments.data_dir) / "flickr8k_128")
    data = kf.data.load(
        table, image="image", label="captions", problem_type="captioning", allow_external_paths=True, **sizes
    )
else:
    data = kf.data.load(source, image=arguments.image, label=arguments.label, problem_type="captioning")
for setting, value, reason, flag in data.settings:
    print(f"{setting:24} {value}  ({reason}; {flag})")
(task,) = data.schema.tasks

# %% [markdown]
# ## 2. Train with and without attention
#
# `caption_lstm` (Show and Tell, arXiv:1411.4555) feeds the image vector to an LSTM as if it were the first word; the
# LSTM has to remember it. `caption_attend` (Show, Attend and Tell, arXiv:1502.03044) attends to the image grid for
# every token, and the report shows where. Both train with teacher forcing: the model sees the previous words of a
# reference caption, and the loss is the cross-entropy of the next word.

# %%
model_options, config = {"units": 128, "dropout": 0.0}, {"epochs": arguments.epochs or 12, "learning_rate": 2e-3}
if photos:
    # The frozen ImageNet weights encode each photo and its mirror image once, as a grid of 7 x 7 cells. Those of
    # EfficientNet are in a package (kerasfusion/guide/pretrained.md), and --cache-dir then holds 1 GB of cells.
    encoder = {"name": "efficientnet_lite0"}
    if not arguments.pretrained:
        weights = arguments.weights or mobilenet_weights(arguments.data_dir)
        encoder = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights}
    encoder |= {"image_sizes": (), "flip_tta": True, "units": None}
    model_options = {"image_encoder": encoder, "units": 256, "dropout": 0.3, "label_smoothing": 0.1}
    config = {"epochs": arguments.epochs or 12, "learning_rate": 1e-3, "batch_size": 320, "global_clipnorm": 1.0}
if arguments.quick:
    config["epochs"] = 1
config = kf.training.TrainingConfig(**config, seed=arguments.seed)
runs = {}
for name in arguments.models:
    runs[name] = kf.train(data, name, arguments.output_dir / name, config, overwrite=True, **model_options)
    print(runs[name].metrics["tasks"]["caption"]["verdict"])

# %% [markdown]
# ## 3. Compare decoding strategies
#
# - *Greedy* takes the most likely word at every step.
# - *Beam search* keeps the most likely partial sentences side by side; a less likely first word may start a better
#   one.
# - *Sampling* draws words from the smallest set that holds 90 % of the probability (top-p). Its captions are more
#   varied and agree less with the references.
#
# Compare BLEU-4 and CIDEr, then read the captions of a few test images.

# %%
strategies = {"greedy": {}, "beam of 3": {"strategy": "beam"}, "sampled": {"strategy": "sample", "top_p": 0.9}}
test, train = data.splits["test"], data.splits["train"]
image_rows, references = caption_rows(test, task)
training_captions = [caption for captions in caption_rows(train, task)[1] for caption in captions]
rows, written = [], {}
for model, run in runs.items():
    name = ", ".join([model, *arguments.pretrained])
    rows += [
        {**row, "model": f"{name}, greedy" if row["model"] == model else f"{name}: {row['model']}"}
        for row in kf.evaluation.score_rows(run.metrics)
    ]
    for strategy, options in strategies.items():
        captions = kf.evaluation.generate_captions(run.model, test.take(image_rows), **options)
        written[name, strategy] = captions
        if strategy != "greedy":
            scores = kf.evaluation.score_captions(captions, references, training_captions)
            rows += caption_score_rows({f"{name}, {strategy}": dataclasses.asdict(scores)})
for row in rows:
    if row["metric"] in ("BLEU-4", "CIDEr"):
        print(f"{row['model']:28} {row['metric']:8} {row['value']:.3f}")
for i in range(0, len(image_rows), max(1, len(image_rows) // 4)):
    print(f"\n{references[i][0]}   (reference)")
    for (name, strategy), captions in written.items():
        print(f"  {name}, {strategy}: {captions[i]}")

# %% [markdown]
# ## 4. Check which captions are right
#
# Captions of the shapes world are parsed and compared with the scene: all objects, and nothing else. This puts
# similarity scores into perspective: a caption with one wrong color is wrong, but scores almost as high as a right
# one.
#
# In `shapes:held_out`, some pairs of color and shape do not occur in training. Can a model describe a red cross after
# seeing red objects and crosses, but never a red cross?

# %%
if shapes:
    rows += exact_caption_rows(written, references, held_out=source == "shapes:held_out")

# %% [markdown]
# ## 5. Export the captioner
#
# The decoding loop is part of the SavedModel, so no Python is needed: image bytes in, a sentence out. `prompt` is the
# required beginning of the sentence, and `strategy` selects the decoding.

# %%
version = kf.export(runs[arguments.models[-1]], arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
image = test.banks["image"].encoded(test.arrays["image"][image_rows][0])
with kf.serving.CApiSession(version) as session:
    inputs = {"image_bytes": [image] * 3, "prompt": [b"", b"", b"a large"], "strategy": [b"greedy", b"beam", b"beam"]}
    outputs = session.run("caption", inputs)
for strategy, caption, total in zip(
    ("greedy", "beam", "beam, from 'a large'"), outputs["caption"], outputs["log_probability"], strict=True
):
    print(f"{strategy:22} {caption.decode()}  (log-probability {total:.2f})")

if arguments.results:
    command = f"python experiments/08_captioning.py {'--data-dir DATA' if photos else source}"
    command += f" --models {' '.join(arguments.models)} --seed {arguments.seed}"
    command += f" --epochs {arguments.epochs}" if arguments.epochs else ""
    command += f" --pretrained {' '.join(arguments.pretrained)}" if arguments.pretrained else ""
    experiment = f"08_captioning, {'photos' if photos else source}, {' '.join(arguments.models)}, {arguments.seed}"
    experiment += "".join(f", {encoder}" for encoder in arguments.pretrained)
    command += f" --results experiments/results/{arguments.results.name}"
    _common.record(arguments.results, rows, experiment, command, arguments.seed)

# %% [markdown]
# ## Try it yourself
#
# Train `caption_lstm` on the shapes world with `units=32`. Which words fail first? Pass a `prompt` that is not true
# of the image.

# %%
_common.finish(report.ok)
