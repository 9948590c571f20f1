# %% [markdown]
"""# A multimodal autoencoder

- Article: 001, section 3
- What you will learn: train one code for an image and its sentence, then reconstruct, impute, denoise and sample
- Time: some minutes on one core (`--quick`: a minute)
- Data: images of one shape each, drawn by the script

```shell
python experiments/13_autoencoder.py            # some minutes on one core
python experiments/13_autoencoder.py --quick    # a small run, to see it work
```

The article says that autoencoders learn low-dimensional representations of texts and images, and that these improve
the annotation of images. Its only code (section 4) contains no autoencoder:

| the article                           | the problem                              | here                           |
|---------------------------------------|------------------------------------------|--------------------------------|
| layers from images to classes         | nothing is decoded; there is no text     | `kf.models.autoencoder`        |
| softmax, then `from_logits=True`      | softmax is applied twice                 | heads that return logits       |
| codes "for text and images"           | separate codes cannot impute each other  | one code, from either or both  |
| "improves the annotation of images"   | no baseline                              | PCA, ridge, the mean image     |
"""

# %%
import _common
import keras
import numpy as np
from _figures import save_columns
from _shapes import bag_of_words, distance_to_nearest, draw_shapes, pixels
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_logits
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "13_autoencoder", drawn=True, seeds=3)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--code", type=int, default=16, help="dimension of the code")
arguments = _common.parse(parser)
full = {"train": 6000, "validation": 500, "test": 1000}
sizes = {"train": 400, "validation": 64, "test": 64} if arguments.quick else full
results = _common.Results(arguments, "13_autoencoder", ["seeds", "epochs", "code", "on"], "autoencoder.csv")

# %% [markdown]
# ## 1. Images and sentences
#
# Each image shows one shape on a light background. Its sentence reads like "a small red circle at the top left". The
# sentence is incomplete: only the image shows the exact position and the shade of the background.
#
# An autoencoder has no labels. Its targets are its inputs, so the schema has features but no tasks.

# %%
table = draw_shapes(sizes, seed=0)
data = kf.data.load(table, image="image", text="text", split="split", problem_type="retrieval", image_size=32)
schema = kf.Schema(data.schema.features, tasks=())
splits = {name: examples.with_features(schema) for name, examples in data.splits.items()}
train, validation, test = splits["train"], splits["validation"], splits[arguments.on]
results.n = len(test)
print(test.frame["text"].head(3).to_string(index=False))

# %% [markdown]
# The baselines and the metrics need plain arrays: pixel values in 0..1, and a bag of words with 0 or 1 for each word
# of the vocabulary.

# %%
train_pixels, test_pixels = (pixels(examples).astype("float32") / 255 for examples in (train, test))
train_words, test_words = (bag_of_words(examples).astype("float32") for examples in (train, test))
flat = train_pixels.reshape(len(train), -1)


def squared_error(images):
    return np.mean((np.reshape(images, test_pixels.shape) - test_pixels) ** 2)


def word_f1(words):
    return f1_score(test_words, words, average="macro", zero_division=0)


# %% [markdown]
# ## 2. The model
#
# A small CNN encodes the image, and the mean of the word embeddings encodes the sentence. Both are concatenated and
# projected to a code of 16 numbers, compared with 3,072 pixel values. From the code, transposed convolutions generate
# the image and a dense layer predicts which words the sentence contains. During training a third of the rows
# loses its image and another third its sentence, but the model still has to reconstruct both.
#
# We compare three variants:
#
# - *Plain*: as described.
# - *Denoising*: the inputs get pixel noise and unknown words.
# - *Variational*: the code is sampled from a normal distribution that is regularized toward the standard normal.

# %%
KINDS = {"plain": {}, "denoising": {"noise_stddev": 0.2}, "variational": {"kl_weight": 0.01}}
CNN = {"name": "small_cnn", "filters": (8, 16, 32), "flatten": True}


def train_autoencoder(kind, seed):
    keras.utils.set_random_seed(seed)
    model = kf.models.autoencoder(
        schema, "average", CNN, latent_dim=arguments.code, filters=(64, 32, 16), name=f"code_{kind}", **KINDS[kind]
    )
    # A third of this learning rate leaves all shapes in one color for many epochs: color adds little to the error.
    epochs = 1 if arguments.quick else arguments.epochs
    config = kf.training.TrainingConfig(
        epochs=epochs, learning_rate=6e-3, modality_dropout=2 / 3, patience=None, seed=seed
    )
    kf.training.fit(model, train, validation, config, arguments.output_dir / f"{kind}_{seed}", verbose=0)
    return model


models = {kind: [train_autoencoder(kind, seed) for seed in results.seeds] for kind in KINDS}

# %% [markdown]
# ## 3. Reconstruction
#
# The model now reconstructs the test images from both inputs, from the image alone and from the sentence alone.
# The baseline is PCA, the best linear code of the same dimension. Compare the squared errors: PCA describes a
# shape as a sum of images, while the network can encode position, size and color.

# %%
METRIC = "squared error of the image"
GIVEN = {"both": test, "the image": test.without("text"), "the sentence": test.without("image")}


def reconstruct(model, examples):
    """Return pixels `(n, 32, 32, 3)` in 0..1 and predicted words, bool `(n, V)`."""
    outputs = postprocess(model, predict_logits(model, examples))
    return outputs["image"]["pixels"], outputs["text"]["probabilities"] > 0.5


outputs = {
    kind: [{given: reconstruct(model, rows) for given, rows in GIVEN.items()} for model in trained]
    for kind, trained in models.items()
}
pca = PCA(arguments.code, random_state=0).fit(flat)
pca_images = pca.inverse_transform(pca.transform(test_pixels.reshape(len(test), -1)))


def add_errors(kind, given):
    results.add(f"{kind}, from {given}", METRIC, [squared_error(output[given][0]) for output in outputs[kind]])


print("\nReconstructed images:")
for kind in KINDS:
    add_errors(kind, "both")
    add_errors(kind, "the image")
results.add(f"PCA, {arguments.code} numbers", METRIC, squared_error(pca_images))

# %% [markdown]
# ## 4. Imputing a missing modality
#
# *The image from the sentence.* The result is blurred over all positions that the sentence allows, because that
# minimizes the squared error. Ridge regression from words to pixels adds up one image per word, so it cannot make the
# color depend on the position.
#
# *The words from the image.* The baseline predicts the words that occur in more than half of the sentences.

# %%
ridge = Ridge(alpha=1.0).fit(train_words, flat)
ridge_images = ridge.predict(test_words)
print("\nImages from the sentence alone:")
for kind in KINDS:
    add_errors(kind, "the sentence")
results.add("ridge regression, from the words", METRIC, squared_error(ridge_images))
mean_image = np.broadcast_to(train_pixels.mean(axis=0), test_pixels.shape)
results.add("the mean image", METRIC, squared_error(mean_image))

print("\nWords from the image alone:")
for kind in KINDS:
    scores = [word_f1(output["the image"][1]) for output in outputs[kind]]
    results.add(f"{kind}, from the image", "f1 of the words", scores)
frequent = np.broadcast_to(train_words.mean(axis=0) > 0.5, test_words.shape)
results.add("the commonest words", "f1 of the words", word_f1(frequent))

# %% [markdown]
# ## 5. Denoising
#
# The test images get normal noise with a standard deviation of 0.2. The denoising variant was trained on such images.
# PCA removes the noise outside of its 16 components.

# %%
noisy = np.clip(test_pixels + np.random.default_rng(0).normal(0, 0.2, test_pixels.shape), 0, 1)
inputs = {
    "image": (255 * noisy).astype("uint8"),
    "image_present": np.ones(len(test), bool),
    "text": np.zeros((len(test), *models["plain"][0].input["text"].shape[1:]), "int32"),
    "text_present": np.zeros(len(test), bool),
}
print("\nClean images from noisy ones:")
for kind in ("plain", "denoising"):
    cleaned = [keras.ops.sigmoid(model.predict(inputs, verbose=0)["image"]) for model in models[kind]]
    results.add(f"{kind}, from a noisy image", METRIC, [*map(squared_error, cleaned)])
pca_cleaned = pca.inverse_transform(pca.transform(noisy.reshape(len(test), -1)))
results.add("PCA, from a noisy image", METRIC, squared_error(pca_cleaned))
results.add("the noisy image itself", METRIC, squared_error(noisy))

# %% [markdown]
# ## 6. Sampling
#
# We sample codes from a normal distribution with the mean and standard deviation of the training codes, decode them
# and measure the distance to the nearest training image. The region between the codes of a plain autoencoder may
# decode to nothing that looks like a shape; a variational one is trained to fill it.


# %%
def decode(model, codes):
    return np.asarray(keras.ops.sigmoid(model.decode(codes)["image"]))


print("\nImages decoded from random codes:")
samples = {}
for kind in ("plain", "variational"):
    samples[kind] = []
    for seed, model in enumerate(models[kind]):
        codes = kf.transfer.extract_features(model, "code", train)
        random = np.random.default_rng(seed).normal(
            codes.mean(axis=0), codes.std(axis=0), (len(test), codes.shape[1])
        )
        samples[kind].append(decode(model, random.astype("float32")))
    distances = [distance_to_nearest(images, train_pixels) for images in samples[kind]]
    results.add(kind, "squared distance to a real image", distances)
results.add("real images", "squared distance to a real image", distance_to_nearest(test_pixels, train_pixels))

# %% [markdown]
# ## 7. Look at the images
#
# `filled_in.png` shows reconstructions and imputations. `codes.png` interpolates between the codes of two test images
# and shows random samples.

# %%
plain, variational = outputs["plain"][0], models["variational"][0]
columns = {"image": test_pixels, "from both": plain["both"][0], "from the\nimage": plain["the image"][0]}
columns |= {"PCA": pca_images, "from the\nsentence": plain["the sentence"][0], "ridge": ridge_images}
save_columns(arguments.output_dir / "filled_in.png", columns)
codes = kf.transfer.extract_features(variational, "code", test)[:12]
columns = {f"{s:.0%}": decode(variational, (1 - s) * codes[::2] + s * codes[1::2]) for s in np.linspace(0, 1, 5)}
columns |= {f"sampled,\n{kind}": images[-1] for kind, images in samples.items()}
save_columns(arguments.output_dir / "codes.png", columns)

# %% [markdown]
# ## 8. Serve it
#
# The SavedModel takes an image, a sentence or both, and returns a PNG and words. The signature `encode` returns the
# code.

# %%
model, raw = models["plain"][0], test.take(np.arange(4)).raw_inputs()
run = kf.workflows.save_run(model, schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    answer = session.run(
        "serving_default", {"image_bytes": [raw["image_bytes"][0], b""], "text": [b"", raw["text"][1]]}
    )
    code = session.run("encode", {"image_bytes": [b""], "text": [b"a large blue cross at the bottom right"]})["code"]
print(f"Image of {raw['text'][0].decode()!r}, described as {answer['text'][0].decode()!r}")
(arguments.output_dir / "from_words.png").write_bytes(answer["image_bytes"][1])
print(f"Sentence {raw['text'][1].decode()!r}, decoded to {arguments.output_dir}/from_words.png")
print("Code of 'a large blue cross at the bottom right':", np.round(code[0], 1))

for seed in results.seeds:
    results.record(f"13_autoencoder, {seed}", seed)

# %% [markdown]
# ## Try it yourself
#
# Use a code of 4 numbers: which of color, shape and position is lost first? Try `kl_weight=0.1`. Draw two shapes per
# image.

# %%
_common.finish(report.ok)
