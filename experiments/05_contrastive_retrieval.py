# %% [markdown]
"""# Image-text retrieval with contrastive losses

- Article: 000, sections 3.1.1 and 4.1.2
- What you will learn: train dual encoders with five losses, search inside a SavedModel, rerank with a fused model
- Time: hours for five losses (`--quick`: a minute)
- Data: DATA/flickr8k_128, an image-caption table of your own, or drawn shapes with --quick

```shell
python experiments/05_contrastive_retrieval.py --data-dir DATA      # DATA/flickr8k_128, five losses: hours
python experiments/05_contrastive_retrieval.py --data-dir DATA --losses "triplet, hardest"     # one loss
python experiments/05_contrastive_retrieval.py --data-dir DATA --pretrained minilm efficientnet_lite0
python experiments/05_contrastive_retrieval.py DATA/noto_emoji/data.jsonl --data-dir DATA   # emoji and their names
python experiments/05_contrastive_retrieval.py captions.csv --image photo --text caption    # your own table
python experiments/05_contrastive_retrieval.py --quick              # drawn shapes, a minute
```

A dual encoder maps images and captions into one embedding space, where matching pairs are close and all others are
far apart. A sentence then finds images by distance alone, and every image is encoded once, before the first query.

The article prints an objective for its two forms of contrastive learning. It cannot be trained as printed:

| the article                             | the problem                          | here                       |
|-----------------------------------------|--------------------------------------|----------------------------|
| max f(x, y) − min f(x, y')              | each extremum is taken by itself     | expected loss over a batch |
| f: once a similarity, once a "distance" | longer vectors are always better     | cosine similarity          |
| the "triplet" form is the same          | no margin, so it never stops pushing | a margin                   |
| several captions of one image           | they would be pushed apart           | they count as positives    |
"""

# %%
from pathlib import Path

import _common
import _retrieval
import numpy as np

import kerasfusion as kf
from kerasfusion.serving import CApiSession

LOSSES = {
    "info_nce": "info_nce",
    "siglip": "siglip",
    "triplet, hardest": {"name": "triplet", "mining": "hard"},
    "triplet, semi-hard": {"name": "triplet", "mining": "semi_hard"},
    "cosine margin": "cosine_margin",
}
parser = _retrieval.add_flags(_common.tutorial_parser(__doc__, "05_contrastive_retrieval"), LOSSES)
arguments = _common.parse(parser)
_common.require_pretrained(arguments, parser)

# %% [markdown]
# ## 1. Why the printed objective has no optimum
#
# We evaluate the printed formula on random vectors, with the inner product as f, and scale the vectors. The value
# grows with the square of their length, so training would only make the vectors longer. InfoNCE compares cosines: for
# each text it is the cross-entropy of choosing its image within the batch. Its lower bound is 0, and random guessing
# among N images costs log N.

# %%
random = np.random.default_rng(0)
images, texts = random.normal(size=(2, 64, 16)).astype("float32")
for scale in (1, 10, 100):
    scores = (scale * texts) @ (scale * images).T
    printed = np.diag(scores).max() - np.min(scores[~np.eye(64, dtype=bool)])
    cosines = scores / np.outer(np.linalg.norm(scale * texts, axis=1), np.linalg.norm(scale * images, axis=1))
    loss = float(kf.losses.InfoNCELoss()(np.eye(64, dtype="int32"), cosines.astype("float32")))
    print(f"scale {scale:3}: printed objective {printed:12,.1f}, InfoNCE {loss:.4f} (log 64 = {np.log(64):.4f})")

# %% [markdown]
# ## 2. The data
#
# The table has an image and a caption per row; an image with five captions has five rows. There is no label:
# `problem_type="retrieval"` says that the image and the caption of a row belong together. All captions of an image
# are in the same split.

# %%
data, text_settings, image_sizes = _retrieval.load_pairs(arguments, parser)
for name, value, reason, flag in data.settings:
    print(f"{name:20} {value}  ({reason}; {flag})")

# %% [markdown]
# ## 3. Train dual encoders with five losses
#
# A text CNN encodes the captions. The image encoder is a MobileNetV2 with frozen ImageNet weights, so that 6,000
# photos are enough. Since it is frozen, each photo and its mirror image are encoded once, and the features are
# cached. A single linear layer projects them into the shared space: deeper projections overfit sooner. All losses see
# the same batches:
#
# * InfoNCE: choose the matching caption or image within the batch; the temperature is learned. * SigLIP: classify
# each pair of the batch on its own. * Triplet, hardest negative (VSE++): only the most similar negative counts, up to
# a margin. * Triplet, semi-hard negative (FaceNet): the most similar of the negatives that are already farther than
# the positive. * Cosine margin: a cosine of 1 for positives and below a margin for negatives.
#
# Better frozen encoders help more than any loss. `--pretrained` takes them from packages that pip installs
# (kerasfusion/guide/pretrained.md): EfficientNet-Lite0 for images, MiniLM for captions. Only the projections into the
# shared space are trained then, perceptrons of two layers. MiniLM has probably seen these captions: its training data
# includes Flickr30k, which extends Flickr8k. `--pretrained efficientnet_lite0` alone keeps the text CNN.
#
# Larger batches have harder negatives. Here a batch has 512 captions of almost as many photos. With cached features
# photos cost little, so `image_major=False` samples single captions rather than all captions of a photo.

# %%
if arguments.quick:
    model, settings, config = _retrieval.small_dual_encoder(arguments.seed)
else:
    # Its own encoders are replaced.
    model = "dual_pretrained" if "minilm" in arguments.pretrained else "dual_gru_mobilenet"
    text_encoder = {"name": "text_cnn", "dropout": 0.2, **text_settings, "units": None}
    if "minilm" in arguments.pretrained:
        text_encoder = {"name": "minilm", "global_pool": True, "units": None}
    image_encoder = {"name": "efficientnet_lite0"}
    if "efficientnet_lite0" not in arguments.pretrained:
        weights = _retrieval.imagenet_weights(arguments)
        image_encoder = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights}
    image_encoder |= {"global_pool": True, "flip_tta": True, "image_sizes": image_sizes, "units": None}
    settings = {"text_encoder": text_encoder, "image_encoder": image_encoder, "units": 512, "dropout": 0.5}
    config = {"epochs": arguments.epochs or 20, "batch_size": 512, "learning_rate": 2e-3}
    if arguments.pretrained:
        settings |= {"hidden_units": 1024}
        config |= {"epochs": arguments.epochs or 12, "learning_rate": 1e-3}
    config = kf.training.TrainingConfig(**config, image_major=False, seed=arguments.seed)
folder = {"overwrite": not arguments.resume, "resume": arguments.resume}
runs = {}
for name in arguments.losses or (["info_nce"] if arguments.quick else LOSSES):
    path = arguments.output_dir / name.replace(", ", "_").replace(" ", "_")
    runs[name] = kf.train(data, model, path, config, loss=LOSSES[name], **folder, **settings)
    print(runs[name].metrics["tasks"]["match"]["verdict"])

# %% [markdown]
# ## 4. Compare the losses
#
# R@K is the fraction of queries with a correct answer among the first K results. Compare it with chance: R@10 of
# twenty images is one half without any training. `figures/retrieval.png` of each run shows the results of the same
# queries.

# %%
for name, run in runs.items():
    match = run.metrics["tasks"]["match"]
    for direction, scores in match["directions"].items():
        chance = match["chance"][direction]["recall"]
        recall = "  ".join(f"R@{k} {value:6.1%} (chance {chance[k]:6.1%})" for k, value in scores["recall"].items())
        print(f"{name:20} {direction}: {recall}  median rank {scores['median_rank']:g}")
    print(f"{name:20} {run.path / 'figures' / 'retrieval.png'}")
first = next(iter(runs.values()))

# %% [markdown]
# ## 5. Serve a search
#
# The embeddings of the test images become part of the SavedModel: it takes a sentence and returns names of images. On
# the command line, with a folder of images:
#
#     kerasfusion index RUN images/ saved_models/search
#
# The signature `zero_shot` classifies an image: it returns the probability of each of the labels in the request.

# %%
version, _ = kf.export_search_index(
    first, _retrieval.gallery(data, arguments), arguments.output_dir / "saved_model", k=5, allow_external_paths=True
)
report = kf.verify(version)
print(report)
raw = data.splits["test"].take(np.arange(1)).raw_inputs()
query = raw["text"][0].decode()
labels = ["a red circle", "a blue square"] if arguments.quick else ["a photo of a dog", "a photo of people"]
labels.append(query)
with CApiSession(version) as session:
    found = session.run("search", {"text": raw["text"]})
    answer = session.run(
        "zero_shot", {"image_bytes": raw["image_bytes"], "labels": [[label.encode() for label in labels]]}
    )
print(f"\nResults for {query!r}:")
for name, score in zip(found["ids"][0], found["scores"][0], strict=True):
    print(f"  {score:.3f}  {Path(name.decode()).name}")
print("zero_shot:", {label: f"{p:.1%}" for label, p in zip(labels, answer["probabilities"][0], strict=True)})

# %% [markdown]
# ## 6. Rerank the first ten results
#
# A dual encoder encodes text and image independently, so no word can attend to an image region. A fused model can,
# but it has to process every pair, so it only reranks the ten best results of the dual encoder (`--rerank`). It
# starts from the dual encoder's weights (`init_from`) and learns from its mistakes: `mine_hard_negatives` adds three
# negatives to each positive, some of them similar to the positive according to the dual encoder, the others random.
# The task is binary classification. Always answering "no" is right for almost three of four pairs, so look at the
# accuracy on each kind of pair.
#
# Reranking may also make the results worse: the fused model saw three negatives per positive, the dual encoder a
# whole batch. Then use the dual encoder alone, which is also cheaper.

# %%
fused = reranked = None
if arguments.rerank:
    # With hard negatives alone, a model that has seen few images learns nothing for many epochs.
    random_fraction = 0.75 if arguments.quick else 0.5
    pairs = kf.workflows.mine_hard_negatives(data, first, random_fraction=random_fraction, seed=arguments.seed)
    print("\n" + pairs.notes[-1])
    if arguments.quick:
        changes, config = _retrieval.small_reranker(arguments.seed)
    else:
        # FiLM needs the grid of features instead of its mean. MobileNetV2 stays frozen and its features cached.
        grid = {"global_pool": False, "image_sizes": image_sizes[:1], "units": 128}
        changes = {"image_encoder": {**image_encoder, **grid}, "units": 256, "dropout": 0.3}
        changes |= {"fusion": {"name": "film", "filters": 64, "kernel_size": 1}}
        config = kf.training.TrainingConfig(epochs=6, batch_size=256, learning_rate=1e-3, seed=arguments.seed)
    folder |= {"init_from": first.path, "baselines": not arguments.quick}
    fused = kf.train(
        pairs, "classifier_film", arguments.output_dir / "pairs", config, **folder, **{**settings, **changes}
    )
    print(fused.metrics["tasks"]["label"]["verdict"])
    for kind, score in fused.metrics["tasks"]["label"]["by_kind"]["classifier_film"].items():
        print(f"  {kind:14} {score['value']:6.1%} of {score['n']:,} pairs")
    reranked = kf.evaluation.rerank(first.model, fused.model, data.splits["test"], k=10)
    print(f"After reranking the first 10:\n{reranked}")

if arguments.results:
    experiment = f"05_contrastive_retrieval, {' and '.join(runs)}, seed {arguments.seed}"
    experiment += "".join(f", {encoder}" for encoder in arguments.pretrained)
    names = {", ".join([name, *arguments.pretrained]): run for name, run in runs.items()}
    rows, command = _retrieval.result_rows(names, fused, reranked), _retrieval.command(arguments)
    _common.record(arguments.results, rows, experiment, command, arguments.seed)

# %% [markdown]
# ## Try it yourself
#
# Train with `batch_size=64`: which loss suffers most from the easier negatives? Search your own photos with
# `kerasfusion index`. Write labels of your own for `zero_shot`.

# %%
_common.finish(report.ok)
