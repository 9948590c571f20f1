# %% [markdown]
"""# A text-to-image GAN

- Article: 001, section 3
- What you will learn: condition a generator on text, and evaluate it with a visual question answering model
- Time: half an hour on one core (`--quick`: a minute)
- Data: images of one shape each, drawn by the script

```shell
python experiments/14_text_to_image.py            # about half an hour on one core
python experiments/14_text_to_image.py --quick    # a small run, to see it work
```

The article says that generative adversarial networks create new images, and that these improve the annotation of
images. It gives no code, and leaves out what makes GANs hard to train:

| the article                | the problem                                    | here                               |
|----------------------------|------------------------------------------------|------------------------------------|
| "generates new image data" | a random image has no known annotation         | both networks read the text        |
| a discriminator            | once it is always right, its gradient vanishes | hinge loss, spectral normalization |
| a generator                | it repeats one good image (mode collapse)      | noise, batch normalization, EMA    |
| "improves performance"     | no metric                                      | a judge trained on real images     |
"""

# %%
import _common
import keras
import numpy as np
from _figures import save_rows
from _judge import ATTRIBUTES, Judge
from _shapes import bag_of_words, distance_to_nearest, draw_labelled_shapes, draw_same_sentence, pixels
from scipy.spatial.distance import pdist
from sklearn.linear_model import Ridge

import kerasfusion as kf
from kerasfusion.data.shapes_world import HELD_OUT
from kerasfusion.preprocessing import text_vectorizer
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "14_text_to_image", drawn=True, seeds=1)
parser.add_argument("--epochs", type=int, default=160, help="epochs of the generator, of 150 steps each")
parser.add_argument("--rate", type=float, default=1e-3, help="initial learning rate; decays linearly to 0")
arguments = _common.parse(parser)
full = {"train": 9600, "validation": 1000, "test": 1000}
sizes = {"train": 320, "validation": 64, "test": 64} if arguments.quick else full
results = _common.Results(arguments, "14_text_to_image", ["seeds", "epochs", "rate", "on"], "text_to_image.csv")

# %% [markdown]
# ## 1. Images and sentences
#
# Each image shows one shape on a light background: "a small red circle at the top left". Every second sentence leaves
# the place out. The generator chooses whatever the sentence does not determine: the exact position and the shade of
# the background. Four pairs of color and shape (`HELD_OUT`) never occur in the training images.

# %%
table = draw_labelled_shapes(sizes, HELD_OUT)
roles = {"image": "image", "text": "text", "split": "split"}
data = kf.data.load(table, **roles, problem_type="retrieval", image_size=32)
schema = kf.Schema(data.schema.features, tasks=())
train, test = (data.splits[name].with_features(schema) for name in ("train", arguments.on))
train_images, test_images = pixels(train), pixels(test)
truth = test.frame.reset_index(drop=True)
print(truth[["text", "size", "color", "shape", "place"]].head(4).to_string(index=False))

# %% [markdown]
# ## 2. A judge
#
# The judge is a visual question answering model, `kf.models.fusion_model`, trained on real images of its own that
# show all pairs of color and shape (`_judge.py`). It answers "what color is it" about any image, so it can tell what
# a generated image shows.

# %%
judge = Judge(sizes, arguments)

# %% [markdown]
# ## 3. Generator and discriminator
#
# The generator turns noise and the sentence into a 4 × 4 grid and doubles its size three times. The discriminator has
# the same number of layers. `kf.training.Adversarial` updates each of them once per batch.
#
# `initial_brightness` makes the first generated images as light as real ones. Otherwise the discriminator learns to
# separate gray from light first, so well that the generator never gets a useful gradient.

# %%
NOISE_DIM = 32


def train_generator(seed):
    keras.utils.set_random_seed(seed)
    brightness = float(train_images.mean()) / 255
    generator = kf.models.generator(
        schema, "average", noise_dim=NOISE_DIM, initial_brightness=brightness, name="draw"
    )
    trainer = kf.training.Adversarial(generator, kf.models.discriminator(schema, "average"), seed=seed)
    batches = kf.data.BatchedDataset(train, 64, shuffle=True, seed=seed)
    epochs = 2 if arguments.quick else arguments.epochs
    rates = [keras.optimizers.schedules.PolynomialDecay(arguments.rate, epochs * batches.steps, 0.0) for _ in "gd"]
    trainer.compile(
        keras.optimizers.Adam(rates[0], beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=0.999),
        keras.optimizers.Adam(rates[1], beta_1=0.0, beta_2=0.99),
        steps_per_execution=5,
    )

    def set_epoch(epoch, logs=None):
        batches.epoch = epoch

    def log(epoch, logs):
        if epoch % 10 == 9 or epoch + 1 == epochs:
            print(f"seed {seed}, epoch {epoch + 1}:", *(f"{name} {value:.2f}" for name, value in logs.items()))

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=set_epoch, on_epoch_end=log)
    trainer.fit(batches.dataset(), epochs=epochs, shuffle=False, callbacks=[callback], verbose=0)
    trainer.finish()
    generator.save(arguments.output_dir / f"draw_{seed}.keras")
    return generator


def generate(generator, sentences, seed):
    """Return one image per sentence, uint8 `(n, 32, 32, 3)`."""
    ids = text_vectorizer(schema["text"])(np.asarray(sentences, object)).numpy().astype("int32")
    noise = np.random.default_rng(seed).normal(size=(len(ids), NOISE_DIM)).astype("float32")
    return np.rint(255 * generator.predict({"text": ids, "noise": noise}, verbose=0)["image"]).astype("uint8")


generators = [train_generator(seed) for seed in results.seeds]

# %% [markdown]
# ## 4. Do the images match their sentences?
#
# The judge looks at one generated image per test sentence and is asked about every attribute that the sentence names.
# Real images of the same sentences give the upper bound, real images of other sentences give chance level. Ridge
# regression from words to pixels is the linear baseline.

# %%
seen = np.array([pair not in HELD_OUT for pair in zip(truth["color"], truth["shape"], strict=True)])
named = dict.fromkeys(ATTRIBUTES, np.ones(len(truth), bool))
named["place"] = truth["text"].str.contains(" at ").to_numpy()


def add_accuracy(model, images):
    """Add the accuracy of each attribute and of all; `images` has one array per seed."""
    right = [judge.is_right(array, truth) for array in images]
    for name in ATTRIBUTES:
        rows = named[name] & seen
        results.add(model, f"accuracy ({name})", [float(r[name][rows].mean()) for r in right], rows.sum())
    for metric, some in (("accuracy", seen), ("accuracy (pairs never seen)", ~seen)):
        pooled = [np.concatenate([r[name][named[name] & some] for name in ATTRIBUTES]) for r in right]
        results.add(model, metric, [float(array.mean()) for array in pooled], len(pooled[0]))


ridge = Ridge(alpha=1.0).fit(bag_of_words(train), train_images.reshape(len(train), -1))
ridge_images = ridge.predict(bag_of_words(test)).clip(0, 255).reshape(-1, 32, 32, 3).astype("uint8")
generated = [generate(generator, truth["text"], seed=1) for generator in generators]
print("\nWhat the judge recognizes:")
add_accuracy("generator", generated)
add_accuracy("ridge regression", [ridge_images])
add_accuracy("real images", [test_images])
add_accuracy("real images, other sentences", [np.roll(test_images, 1, axis=0)])

# %% [markdown]
# ## 5. Are they diverse, and are they new?
#
# *Diversity.* The mean pairwise distance of 16 images of one sentence, as a ratio to that of 16 real images.
#
# *Novelty.* The distance to the nearest training image should be about that of a real test image: a much smaller one
# means that the generator copies, a much larger one that its images are not realistic.


# %%
def diversity(images):
    return pdist(images.reshape(len(images), -1) / 255.0).mean()


print("\nDiversity and novelty:")
for metric, some in (("spread, place said", named["place"]), ("spread, place not said", ~named["place"])):
    rows = [row for _, row in truth[some].head(2 if arguments.quick else 12).iterrows()]
    rng = np.random.default_rng(5)
    real = [diversity(draw_same_sentence(row, 16, rng)) for row in rows]
    ratios = []
    for generator in generators:
        own = [diversity(generate(generator, [row["text"]] * 16, seed=2)) for row in rows]
        ratios.append(np.mean(np.divide(own, real)))
    results.add("generator", metric, ratios, len(rows))
metric = "squared distance to a training image"
results.add(
    "generator", metric, [distance_to_nearest(images / 255, train_images / 255) for images in generated], len(truth)
)
results.add("real images", metric, distance_to_nearest(test_images / 255, train_images / 255), len(truth))

# %% [markdown]
# ## 6. Look at the images
#
# Each row of `drawn.png` shows twelve images of one sentence, also of a pair that was never seen: a red cross.

# %%
sentences = [
    "a small red circle at the top left",
    "a large blue cross at the bottom right",
    "a large yellow triangle",
    "a small purple square",
    "a large gray circle at the bottom left",
    "a large red cross",
]
rows = {sentence: generate(generators[0], [sentence] * 12, seed=3) for sentence in sentences}
save_rows(arguments.output_dir / "drawn.png", rows)

# %% [markdown]
# ## 7. Serve it
#
# The SavedModel takes a sentence and a seed, and returns a PNG.

# %%
raw = {"text": [sentence.encode() for sentence in sentences[:4]]}
run = kf.workflows.save_run(generators[0], schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    answer = session.run("serving_default", {"text": [sentences[0].encode()], "seed": np.array([7], "int32")})
(arguments.output_dir / "served.png").write_bytes(answer["image_bytes"][0])
print(f"{sentences[0]!r}, seed 7: {arguments.output_dir}/served.png, {len(answer['image_bytes'][0])} bytes")

for seed in results.seeds:
    results.record(f"14_text_to_image, {seed}", seed)

# %% [markdown]
# ## Try it yourself
#
# Set `noise_dim=4`: how diverse are the images? Remove the spectral normalization: when does training diverge? Let
# the sentences leave out the color, too.

# %%
_common.finish(report.ok)
