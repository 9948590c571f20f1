# %% [markdown]
"""# Faces with text: are two images of one person?

- Article: 000, section 3.4
- What you will learn: metric learning by person, equal error rates with intervals, and when a text is a gain
- Time: about ten minutes on one core (`--quick`: a minute)
- Data: DATA/lfw_faces, and faces that the script draws

```shell
python experiments/23_faces.py --data-dir DATA
python experiments/23_faces.py --quick
```

Verification asks whether two images are of one person. A model embeds each image, the cosine of two embeddings is the
score, and a threshold decides. The people of the test are never seen in training.

The article adds text to the image. The first part takes photographs, whose only text is a word for the emotion. The
second draws faces of made-up people, "an elderly man with glasses", so that what the text is worth can be computed
beforehand, and compared with what a model makes of it.

**Privacy.** lfw_faces shows real people. No image of them is copied or appears in a figure, and the weights trained
on them, which stay in the output folder so that the script can resume, are not to be passed on. What is exported is
the model of the drawn faces. Its signature `embed` gives a vector, which is all that a service has to keep; but the
vector of a face is personal data like the image, since it finds its person again.
"""

# %%
from pathlib import Path

import _common
import keras
import numpy as np
from _faces import (
    HIDDEN,
    LOSSES,
    WHOLE,
    cosines,
    draw_like_lfw,
    draw_pairs,
    draw_people,
    eigenfaces,
    embedder,
    embedding_model,
    pixels_of,
    rate_with_filter,
    read_lfw,
    save_faces,
    save_roc,
    train_embedding,
)
from sklearn.linear_model import LogisticRegression

import kerasfusion as kf
from kerasfusion.data.faces_world import share_of_same_description
from kerasfusion.evaluation import predict_classes, score_verification, verification_difference
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "23_faces", seeds=1)
parser.add_argument(
    "--losses", nargs="+", choices=LOSSES, default=["triplet"], help="losses to choose from, on the validation pairs"
)
arguments = _common.parse(parser)
results = _common.Results(arguments, "23_faces", ["seeds", "on"], "faces.csv")
EPOCHS = 2 if arguments.quick else 8
folder = arguments.output_dir / ("quick" if arguments.quick else "full")

# %% [markdown]
# ## 1. Photographs: people, images, pairs
#
# 864 people in three splits, none of whom is in two. The pairs are made at random, half of them of one person; they
# are not those of the published protocol, so the figures cannot be compared with published ones.

# %%
if arguments.quick:
    table, pairs = draw_like_lfw()
    image_dir = None
elif arguments.data_dir:
    image_dir = Path(arguments.data_dir) / "lfw_faces"
    table, pairs = read_lfw(image_dir)
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds lfw_faces, or try --quick")
people, emotions = table["person"].to_numpy(), table["emotion"].to_numpy()
photographs = kf.data.load(
    table[["image", "emotion", "person", "split"]],
    image="image",
    text=[],  # or the column of names would be found and taken
    label="emotion",
    problem_type="multiclass",
    split="split",
    image_dir=image_dir,
    image_size=32,
)
train = photographs.splits["train"]
split_pairs, split_rows = {}, {}
for split in ("validation", arguments.on):
    own, rows = pairs[pairs["split"] == split], np.flatnonzero(table["split"] == split)
    assert (photographs.splits[split].frame["person"].to_numpy() == people[rows]).all()
    places = np.searchsorted(rows, own[["first", "second"]].to_numpy())
    split_pairs[split], split_rows[split] = (places, own["same"].to_numpy()), rows
print(f"{len(train):,} images to learn from; {len(split_pairs[arguments.on][1])} pairs to answer")

# %% [markdown]
# ## 2. Metric learning, and what it has to beat
#
# Each batch has three images each of 20 people, and the triplet loss with semi-hard negatives is computed on the
# cosines of all of its pairs. `--losses triplet margin info_nce` also trains with two others of the library and takes
# the one that is best on the validation pairs, which also decide how many eigenfaces there are. The head learns the
# emotion. Baselines are the cosines of the pixels and of the eigenfaces.

# %%


def scores_of(vectors):
    """The cosines of the validation and of the test pairs."""
    return {split: cosines(vectors[split], split_pairs[split][0]) for split in split_pairs}


def validation_rate(scores):
    return score_verification(scores["validation"], split_pairs["validation"][1]).eer


splits = {split: photographs.splits[split] for split in split_pairs}
pixels = {split: pixels_of(examples) for split, examples in splits.items()}
found = {"pixels": scores_of({split: values.reshape(len(values), -1) / 255 for split, values in pixels.items()})}
by_count = {}
for count in (25, 50, 100, 200):
    vectors = eigenfaces(pixels_of(train), list(pixels.values()), count)
    by_count[count] = scores_of(dict(zip(pixels, vectors, strict=True)))
count = min(by_count, key=lambda count: validation_rate(by_count[count]))
found["eigenfaces"] = by_count[count]
print(f"{count} eigenfaces")

by_loss, models = {}, {}
for loss in arguments.losses:
    keras.utils.set_random_seed(0)
    models[loss] = embedding_model(photographs.schema)
    path = folder / f"photographs, {loss}.weights.h5"
    train_embedding(models[loss], train, train.frame["person"].to_numpy(), loss, EPOCHS, path)
    embed = embedder(models[loss])
    by_loss[loss] = scores_of({split: embed(examples) for split, examples in splits.items()})
    results.add(f"lfw, validation: {loss}", "EER", validation_rate(by_loss[loss]), len(split_pairs["validation"][1]))
loss = min(by_loss, key=lambda loss: validation_rate(by_loss[loss]))
found["metric learning"] = by_loss[loss]
print(f"the loss with the lowest rate on the validation pairs: {loss}")

# %% [markdown]
# ## 3. A word for the emotion
#
# Every photograph has a word, such as "happiness". A logistic regression, learned on the validation pairs, joins the
# cosine with whether the words are the same. The control takes the words of other photographs: it adds nothing, by
# construction.

# %%
shuffled = emotions.copy()
for split in split_pairs:
    rows = split_rows[split]
    shuffled[rows] = np.random.default_rng(0).permutation(shuffled[rows])


def same_words(words):
    of_pairs = {split: words[split_rows[split]][places] for split, (places, _) in split_pairs.items()}
    return {split: (both[:, 0] == both[:, 1]).astype(float) for split, both in of_pairs.items()}


def joined(first, second, same):
    """Scores of a logistic regression on two scores, learned on the validation pairs."""
    features = {split: np.stack([first[split], second[split]], axis=1) for split in first}
    model = LogisticRegression().fit(features["validation"], same["validation"])
    return {split: model.decision_function(values) for split, values in features.items()}


same = {split: known for split, (_, known) in split_pairs.items()}
found["word"] = same_words(emotions)
found["image + word"] = joined(found["metric learning"], found["word"], same)
found["image + shuffled word"] = joined(found["metric learning"], same_words(shuffled), same)

# %% [markdown]
# ## 4. Results on photographs
#
# The equal error rate, and its interval from 1,000 bootstrap samples of the *people*: pairs that share a person are
# not independent. A gain is one only if the interval of the paired difference lies above 0. Errors at the threshold
# that was chosen on the validation pairs are added, since nobody can choose it on the test.

# %%


def report(prefix, found, same, who, comparisons):
    """Record rates, errors at the validation threshold and paired differences; return the curves of the test."""
    curves, test = {}, arguments.on
    for name, scores in found.items():
        curves[name] = curve = score_verification(scores[test], same[test], who)
        threshold = score_verification(scores["validation"], same["validation"]).threshold
        accepted = scores[test] >= threshold
        row = {"model": f"{prefix}: {name}", "n": curve.n, "seed": 0}
        rows = [
            {**row, "metric": "EER", "value": curve.eer, "low": curve.low, "high": curve.high},
            {**row, "metric": "AUC", "value": curve.auc},
            {**row, "metric": "false accepts", "value": float(accepted[~same[test]].mean())},
            {**row, "metric": "false rejects", "value": float((~accepted)[same[test]].mean())},
        ]
        results.rows += rows
        print(f"  {name:34} {curve}; at the validation threshold {rows[2]['value']:.1%} and {rows[3]['value']:.1%}")
    for name, other in comparisons:
        gain = verification_difference(found[name][test], found[other][test], same[test], who)
        print(f"  {name} against {other}: {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}]: {gain.verdict}")
        row = {"model": f"{prefix}: {name} against {other}", "n": len(same[test]), "seed": 0}
        results.rows += [
            {**row, "metric": "gain", "value": gain.value, "low": gain.low, "high": gain.high},
            {**row, "metric": "p", "value": gain.p},
        ]
    return curves


who = people[split_rows[arguments.on]][split_pairs[arguments.on][0]]
comparisons = [
    ("metric learning", "eigenfaces"),
    ("metric learning", "pixels"),
    ("image + word", "metric learning"),
    ("image + shuffled word", "metric learning"),
]
panels = {"photographs": report("lfw", found, same, who, comparisons)}

test = splits[arguments.on]
logits = kf.evaluation.predict_logits(models[loss], test)
answers = kf.evaluation.postprocess(models[loss], logits)["label"]
majority = np.bincount(train.labels["label"]).argmax()
for name, answer in (
    ("emotion: head", predict_classes(photographs.schema["label"], answers)),
    ("emotion: majority", np.full(len(test), majority)),
):
    results.add(f"lfw, {name}", "accuracy", float((answer == test.labels["label"]).mean()), len(test))

# %% [markdown]
# ## 5. Drawn faces with a description
#
# People of the faces world have a face of their own (its width, the distance of the eyes, nose, mouth, colors), an
# age, and perhaps glasses or a beard. Light, pose, expression and hat differ from image to image. Half of the images
# hide half of the face: of two such images, one may show the eyes and the other one the mouth.
#
# The description says age, sex, glasses and beard, which stay, and then the expression and the hat, which do not. Two
# people have the same description with a probability q, so text alone has an equal error rate of q / (1 + q).

# %%
sizes = {"train": 200, "validation": 60, "test": 120}
if arguments.quick:
    sizes = {"train": 40, "validation": 12, "test": 16}
table = draw_people(sizes)
save_faces(arguments.output_dir / "faces.png", table)
q = share_of_same_description()
print(f"q = {q:.3f}: text alone must reach {q / (1 + q):.1%}")
print(table[["text", "shown"]].head(4).to_string(index=False))

BOTH, IMAGE, TEXT, CONTROL = "image + text", "image alone", "text alone", "image + shuffled text"
COLUMNS = {
    IMAGE: {"image": "image", "text": []},
    TEXT: {"image": [], "text": "text"},
    BOTH: {"image": "image", "text": "text"},
    CONTROL: {"image": "image", "text": "shuffled"},
}
kept, embeddings = {}, {}
for name, columns in COLUMNS.items():
    data = kf.data.load(table, **columns, label="hair", problem_type="multiclass", split="split", image_size=48)
    print(f"{name}: a model of {', '.join(feature.name for feature in data.schema.features)}")
    keras.utils.set_random_seed(0)
    model, rows = embedding_model(data.schema), data.splits["train"]
    without = {"text": 0.2, "image": 0.1} if name == BOTH else None
    path = folder / f"{name}, {loss}.weights.h5"
    train_embedding(model, rows, rows.frame["person"].to_numpy(), loss, EPOCHS, path, without=without)
    embed = embedder(model)
    for split in ("validation", arguments.on):
        examples = data.splits[split]
        embeddings.setdefault(name, {})[split] = embed(examples)
        if name == BOTH:
            for feature in ("text", "image"):
                removed = embed(examples.without(feature))
                embeddings.setdefault(f"{BOTH}, {feature} removed", {})[split] = removed
    kept[name] = model, data

# %% [markdown]
# ## 6. What the text adds
#
# A rule needs no training: pairs whose texts differ in age, sex, glasses or beard are rejected, and all others have
# the score of the image alone. If what the text says were independent of what the image shows, the rate of that rule
# would follow from the ROC curve of the image alone and q: that is the row "computed". Where the image shows glasses
# and beard too, the text adds less.
#
# Pairs whose descriptions agree are a test of their own, in which the text has nothing to say.

# %%
RULE = "rule: descriptions must agree"
model, data = kept[BOTH]
found, same, who, texts = {}, {}, {}, {}
for shown in (WHOLE, HIDDEN):
    for split in ("validation", arguments.on):
        frame = data.splits[split].frame
        rows = np.flatnonzero(frame["shown"] == shown)
        own, known = draw_pairs(frame["person"].to_numpy()[rows], np.random.default_rng(0))
        own = rows[own]
        said = frame["text"].str.split(",").str[0].to_numpy()[own]
        scores = {name: cosines(vectors[split], own) for name, vectors in embeddings.items()}
        scores["pixels"] = cosines(pixels_of(data.splits[split]).reshape(len(frame), -1) / 255, own)
        scores[RULE] = np.where(said[:, 0] == said[:, 1], scores[IMAGE], -1.0 + 1e-3 * scores[IMAGE])
        for name, values in scores.items():
            found.setdefault(shown, {}).setdefault(name, {})[split] = values
        same.setdefault(shown, {})[split], texts.setdefault(shown, {})[split] = known, said[:, 0] == said[:, 1]
        who.setdefault(shown, {})[split] = frame["person"].to_numpy()[own]

comparisons = [(IMAGE, "pixels"), (BOTH, IMAGE), (BOTH, TEXT), (BOTH, RULE), (CONTROL, IMAGE)]
for shown in (WHOLE, HIDDEN):
    print(f"\n{shown}:")
    panels[f"drawn, {shown}"] = report(shown, found[shown], same[shown], who[shown][arguments.on], comparisons)
    passed = float(texts[shown][arguments.on][~same[shown][arguments.on]].mean())
    n = len(same[shown][arguments.on])
    results.add(f"{shown}: descriptions that agree by chance", "share of different pairs", passed, n)
    results.add(f"{shown}: text alone, computed", "EER", q / (1 + q), n)
    curve = panels[f"drawn, {shown}"][IMAGE]
    results.add(f"{shown}: image and text, computed", "EER", rate_with_filter(curve, passed), n)
    # Pairs whose descriptions agree.
    alike = {split: texts[shown][split] for split in texts[shown]}
    part = {name: {split: s[alike[split]] for split, s in own.items()} for name, own in found[shown].items()}
    known = {split: same[shown][split][alike[split]] for split in alike}
    print("pairs whose descriptions agree:")
    both = {name: part[name] for name in (IMAGE, TEXT, BOTH)}
    report(
        f"{shown}, descriptions agree", both, known, who[shown][arguments.on][alike[arguments.on]], [(BOTH, IMAGE)]
    )

for name in (IMAGE, TEXT, BOTH):
    model, data = kept[name]
    test = data.splits[arguments.on]
    answers = kf.evaluation.postprocess(model, kf.evaluation.predict_logits(model, test))["label"]
    right = predict_classes(data.schema["label"], answers) == test.labels["label"]
    results.add(f"hair: {name}", "accuracy", float(right.mean()), len(test))

# %% [markdown]
# `roc.png` shows both errors of each model, `faces.png` six people of the faces world.

# %%
drawn = (IMAGE, TEXT, BOTH, CONTROL, RULE)
shown = {
    title: {n: c for n, c in own.items() if title == "photographs" or n in drawn} for title, own in panels.items()
}
save_roc(arguments.output_dir / "roc.png", shown)

# %% [markdown]
# ## 7. Serve it
#
# `embed` takes an encoded image and a text and gives the embedding; the service keeps the vector and forgets the
# image. `serving_default` names the color of the hair. Where an image is missing or cannot be read, `image_ok` is
# false, and the embedding is that of the text.

# %%
model, data = kept[BOTH]
test = data.splits[arguments.on]
raw = test.take(np.arange(6)).raw_inputs()
run = kf.workflows.save_run(model, data.schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
checked = kf.verify(version)
print(checked)
other = test.take(np.array([6])).raw_inputs()
sent = {
    "the first image": (raw["image_bytes"][0], raw["text"][0]),
    "same person, another image": (raw["image_bytes"][2], raw["text"][2]),
    "same person, half hidden": (raw["image_bytes"][1], raw["text"][1]),
    "same person, no text": (raw["image_bytes"][2], b""),
    "same person, no image": (b"", raw["text"][2]),
    "same person, corrupt image": (b"not an image", raw["text"][2]),
    "someone else": (other["image_bytes"][0], other["text"][0]),
}
images, texts = zip(*sent.values(), strict=True)
with CApiSession(version) as session:
    answers = session.run("embed", {"image_bytes": list(images), "text": list(texts)})
similar = answers["embedding"] @ answers["embedding"][0]
for name, value, ok in zip(sent, similar, answers["image_ok"], strict=True):
    print(f"  {name:30} cosine with the first {value:+.2f} (image read: {bool(ok)})")

# %% [markdown]
# ## Try it yourself
#
# Let the texts leave out the age: what is q then, and what does the rule reach? Hide a smaller part of the face: from
# where on does the text add nothing that can be shown with these pairs?

# %%
results.record("23_faces", 0)
_common.finish(checked.ok)
