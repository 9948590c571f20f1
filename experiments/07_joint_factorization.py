# %% [markdown]
"""# Text and images by joint matrix factorization

- Article: 000, section 4.1.3
- What you will learn: retrieve across views without a network, against PCA, CCA and a contrastive model
- Time: some minutes (`--quick`: a minute)
- Data: DATA/flickr8k_128 and DATA/mobilenet_v2_035; made-up views with --quick

```shell
python experiments/07_joint_factorization.py --data-dir DATA       # DATA/flickr8k_128, DATA/mobilenet_v2_035
python experiments/07_joint_factorization.py --data-dir DATA --contrastive runs/05_contrastive_retrieval/info_nce
python experiments/07_joint_factorization.py --quick               # made-up views and drawn shapes, a minute
```

Several matrices describe the same things: of each photo the words said about it, and what a network sees in it. A
few numbers for each photo are to explain both. Then either view alone leads to these numbers, and from there to the
other.

What the article prints, and what is done here:

| the article                    | what it means                       | here                                       |
|--------------------------------|-------------------------------------|--------------------------------------------|
| P ≈ U Vᵀ, of users and items   | one matrix: nothing is joint        | X_v ≈ Z W_vᵀ + P_v Q_vᵀ, one Z for all     |
| U ← U × (Pᵀ Vᵀ (VᵀV + λ1 I)⁻¹) | no update at all: 06, section 1     | regularized least squares by turns, or the |
|                                |                                     | closed form                                |
| so the views "can be turned    | the best sum of both explains what  | factors of each view's own, or whitened    |
| into each other"               | varies most, not what they share    | views: section 1                           |
"""

# %%
import tempfile
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from _datasets import draw_captioned, flickr8k_pairs, mobilenet_weights
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import ParameterGrid

import kerasfusion as kf
from kerasfusion.evaluation import embed_images, embed_texts
from kerasfusion.evaluation.retrieval import chance, retrieval, rsum
from kerasfusion.factorization import ConcatenatedPCA, JointMatrixFactorization, RidgeCCA, cross_view_recall

parser = _common.tutorial_parser(__doc__, "07_joint_factorization")
parser.add_argument("--weights", help="weights of MobileNetV2 0.35; DATA/mobilenet_v2_035 if not given")
parser.add_argument("--contrastive", help="a run of 05_contrastive_retrieval, to be scored on the same images")
parser.add_argument("--width", type=int, default=256, help="principal directions kept of each view")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. What the views share, and what varies most
#
# Two made-up views of the same items: 8 factors in common, and 6 of each view's own that are much stronger. The sum
# of squares over both views is best explained by what is strong. Without more, joint factorization is the singular
# value decomposition of the views side by side, finds the strong factors, and from one view tells nothing of the
# other. Two cures: give each view factors of its own, so that the common ones are left for what is common; or whiten
# the views first, so that nothing is strong. Canonical correlations whiten too, but learn from complete items alone;
# in the second column 60 % of the items lack one of the two views.


# %%
def made_up_views(items, seed=0):
    random = np.random.default_rng(seed)
    shared, views = random.normal(size=(items, 8)), {}
    for name, width, strength in (("text", 60, 5.0), ("image", 80, 10.0)):
        own = strength * random.normal(size=(items, 6)) @ random.normal(size=(6, width))
        views[name] = shared @ random.normal(size=(8, width)) + own + 3 * random.normal(size=(items, width))
    return views


def without_some(views, share=0.6, seed=1):
    """The same views, where a share of the items lacks one."""
    random = np.random.default_rng(seed)
    items = len(next(iter(views.values())))
    lacking, which = random.random(items) < share, random.integers(len(views), size=items)
    return {
        name: np.where((lacking & (which == i))[:, None], np.nan, matrix)
        for i, (name, matrix) in enumerate(views.items())
    }


items = 1200 if arguments.quick else 3000
views = made_up_views(items)
train, test = ({name: matrix[part] for name, matrix in views.items()} for part in np.split(range(items), [-500]))
planted = {
    "joint factorization": JointMatrixFactorization(8),
    "joint factorization, private factors": JointMatrixFactorization(8, n_private_components=6, random_state=0),
    "joint factorization, whitened": JointMatrixFactorization(8, whiten=0.01),
    "PCA side by side": ConcatenatedPCA(8),
    "ridge CCA": RidgeCCA(8, ridge=0.01),
}
rows = []
for name, model in planted.items():
    for case, given in {"all views": train, "60 % lack a view": without_some(train)}.items():
        recall = cross_view_recall(model.fit(given), test)
        rows.append({"model": f"made-up views: {name}", "metric": f"R@1, {case}", "value": recall, "n": 500})
print(pd.DataFrame(rows).pivot(index="model", columns="metric", values="value").round(3).to_string(), "\n")

# %% [markdown]
# ## 2. Photos and what is said of them
#
# The table is that of 05_contrastive_retrieval, with the same test images: a row for each caption of a photo.


# %%
scratch = tempfile.TemporaryDirectory()
columns = {"image": "image", "text": "caption", "problem_type": "retrieval"}
weights = arguments.weights
if arguments.quick:
    data = kf.data.load(draw_captioned(Path(scratch.name), 200), **columns)
elif arguments.data_dir:
    table = flickr8k_pairs(Path(arguments.data_dir) / "flickr8k_128")
    data = kf.data.load(table, **columns, split="split", allow_external_paths=True)
    weights = weights or mobilenet_weights(arguments.data_dir)
else:
    parser.error("name the folder that flickr8k_128 is in: --data-dir or KERASFUSION_DATA (or --quick)")
print({name: f"{len(part):,} captions" for name, part in data.splits.items()})

# %% [markdown]
# ## 3. Two views
#
# *Image*: the mean over its grid of what MobileNetV2 sees, computed once for each image. *Text*: words weighed by
# their rarity (TF-IDF). Of both the leading principal directions are kept, learned from training rows alone: matrix
# factorization is linear, and what is beyond them is mostly noise.

# %%
if weights is None:
    print("No weights for MobileNetV2: the images are seen by a network of random weights.")
bank = data.splits["train"].banks["image"]
keras.utils.set_random_seed(0)
encoder = kf.encoders.MobileNetV2Encoder(None, weights=weights, alpha=0.35)
parts = np.split(np.arange(len(bank.keys), dtype="int32"), range(64, len(bank.keys), 64))
seen = np.concatenate([encoder(bank.fetch(part)[0], training=False)["pooled"] for part in parts])
texts = {name: part.raw(data.schema["text"]) for name, part in data.splits.items()}
place = {name: part.images["image"] for name, part in data.splits.items()}
words = TfidfVectorizer(min_df=1 if arguments.quick else 3, sublinear_tf=True).fit(texts["train"])
width = 16 if arguments.quick else arguments.width
narrow_words = TruncatedSVD(width, random_state=0).fit(words.transform(texts["train"]))
narrow_image = PCA(width, svd_solver="randomized", random_state=0).fit(seen[np.unique(place["train"])])
seen = narrow_image.transform(seen).astype("float32")
said = {name: narrow_words.transform(words.transform(part)).astype("float32") for name, part in texts.items()}

# %% [markdown]
# ## 4. Which finds the other?
#
# As in 05: each caption looks for its photo among all photos of the split, each photo for one of its captions, by the
# cosine in the common space. Number of factors, ridge and regularization are chosen on the validation split by rsum,
# the sum of the six recalls in percent. The reconstruction error would choose wrongly: it falls with every factor,
# also with those of one view alone. The test split is read once, by the chosen ones.
#
# Of whitened views, the regularization does more than calm the solution. The singular values of n items are then
# √(n (1 ± ρ)), with ρ a canonical correlation, and all are lowered by λ, those below to nothing: near √n what one
# view says alone (ρ = 0) is gone, and what both say counts the more.


# %%
def score(model, split):
    """Both directions of one split."""
    images, own = np.unique(place[split], return_inverse=True)
    spaces = [model.transform({"image": seen[images]}), model.transform({"text": said[split]})]
    return retrieval(
        *(space / np.maximum(np.linalg.norm(space, axis=1, keepdims=True), 1e-9) for space in spaces), own
    )


views = {"text": said["train"], "image": seen[place["train"]]}
root = float(np.sqrt(len(said["train"])))
joint = JointMatrixFactorization(dtype="float32", random_state=0)
candidates = {
    "PCA side by side": (ConcatenatedPCA(), {"n_components": [64, 128, 256]}),
    "ridge CCA": (RidgeCCA(), {"n_components": [16, 32, 64, 128], "ridge": [0.03, 0.1, 0.3]}),
    "joint factorization": (joint, {"n_components": [64, 128, 256]}),
    "joint factorization, private factors": (
        joint,
        {"n_components": [64, 128], "n_private_components": [8, 32], "max_iter": [10]},
    ),
    "joint factorization, whitened": (
        joint,
        {
            "n_components": [64, 128],
            "whiten": [0.03, 0.1, 0.3],
            "regularization": [1.0, 0.8 * root, root, 1.1 * root],
        },
    ),
}
found = {}
for name, (model, grid) in candidates.items():
    if arguments.quick:
        grid = {**{setting: values[:1] for setting, values in grid.items()}, "n_components": [8]}
    trials = {}
    for settings in ParameterGrid(grid):
        trial = clone(model).set_params(**settings).fit(views)
        trials[rsum(score(trial, "validation"))] = trial, settings
    best, settings = trials[max(trials)]
    found[name] = score(best, "test")
    print(f"{name}: rsum {max(trials):.1f} on the validation split with {settings}", flush=True)
if arguments.contrastive:
    run = kf.load(arguments.contrastive)
    examples, _ = kf.data.load_rows(
        data.splits["test"].frame, run.schema, allow_external_paths=True, with_labels=False
    )
    images, embedded = embed_images(run.model, examples)
    own = np.searchsorted(images, examples.images["image"])
    found[f"contrastive, {run.config['model']}"] = retrieval(embedded, embed_texts(run.model, examples), own)
images, own = np.unique(place["test"], return_inverse=True)
found["chance"] = chance(len(images), len(own), own)

# %% [markdown]
# ## 5. What was found
#
# One table, one test set. All but the contrastive network are linear in what MobileNetV2 and a bag of words see, and
# take seconds. On the made-up views plain joint factorization found nothing; on photos, where much of what varies
# most is what both views tell of, it need not be so. Which cure helps is a question to the validation split.

# %%
print()
for name, directions in found.items():
    for direction, part in directions.items():
        metrics = {f"R@{k}": value for k, value in part.recall.items()}
        print(f"{name:40} {direction}: " + "  ".join(f"{k} {v:6.1%}" for k, v in metrics.items()))
        metrics["median rank"] = part.median_rank
        rows += [
            {"model": name, "metric": f"{metric} {direction}", "value": value, "n": part.queries}
            for metric, value in metrics.items()
        ]
    rows.append({"model": name, "metric": "rsum", "value": rsum(directions)})
    print(f"{name:40} rsum {rsum(directions):.1f}")

figure = Figure(figsize=(9, 4), layout="constrained")
axes = figure.subplots()
for shift, (direction, color) in enumerate(
    zip(("image to text", "text to image"), ("#1f6feb", "#9aa4b2"), strict=True)
):
    recalls = [directions[direction].recall[10] for directions in list(found.values())[::-1]]
    axes.barh(np.arange(len(found)) + 0.2 - 0.4 * shift, recalls, 0.38, color=color, label=direction)
axes.set_yticks(range(len(found)), list(found)[::-1])
axes.set(xlabel=f"R@10 among {len(images)} test images and {len(own)} captions", xlim=(0, 1))
axes.legend(frameon=False)
figure.savefig(arguments.output_dir / "recall.png", dpi=120)
print(f"Image: {arguments.output_dir / 'recall.png'}")

# %% [markdown]
# ## What to change
#
# Take word vectors instead of words (`kf.encoders.load_word_vectors`, the mean over a caption): what is won or lost?

# %%
if arguments.results:
    command = f"python experiments/07_joint_factorization.py --width {arguments.width} --data-dir DATA"
    command += " --contrastive RUN" if arguments.contrastive else ""
    command += " --results experiments/results/joint_factorization.csv"
    _common.record(arguments.results, rows, "07_joint_factorization", command)
