# %% [markdown]
"""# A multimodal autoencoder

- Article: 001, section 3
- What you will learn: one code for image and sentence: reconstruct, fill in, denoise, sample
- Time: some minutes on one core (`--quick`: a minute)
- Data: drawn shapes

```shell
python experiments/13_autoencoder.py            # some minutes on one core
python experiments/13_autoencoder.py --quick    # to see it run
```

The article says of autoencoders that they learn representations of few numbers, of texts and of images, and that
this helps to annotate images. Its only code (section 4) is none:

| the article                                | what happens                              | here                      |
|--------------------------------------------|-------------------------------------------|---------------------------|
| a chain of layers from images to classes | nothing is encoded to be decoded again,   | `kf.models.autoencoder`   |
|                                            | and there is no text                      |                           |
| softmax, and a loss with                   | softmax is taken twice, and the gradient  | heads give logits and own |
| `from_logits=True`                         | of what is surely right or wrong is lost  | the loss that fits them   |
| codes "for text and images"                | two codes that know nothing of each other | one code, from either or  |
|                                            | fill nothing in                           | both                      |
| "improves the annotation of images"        | against what?                             | PCA, the mean image,    |
|                                            |                                           | ridge, the commonest words|
"""

# %%
import dataclasses

import _common
import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors

import kerasfusion as kf
from kerasfusion.data.shapes_world import Scene, draw_scene, encode_png, placed, sample_object
from kerasfusion.evaluation import postprocess, predict_logits
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "13_autoencoder", drawn=True)
parser.add_argument("--seeds", type=int, default=3, help="of the weights, the order and what is left out")
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--code", type=int, default=16, help="numbers in the code")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the split that is scored")
arguments = _common.parse(parser)
seeds = range(1 if arguments.quick else arguments.seeds)
sizes = {"train": 400, "validation": 64, "test": 64} if arguments.quick else {"train": 6000, "validation": 500}
sizes.setdefault("test", 1000)

# %% [markdown]
# ## 1. Images and sentences
#
# One shape on a light ground, and "a small red circle at the top left". The sentence does not say all: exactly where
# in its quarter the shape lies, and how light the ground is, only the image knows.


# %%
def drawn(sizes, seed):
    """A table of images, 64 pixels wide, and sentences."""
    rng, rows = np.random.default_rng(seed), []
    for split, size in sizes.items():
        for _ in range(size):
            item = sample_object(rng)
            encoded = encode_png(draw_scene(Scene((item,)), rng))
            rows.append({"image": encoded, "text": placed(item), "split": split})
    return pd.DataFrame(rows)


# What is learned are the features themselves: a schema without tasks.
data = kf.data.load(
    drawn(sizes, seed=0), image="image", text="text", split="split", problem_type="retrieval", image_size=32
)
schema = kf.Schema(data.schema.features, tasks=())
splits = {name: examples.with_features(schema) for name, examples in data.splits.items()}
train, validation, test = splits["train"], splits["validation"], splits[arguments.on]
vocabulary = schema["text"].vocabulary
print(test.frame["text"].head(3).to_string(index=False))


def pixels_of(examples):
    """Brightness, float32 `(n, 32, 32, 3)` in 0..1."""
    return np.asarray(examples.banks["image"].fetch(examples.images["image"])[0], "float32") / 255


def words_of(examples):
    """Which words each sentence has: 0 or 1, `(n, V)`."""
    ids = examples.text["text"]
    return np.stack([(ids == 4 + place).any(axis=1) for place in range(len(vocabulary))], axis=1).astype("float32")


images = {name: pixels_of(examples) for name, examples in (("train", train), ("test", test))}
words = {name: words_of(examples) for name, examples in (("train", train), ("test", test))}
rows = []


def add(model, metric, values):
    """A figure over the seeds, printed and kept for the results."""
    values = [float(value) for value in np.atleast_1d(values)]
    spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    print(f"  {model:40} {metric:34} {np.mean(values):.5f}{spread}")
    rows.extend(
        {"model": model, "metric": metric, "value": value, "n": len(test), "seed": seed}
        for seed, value in enumerate(values)
    )


def squared_error(found, true=images["test"]):
    return np.mean((np.reshape(found, true.shape) - true) ** 2)


# %% [markdown]
# ## 2. The network
#
# A small CNN and a mean of words, concatenated, and then the code: 16 numbers for 3,072 pixels and the sentence.
# Behind the code, transposed convolutions draw the image and a dense layer says which words there are. In training,
# a third of the rows loses its image and a third its sentence, but has to give back both.
#
# - *Plain*: that.
# - *Denoising*: pixels are noisy and words unknown on the way in.
# - *Variational*: the code is drawn from a normal distribution around its mean, and kept near the standard one.

# %%
KINDS = {"plain": {}, "denoising": {"noise_stddev": 0.2}, "variational": {"kl_weight": 0.01}}
CNN = {"name": "small_cnn", "filters": (8, 16, 32), "flatten": True}


def learned(kind, seed):
    """An autoencoder of one of `KINDS`."""
    keras.utils.set_random_seed(seed)
    model = kf.models.autoencoder(
        schema, "average", CNN, latent_dim=arguments.code, filters=(64, 32, 16), name=f"code_{kind}", **KINDS[kind]
    )
    epochs = 1 if arguments.quick else arguments.epochs
    # At a third of this rate all shapes stay of one color for long: color is little of the error.
    config = kf.training.TrainingConfig(
        epochs=epochs, learning_rate=6e-3, modality_dropout=2 / 3, patience=None, seed=seed
    )
    found = kf.training.fit(model, train, validation, config, arguments.output_dir / f"{kind}_{seed}", verbose=0)
    print(f"{kind}, seed {seed}: {found['seconds']:.0f} s")
    return model


def without(examples, name):
    """The rows as if they had never had their image, or their sentence."""
    if name == "image":
        return dataclasses.replace(examples, images={"image": np.full(len(examples), -1, "int32")})
    return dataclasses.replace(examples, text={"text": np.zeros_like(examples.text["text"])})


def filled(model, examples):
    """What comes out: pixels `(n, 32, 32, 3)` and words, true or false, `(n, V)`."""
    found = postprocess(model, predict_logits(model, examples))
    return found["image"]["pixels"], found["text"]["probabilities"] > 0.5


models = {kind: [learned(kind, seed) for seed in seeds] for kind in KINDS}

# %% [markdown]
# ## 3. In and out again
#
# PCA is the best linear code of so many numbers. It describes a shape at a place by adding whole images; the
# network may say where, how large and of what color.

# %%
GIVEN = {"both": test, "the image": without(test, "text"), "the sentence": without(test, "image")}
back = {kind: [{g: filled(m, rows) for g, rows in GIVEN.items()} for m in found] for kind, found in models.items()}
flat = images["train"].reshape(len(train), -1)
pca = PCA(arguments.code, random_state=0).fit(flat)
linear = pca.inverse_transform(pca.transform(images["test"].reshape(len(test), -1)))
print("\nThe image given back:")
for kind, found in back.items():
    for given in ("both", "the image"):
        add(f"{kind}, from {given}", "squared error of the image", [squared_error(f[given][0]) for f in found])
add(f"PCA, {arguments.code} numbers", "squared error of the image", squared_error(linear))

# %% [markdown]
# ## 4. Filled in
#
# The image from the sentence alone: blurred over all places that the sentence allows, for that has the least
# squared error. Ridge regression, from which words there are to pixels, adds an image for each word: it cannot draw
# red here and blue there. The words from the image alone: against always saying those that most sentences have.

# %%
ridge = Ridge(alpha=1.0).fit(words["train"], flat)
said = ridge.predict(words["test"])
print("\nThe image from the sentence alone:")
for kind, found in back.items():
    errors = [squared_error(f["the sentence"][0]) for f in found]
    add(f"{kind}, from the sentence", "squared error of the image", errors)
add("ridge regression, from the words", "squared error of the image", squared_error(said))
mean = np.broadcast_to(images["train"].mean(axis=0), images["test"].shape)
add("the mean image", "squared error of the image", squared_error(mean))


def f1(found):
    return f1_score(words["test"], found, average="macro", zero_division=0)


print("\nThe words from the image alone:")
for kind, found in back.items():
    add(f"{kind}, from the image", "f1 of the words", [f1(f["the image"][1]) for f in found])
common = words["train"].mean(axis=0) > 0.5
add("the commonest words", "f1 of the words", f1(np.broadcast_to(common, words["test"].shape)))

# %% [markdown]
# ## 5. Out of noise
#
# Images with normal noise of a fifth of the whole range. What learned from such images takes the noise away; PCA
# does too, as far as noise lies outside of its 16 directions.

# %%
noisy = np.clip(images["test"] + np.random.default_rng(0).normal(0, 0.2, images["test"].shape), 0, 1)
print("\nThe clean image from a noisy one alone:")
for kind in ("plain", "denoising"):
    errors = []
    for model in models[kind]:
        batch = {"image": (255 * noisy).astype("uint8"), "image_present": np.ones(len(test), bool)}
        batch |= {"text": np.zeros_like(test.text["text"]), "text_present": np.zeros(len(test), bool)}
        errors.append(squared_error(keras.ops.sigmoid(model.predict(batch, verbose=0)["image"])))
    add(f"{kind}, from a noisy image", "squared error of the image", errors)
linear_clean = pca.inverse_transform(pca.transform(noisy.reshape(len(test), -1)))
add("PCA, from a noisy image", "squared error of the image", squared_error(linear_clean))
add("the noisy image itself", "squared error of the image", squared_error(noisy))

# %% [markdown]
# ## 6. Codes that nobody encoded
#
# A code drawn by chance is decoded, and held against the most alike of the training images. For each kind codes are
# drawn from the normal distribution with the mean and the deviation of its own codes; between the codes of a plain
# autoencoder there may be nothing.

# %%
nearest = NearestNeighbors(n_neighbors=1).fit(flat)


def decoder_of(model):
    """The part behind the code: `(n, code)` to pixels."""
    return lambda code: np.asarray(keras.ops.sigmoid(model.decode(code)["image"]))


def codes_of(model, examples):
    return kf.transfer.extract_features(model, "code", examples)


print("\nImages of codes drawn by chance:")
invented = {}
for kind in ("plain", "variational"):
    distances = []
    for seed, model in enumerate(models[kind]):
        codes = codes_of(model, train)
        own = codes.mean(axis=0), codes.std(axis=0)
        chance = np.random.default_rng(seed).normal(*own, (len(test), arguments.code))
        invented[kind] = decoder_of(model)(chance.astype("float32"))
        found, _ = nearest.kneighbors(invented[kind].reshape(len(test), -1))
        distances.append(np.mean(found**2) / flat.shape[1])
    add(kind, "squared distance to a real image", distances)
found, _ = nearest.kneighbors(images["test"].reshape(len(test), -1))
add("real images", "squared distance to a real image", np.mean(found**2) / flat.shape[1])

# %% [markdown]
# ## 7. What was found, in images


# %%
def sheet(columns, path):
    """Titles and images `(n, 32, 32, 3)`, one column each."""
    figure = Figure(figsize=(1.15 * len(columns), 6.6), layout="constrained")
    for place, (title, shown) in enumerate(columns.items(), start=1):
        axes = figure.add_subplot(1, len(columns), place)
        axes.imshow(np.concatenate(list(np.reshape(shown, (-1, 32, 32, 3))[:6])).clip(0, 1))
        axes.set_title(title, fontsize=7)
        axes.axis("off")
    figure.savefig(path, dpi=120)


first = back["plain"][0]
columns = {"image": images["test"], "from both": first["both"][0], "from the\nimage": first["the image"][0]}
columns |= {"PCA": linear, "from the\nsentence": first["the sentence"][0], "ridge": said}
sheet(columns, arguments.output_dir / "filled_in.png")
codes = codes_of(models["variational"][0], test)[:12]
columns = {
    f"{share:.0%}": decoder_of(models["variational"][0])((1 - share) * codes[::2] + share * codes[1::2])
    for share in np.linspace(0, 1, 5)
}
columns |= {f"drawn,\n{kind}": shown for kind, shown in invented.items()}
sheet(columns, arguments.output_dir / "codes.png")
print(f"\nImages: {arguments.output_dir}/filled_in.png, codes.png (interpolated and random codes)")

# %% [markdown]
# ## 8. A SavedModel
#
# It takes an image, a sentence or both, and gives back both: a PNG and words. `encode` gives the code.

# %%
model = models["plain"][0]
raw = {
    "image_bytes": [test.banks["image"].encoded(place) for place in test.images["image"][:4]],
    "text": [sentence.encode() for sentence in test.raw(schema["text"])[:4]],
}
version = kf.serving.export_model(model, schema, arguments.output_dir / "saved_model", raw)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    answer = session.run(
        "serving_default", {"image_bytes": [raw["image_bytes"][0], b""], "text": [b"", raw["text"][1]]}
    )
    code = session.run("encode", {"image_bytes": [b""], "text": [b"a large blue cross at the bottom right"]})["code"]
print(f"{raw['text'][0].decode()!r} was seen and put into the words {answer['text'][0].decode()!r}")
(arguments.output_dir / "from_words.png").write_bytes(answer["image_bytes"][1])
print(f"{raw['text'][1].decode()!r} was read and drawn: {arguments.output_dir}/from_words.png")
print("The code of 'a large blue cross at the bottom right':", np.round(code[0], 1))

if arguments.results:
    command = f"python experiments/13_autoencoder.py --seeds {arguments.seeds} --epochs {arguments.epochs}"
    command += f" --code {arguments.code} --on {arguments.on}" + " --quick" * arguments.quick
    command += " --results experiments/results/autoencoder.csv"
    for seed in seeds:
        own = [row for row in rows if row["seed"] == seed]
        _common.record(arguments.results, own, f"13_autoencoder, {seed}", command, seed)

# %% [markdown]
# ## What to change
#
# A code of 4 numbers: which of color, shape and place goes first? `kl_weight=0.1`? Two shapes in one image?

# %%
_common.finish(report.ok)
