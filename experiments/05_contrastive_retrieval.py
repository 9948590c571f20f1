# %% [markdown]
"""# Image-text retrieval with contrastive losses

- Article: 000, sections 3.1.1 and 4.1.2
- What you will learn: train dual encoders with five losses, search inside a SavedModel, rerank
- Time: hours for five losses (`--quick`: a minute)
- Data: DATA/flickr8k_128, an image-caption table of your own, or drawn shapes with --quick

```shell
python experiments/05_contrastive_retrieval.py --data-dir DATA      # DATA/flickr8k_128, five losses: hours
python experiments/05_contrastive_retrieval.py --data-dir DATA --losses "triplet, hardest"     # triplets alone
python experiments/05_contrastive_retrieval.py DATA/noto_emoji/data.jsonl --data-dir DATA   # emoji, their names
python experiments/05_contrastive_retrieval.py captions.csv --image photo --text caption    # a table of your own
python experiments/05_contrastive_retrieval.py --quick              # drawn shapes, less than a minute
```

An image and its caption are put near to each other in one space, and what does not belong together far apart. Then
a sentence finds images by their distance alone, and each image is looked at only once, before anybody asks.

What the article prints as the goal of its two forms of contrastive learning, and what is done here:

| the article                         | what it means                        | here                               |
|-------------------------------------|--------------------------------------|------------------------------------|
| max f(x, y) − min f(x, y')          | each maximum or minimum is taken by  | one expected loss over all pairs   |
|                                     | itself; nothing ties x, y to y'      | of a batch                         |
| f, a similarity in one term and a   | longer vectors are always better: it | cosines: lengths are 1             |
| "distance" in the other             | has no bound (section 1)             |                                    |
| "triplet" has the same formula      | no margin, so it never stops pushing | a margin, section 3                |
| nothing on several texts of one     | they would be pushed apart           | they are positives of one another  |
| image                             |                                      |                                    |
"""

# %%
import tempfile
from pathlib import Path

import _common
import numpy as np
from _datasets import draw_captioned, flickr8k_pairs, mobilenet_weights

import kerasfusion as kf
from kerasfusion.evaluation.results import score_rows
from kerasfusion.serving import CApiSession

LOSSES = {
    "info_nce": "info_nce",
    "siglip": "siglip",
    "triplet, hardest": {"name": "triplet", "mining": "hard"},
    "triplet, semi-hard": {"name": "triplet", "mining": "semi_hard"},
    "cosine margin": "cosine_margin",
}
parser = _common.tutorial_parser(__doc__, "05_contrastive_retrieval")
parser.add_argument("source", nargs="?", help="a table with an image and a caption in each row")
parser.add_argument("--image", help="its image column")
parser.add_argument("--text", help="its caption column")
parser.add_argument("--losses", nargs="+", choices=LOSSES, help="only these; the first is indexed and asked")
parser.add_argument("--rerank", action="store_true", help="train a fused model on hard pairs as well (section 6)")
parser.add_argument("--resume", action="store_true", help="read trainings back that --out holds already")
parser.add_argument("--weights", help="weights of MobileNetV2 0.35; DATA/mobilenet_v2_035 if not given")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. Why the printed goal cannot be reached
#
# Take the printed formula at its word, with the inner product as f, on vectors drawn by chance, and make the vectors
# longer. It grows with the square of their length and has no best value: training would only make numbers large. The
# loss used here (InfoNCELoss, the article's "contrastive" in its usual form) sees cosines. For each text it is the
# cross-entropy of choosing its image among all of the batch, so it has a bound, 0, and a value with a meaning: a
# blind guess among N images costs log N.

# %%
random = np.random.default_rng(0)
images, texts = random.normal(size=(2, 64, 16)).astype("float32")
for length in (1, 10, 100):
    scores = (length * texts) @ (length * images).T
    printed = np.diag(scores).max() - np.min(scores[~np.eye(64, dtype=bool)])
    cosines = scores / np.outer(np.linalg.norm(length * texts, axis=1), np.linalg.norm(length * images, axis=1))
    loss = float(kf.losses.InfoNCELoss()(np.eye(64, dtype="int32"), cosines.astype("float32")))
    print(
        f"vectors {length:3} times as long: printed goal {printed:12,.1f}, InfoNCELoss {loss:.4f} "
        f"(log 64 = {np.log(64):.4f})"
    )

# %% [markdown]
# ## 2. The data
#
# A table with an image and a caption in each row; an image with five captions has five rows.
# `problem_type="retrieval"` says that there is no label: what belongs together is
# the row itself. All captions of an image stay in one split.


# %%
scratch = tempfile.TemporaryDirectory()
columns = {"image": arguments.image or "image", "text": arguments.text or ("text" if arguments.source else "caption")}
# How large MobileNetV2 sees the images (no size: as they are), and how the words are read.
sizes, reading = (), {"kernel_sizes": (1, 2, 3), "filters": 256, "embedding_dim": 200}
if arguments.quick:
    data = kf.data.load(draw_captioned(Path(scratch.name)), **columns, problem_type="retrieval")
elif arguments.source:
    data = kf.data.load(arguments.source, **columns, problem_type="retrieval", seed=arguments.seed)
elif arguments.data_dir:
    table = flickr8k_pairs(Path(arguments.data_dir) / "flickr8k_128")
    # MobileNetV2 learned from images of 224 pixels. It knows these of 128 better when they are drawn as large, and
    # better still when it sees them in two sizes. With so many captions a small network reads them as well.
    sizes, reading = (224, 288), {"kernel_sizes": (1, 2), "filters": 192, "embedding_dim": 128}
    # Words that stand in a single caption are left out: they would only help to learn that caption by heart.
    shape = {"image_size": 128, "sequence_length": 24, "max_tokens": 4500}
    data = kf.data.load(table, **columns, split="split", problem_type="retrieval", allow_external_paths=True, **shape)
else:
    parser.error("name a table, or the folder that flickr8k_128 is in: --data-dir or KERASFUSION_DATA (or --quick)")
for what, value, why, flag in data.settings:
    print(f"{what:20} {value}  ({why}; {flag})")

# %% [markdown]
# ## 3. Two branches, and five ways to draw them together
#
# A text CNN reads the words, and a MobileNetV2 that keeps its ImageNet weights looks, so that 6,000 photos are enough
# to learn from. It never changes, so it sees each photo once, and its mirror image; what it makes of them (1,280
# numbers for each size) is kept and trained on. Between those numbers and the shared space stands one linear layer:
# what is deeper there knows the training photos by heart sooner than it knows others. The five losses see the same
# batches:
#
# * InfoNCELoss: choose the right one among all of the batch. Its temperature is learned.
# * SigmoidContrastiveLoss: each pair by itself, yes or no.
# * Triplet, hardest negative (VSE++): only the wrong one that is nearest counts, up to a margin.
# * Triplet, semi-hard negative (FaceNet): the nearest of those that are further away than the right one already.
# * Cosine margin: right ones to a cosine of 1, wrong ones below a margin, none compared with another.
#
# A larger batch holds harder negatives: here 512 captions of nearly as many photos (`image_major=False`: one caption
# of a photo, as photos cost nothing any more).

# %%
weights = arguments.weights or mobilenet_weights(None if arguments.quick else arguments.data_dir)
if arguments.quick:
    model = "dual_lstm_cnn"
    small = {"name": "small_cnn", "filters": (16, 32), "flatten": True}
    changes = {"text_encoder": "average", "image_encoder": small, "units": 32, "dropout": 0.0}
    config = kf.training.TrainingConfig(
        epochs=16, batch_size=32, learning_rate=2e-3, patience=None, seed=arguments.seed
    )
else:
    model = "dual_gru_mobilenet"
    words = {"name": "text_cnn", "dropout": 0.2, **reading}
    look = {
        "name": "mobilenet_v2",
        "alpha": 0.35,
        "weights": weights,
        "global_pool": True,
        "flip_tta": True,
        "image_sizes": sizes,
    }
    changes = {"text_encoder": {**words, "units": None}, "image_encoder": {**look, "units": None}}
    changes |= {"units": 512, "dropout": 0.5}
    config = kf.training.TrainingConfig(
        epochs=arguments.epochs, batch_size=512, learning_rate=2e-3, image_major=False, seed=arguments.seed
    )
    if weights is None:
        print("No weights for MobileNetV2: all of it learns from a random start, which takes many more photos.")

runs = {}
for name in arguments.losses or (["info_nce"] if arguments.quick else list(LOSSES)):
    folder = arguments.output_dir / name.replace(", ", "_").replace(" ", "_")
    settings = {"overwrite": not arguments.resume, "resume": arguments.resume}
    runs[name] = kf.train(data, model, folder, config, loss=LOSSES[name], **settings, **changes)
    print(runs[name].metrics["tasks"]["match"]["verdict"])

# %% [markdown]
# ## 4. What was found
#
# R@K is the share of queries with a right answer among the first K. Chance stands beside it, because R@10 of twenty
# images is one half without any training. `figures/retrieval.png` of each run shows some queries, the same of every
# loss, and what they found.

# %%
for name, run in runs.items():
    found = run.metrics["tasks"]["match"]
    for direction, part in found["directions"].items():
        recall = "  ".join(f"R@{k} {value:6.1%}" for k, value in part["recall"].items())
        chance = "  ".join(f"{value:6.1%}" for value in found["chance"][direction]["recall"].values())
        print(f"{name:20} {direction}: {recall}  median rank {part['median_rank']:g}  (chance {chance})")
    print(f"{name:20} images: {run.path / 'figures' / 'retrieval.png'}")
first = next(iter(runs.values()))

# %% [markdown]
# ## 5. A search that is served
#
# The test images go into the SavedModel, as vectors: a sentence in, names of images out. The same by the command
# line, with a folder of images:
#
#     kerasfusion index RUN images/ saved_models/search

# %%
gallery = data.splits["test"].frame.drop_duplicates(columns["image"])
if arguments.quick:
    gallery = gallery.assign(image=[str(Path(scratch.name) / name) for name in gallery["image"]])
version, left_out = kf.export_search_index(
    first, gallery, arguments.output_dir / "saved_model", k=5, allow_external_paths=True
)
report = kf.verify(version)
print(report)
query = data.splits["test"].raw(data.schema["text"])[0]
feature = data.schema["image"]
encoded = data.splits["test"].banks[feature.name].encoded(data.splits["test"].images[feature.name][0])
with CApiSession(version) as session:
    found = session.run("search", {"text": [query.encode()]})
    print(f"\n{query!r} finds")
    for name, score in zip(found["ids"][0], found["scores"][0], strict=True):
        print(f"  {score:.3f}  {Path(name.decode()).name}")
    # Any words may be labels: the nearest to the image is chosen.
    labels = ["a red circle", "a blue square"] if arguments.quick else ["a photo of a dog", "a photo of people"]
    labels.append(query)
    answer = session.run("zero_shot", {"image_bytes": [encoded], "labels": [[label.encode() for label in labels]]})
print("zero_shot:", {label: f"{p:.1%}" for label, p in zip(labels, answer["probabilities"][0], strict=True)})

# %% [markdown]
# ## 6. A second look at the first ten
#
# Two branches that never meet cannot weigh a word against a place in the image. A model that sees both at once can,
# but a pair at a time: it cannot be asked about every image, only about the first ten that the dual encoder found.
# It starts from the dual encoder's branches (`init_from`) and learns from its mistakes: `mine_hard_negatives` puts
# three wrong
# pairs to each right one, some of texts and images that the dual encoder takes to be near, none with words that
# belong to the image, and others at random. From then on it is a label as any other, "no" or "yes", with its
# baselines. "No" to everything is right in nearly three of four: what counts is the score within each kind of pair.
#
# It may well make the order worse: of each image it saw three wrong captions, where the dual encoder saw all of a
# batch. Then the dual encoder alone is the better search, and the cheaper one.

# %%
reranked = None
if arguments.rerank:
    # Of the hard ones alone, a model that knows few images learns nothing for long.
    pairs = kf.workflows.mine_hard_negatives(
        data, first, random_fraction=0.75 if arguments.quick else 0.5, seed=arguments.seed
    )
    print("\n" + pairs.notes[-1])
    if arguments.quick:
        changes |= {"image_encoder": {**small, "flatten": False}, "fusion": {"name": "film", "filters": 32}}
        config = kf.training.TrainingConfig(
            epochs=30, batch_size=32, learning_rate=3e-3, patience=None, seed=arguments.seed
        )
    else:
        # The cells of the image, which words may steer; the network that sees them stays frozen and looks once.
        changes |= {
            "image_encoder": {**look, "global_pool": False, "image_sizes": sizes[:1], "units": 128},
            "units": 256,
            "dropout": 0.3,
        }
        changes |= {"fusion": {"name": "film", "filters": 64, "kernel_size": 1}}
        config = kf.training.TrainingConfig(epochs=6, batch_size=256, learning_rate=1e-3, seed=arguments.seed)
    settings |= {"init_from": first.path, "baselines": not arguments.quick}
    fused = kf.train(pairs, "classifier_film", arguments.output_dir / "pairs", config, **settings, **changes)
    found = fused.metrics["tasks"]["label"]
    print(found["verdict"])
    for kind, part in found["by_kind"]["classifier_film"].items():
        print(f"  {kind:14} {part['value']:6.1%} of {part['n']:,} pairs")
    reranked = kf.evaluation.rerank(first.model, fused.model, data.splits["test"], k=10)
    print(f"The first 10 in the order of the fused model:\n{reranked}")

if arguments.results:
    rows = [
        {**row, "model": f"{row['model']}, {name}"} for name, run in runs.items() for row in score_rows(run.metrics)
    ]
    if reranked is not None:
        rows += [{**row, "model": f"{row['model']}, hard pairs"} for row in score_rows(fused.metrics)]
        for direction, after in reranked.after.items():
            gain = reranked.gain[direction]
            rows += [
                {
                    "model": "first 10 reordered",
                    "metric": f"R@1 {direction}",
                    "value": after.recall[1],
                    "n": after.queries,
                },
                {
                    "model": "first 10 reordered",
                    "metric": f"gain of R@1 {direction}",
                    "value": gain.value,
                    "low": gain.low,
                    "high": gain.high,
                    "n": after.queries,
                },
            ]
    source = (arguments.source or "").replace(str(arguments.data_dir), "DATA")
    command = f"python experiments/05_contrastive_retrieval.py {source} --data-dir DATA".replace("  ", " ")
    if arguments.losses:
        command += " --losses " + " ".join(f"'{name}'" if " " in name else name for name in arguments.losses)
    command += " --rerank" * arguments.rerank
    command += f" --seed {arguments.seed} --results experiments/results/{arguments.results.name}"
    # With the losses in its name: others, recorded before, stay in the file.
    experiment = f"05_contrastive_retrieval, {' and '.join(runs)}, seed {arguments.seed}"
    _common.record(arguments.results, rows, experiment, command, arguments.seed)

_common.finish(report.ok)
