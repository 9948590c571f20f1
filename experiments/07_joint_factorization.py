# %% [markdown]
"""# Image-text retrieval by joint matrix factorization

- Article: 000, section 4.1.3
- What you will learn: retrieve across modalities without a neural network, compared with PCA, CCA and a contrastive
  model
- Time: a few minutes (`--quick`: a minute)
- Data: DATA/flickr8k_128 and DATA/mobilenet_v2_035; `--quick` draws images with captions instead

```shell
python experiments/07_joint_factorization.py --data-dir DATA
python experiments/07_joint_factorization.py --data-dir DATA --contrastive runs/05_contrastive_retrieval/info_nce
python experiments/07_joint_factorization.py --quick
```

Several matrices describe the same items: for each photo, the words of its captions and the features of a pretrained
network. Joint factorization explains both matrices with a few factors per item. Either view alone then gives the
factors, and the factors give the other view.

| the article                           | the problem                       | here                                  |
|---------------------------------------|-----------------------------------|---------------------------------------|
| P ≈ U Vᵀ for users and items          | a single matrix: nothing is joint | X_v ≈ Z W_vᵀ + P_v Q_vᵀ with shared Z |
| U ← U × (Pᵀ Vᵀ (VᵀV + λ1 I)⁻¹)        | not a valid update (tutorial 06)  | alternating least squares             |
| "views can be turned into each other" | the best fit explains variance    | private factors, whitened views       |
"""

# %%
import tempfile
from pathlib import Path

import _common
import _views
import keras
import numpy as np
import pandas as pd
from _datasets import draw_captioned, flickr8k_pairs, mobilenet_weights
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import ParameterGrid

import kerasfusion as kf
from kerasfusion.factorization import ConcatenatedPCA, JointMatrixFactorization, RidgeCCA, cross_view_recall

parser = _common.tutorial_parser(__doc__, "07_joint_factorization")
parser.add_argument("--weights", help="weights of MobileNetV2 0.35. Defaults to DATA/mobilenet_v2_035")
parser.add_argument("--contrastive", help="run folder of 05_contrastive_retrieval to score on the same images")
parser.add_argument("--width", type=int, default=256, help="principal components kept of each view")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. Separate shared factors from private ones
#
# We start with two made-up views of the same items. They share 8 factors, and each view has 6 much stronger factors
# of its own. Plain joint factorization equals the singular value decomposition of the concatenated views: it explains
# the strong private factors, and one view says nothing about the other. There are two remedies. Private factors take
# up what belongs to one view, so that the shared factors are free for the rest; whitening gives all directions the
# same variance. Canonical correlation analysis whitens too, but learns only from complete items.
#
# The table shows the share of items that retrieve their own counterpart first. In the second column, 60 % of the
# training items lack one of the two views.

# %%
items = 1200 if arguments.quick else 3000
views = _views.made_up_views(items)
train, test = ({name: matrix[part] for name, matrix in views.items()} for part in np.split(range(items), [-500]))
models = {
    "joint factorization": JointMatrixFactorization(8),
    "joint factorization, private factors": JointMatrixFactorization(8, n_private_components=6, random_state=0),
    "joint factorization, whitened": JointMatrixFactorization(8, whiten=0.01),
    "PCA side by side": ConcatenatedPCA(8),
    "ridge CCA": RidgeCCA(8, ridge=0.01),
}
rows = []
for name, model in models.items():
    for case, training_views in {"all views": train, "60 % lack a view": _views.drop_views(train)}.items():
        recall = cross_view_recall(model.fit(training_views), test)
        rows.append({"model": f"made-up views: {name}", "metric": f"R@1, {case}", "value": recall, "n": 500})
print(pd.DataFrame(rows).pivot(index="model", columns="metric", values="value").round(3).to_string(), "\n")

# %% [markdown]
# ## 2. Load photos and captions
#
# The table has one row per caption, and the same test images as tutorial 05.

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
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds flickr8k_128, or try --quick")
print({name: f"{len(part):,} captions" for name, part in data.splits.items()})

# %% [markdown]
# ## 3. Compute the two views
#
# The *image* view is the pooled output of MobileNetV2, computed once per image. The *text* view is the TF-IDF vector
# of a caption. We keep the leading principal components of each, fitted on training rows only: matrix factorization
# is linear, and the remaining components are mostly noise.

# %%
if weights is None:
    print("No weights for MobileNetV2 were found: the image features come from random weights.")
images = data.splits["train"].banks["image"]
keras.utils.set_random_seed(0)
encoder = kf.encoders.MobileNetV2Encoder(None, weights=weights, alpha=0.35)
batches = np.split(np.arange(len(images.keys), dtype="int32"), range(64, len(images.keys), 64))
pooled = np.concatenate([encoder(images.fetch(batch)[0], training=False)["pooled"] for batch in batches])
captions = {name: part.raw(data.schema["text"]) for name, part in data.splits.items()}
image_of_text = {name: part.arrays["image"] for name, part in data.splits.items()}

width = 16 if arguments.quick else arguments.width
tfidf = TfidfVectorizer(min_df=1 if arguments.quick else 3, sublinear_tf=True).fit(captions["train"])
text_pca = TruncatedSVD(width, random_state=0).fit(tfidf.transform(captions["train"]))
image_pca = PCA(width, svd_solver="randomized", random_state=0).fit(pooled[np.unique(image_of_text["train"])])
image_features = image_pca.transform(pooled).astype("float32")
text_features = {name: text_pca.transform(tfidf.transform(part)).astype("float32") for name, part in captions.items()}

# %% [markdown]
# ## 4. Choose hyperparameters by retrieval
#
# As in tutorial 05, every caption retrieves its photo among all photos of a split, and every photo its captions, by
# cosine similarity in the shared space. The number of factors, the ridge and the regularization are chosen by rsum
# (the sum of the six recalls, in percent) on the validation split. Do not choose by reconstruction error: it
# decreases with every factor, including those of a single view. The test split is evaluated once, with the chosen
# settings.
#
# With whitened views, regularization also selects factors. The singular values of n items are then √(n (1 ± ρ)),
# where ρ is a canonical correlation, and λ is subtracted from all of them. With λ near √n, directions that only one
# view has (ρ = 0) vanish, and directions that both views share dominate.


# %%
def score(model, split):
    return _views.retrieval_scores(model, image_features, text_features[split], image_of_text[split])


views = {"text": text_features["train"], "image": image_features[image_of_text["train"]]}
root = float(np.sqrt(len(text_features["train"])))
joint = JointMatrixFactorization(dtype="float32", random_state=0)
whitened_grid = {"n_components": [64, 128], "whiten": [0.03, 0.1, 0.3]}
whitened_grid["regularization"] = [1.0, 0.8 * root, root, 1.1 * root]
private_grid = {"n_components": [64, 128], "n_private_components": [8, 32], "max_iter": [10]}
candidates = {
    "PCA side by side": (ConcatenatedPCA(), {"n_components": [64, 128, 256]}),
    "ridge CCA": (RidgeCCA(), {"n_components": [16, 32, 64, 128], "ridge": [0.03, 0.1, 0.3]}),
    "joint factorization": (joint, {"n_components": [64, 128, 256]}),
    "joint factorization, private factors": (joint, private_grid),
    "joint factorization, whitened": (joint, whitened_grid),
}
scores = {}
for name, (model, grid) in candidates.items():
    if arguments.quick:
        grid = {**{setting: values[:1] for setting, values in grid.items()}, "n_components": [8]}
    trials = {}
    for settings in ParameterGrid(grid):
        trial = clone(model).set_params(**settings).fit(views)
        trials[_views.rsum(score(trial, "validation"))] = trial, settings
    best, settings = trials[max(trials)]
    scores[name] = score(best, "test")
    print(f"{name}: rsum {max(trials):.1f} on the validation split with {settings}", flush=True)
if arguments.contrastive:
    run = kf.load(arguments.contrastive)
    scores[f"contrastive, {run.config['model']}"] = _views.contrastive_scores(run, data)
scores["chance"] = _views.chance_scores(image_of_text["test"])

# %% [markdown]
# ## 5. Compare on the test split
#
# All models but the contrastive network are linear in the MobileNetV2 features and the bag of words, and train in
# seconds. On the made-up views, plain joint factorization found nothing. On photos it can do better, because much of
# what varies most is described by both views. Which remedy helps more depends on the data: decide on the validation
# split.

# %%
print()
for name, found in scores.items():
    rows += _views.retrieval_rows(name, found)
_views.plot_recall(scores, arguments.output_dir / "recall.png")

# %% [markdown]
# ## Try it yourself
#
# Replace TF-IDF by word vectors (`kf.encoders.load_word_vectors`, averaged over a caption). Does recall improve?

# %%
if arguments.results:
    command = f"python experiments/07_joint_factorization.py --width {arguments.width} --data-dir DATA"
    command += " --contrastive RUN" if arguments.contrastive else ""
    command += " --results experiments/results/joint_factorization.csv"
    _common.record(arguments.results, rows, "07_joint_factorization", command)
