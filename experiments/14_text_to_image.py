# %% [markdown]
"""# A text-to-image GAN

- Article: 001, section 3
- What you will learn: condition a generator on text and judge it by a question-answering network
- Time: half an hour on one core (`--quick`: a minute)
- Data: drawn shapes

```shell
python experiments/14_text_to_image.py            # about half an hour on one core
python experiments/14_text_to_image.py --quick    # to see it run
```

The article says of generative adversarial networks that they make new images, which help to annotate images. There
is no code for it, and what its sentence leaves out is what goes wrong:

| the article                      | what happens                                 | here                             |
|----------------------------------|----------------------------------------------|----------------------------------|
| "generates new image data"       | of nothing in particular: a new image for  | the text goes into generator and |
|                                  | which nobody knows the annotation            | discriminator                    |
| a discriminator, no more is said | once it is never wrong, there is nothing     | hinge loss, spectral             |
|                                  | left to learn from it                        | normalization                    |
| a generator, no more is said     | it draws one good image again and again    | noise as loud as the text, batch |
|                                  |                                              | normalization, averaged weights  |
| "improves performance"           | as judged by whom?                           | a network that answers questions |
|                                  |                                              | and knows real images alone    |
"""

# %%
import time

import _common
import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.spatial.distance import pdist
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

import kerasfusion as kf
from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.data.shapes_world import Scene, draw_scene, encode_png, place_of, placed, sample_object
from kerasfusion.data.shapes_world.builder import HELD_OUT
from kerasfusion.preprocessing import text_vectorizer
from kerasfusion.serving import CApiSession
from kerasfusion.training.adversarial import Adversarial

parser = _common.tutorial_parser(__doc__, "14_text_to_image", drawn=True)
parser.add_argument("--seeds", type=int, default=1, help="of the weights, the order and the noise in training")
parser.add_argument("--epochs", type=int, default=160, help="of the generator, each of 150 steps")
parser.add_argument("--rate", type=float, default=1e-3, help="learning rate; it falls to 0")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the sentences that are scored")
arguments = _common.parse(parser)
sizes = {"train": 320, "validation": 64, "test": 64} if arguments.quick else {"train": 9600, "validation": 1000}
sizes.setdefault("test", 1000)
NOISE = 32

# %% [markdown]
# ## 1. Images and sentences
#
# One shape on a light ground: "a small red circle at the top left". Every second sentence leaves the place out. What
# it does not say is up to the generator: where in the quarter, or in the whole image, the shape lies, and how light
# and of what tint the ground is. Four pairs of color and shape are in no training image.


# %%
def drawn(sizes, unseen=()):
    """A table of images, 64 pixels wide, sentences, and what each shows."""
    rows = []
    for stream, (split, size) in enumerate(sizes.items()):
        rng = np.random.default_rng([len(unseen), stream])
        for i in range(size):
            item = sample_object(rng)
            while (item.color, item.shape) in unseen and split == "train":
                item = sample_object(rng)
            truth = {"size": item.size, "color": item.color, "shape": item.shape, "place": place_of(item)}
            image = encode_png(draw_scene(Scene((item,)), rng))
            rows.append({"image": image, "text": placed(item, i % 2 == 0), "split": split, **truth})
    return pd.DataFrame(rows)


columns = {"image": "image", "text": "text", "split": "split"}
data = kf.data.load(drawn(sizes, HELD_OUT), **columns, problem_type="retrieval", image_size=32)
schema = kf.Schema(data.schema.features, tasks=())
train, scored = (data.splits[name].with_features(schema) for name in ("train", arguments.on))
truth = scored.frame.reset_index(drop=True)
print(truth[["text", "size", "color", "shape", "place"]].head(4).to_string(index=False))


def pixels_of(examples):
    """uint8 `(n, 32, 32, 3)`."""
    return np.asarray(examples.banks["image"].fetch(examples.images["image"])[0])


real = {"train": pixels_of(train), "scored": pixels_of(scored)}

# %% [markdown]
# ## 2. A judge
#
# A network that answers questions about images. It has images of its own, all of them real and of all pairs.

# %%
QUESTIONS = {
    "size": "how large is it",
    "color": "what color is it",
    "shape": "what shape is it",
    "place": "where is it",
}


def trained_judge():
    """The network, and what it needs to take questions."""
    rows = drawn({"train": len(train), "validation": len(scored), "test": len(scored)})
    asked = [
        rows[["image", "split"]].assign(question=question, answer=rows[name]) for name, question in QUESTIONS.items()
    ]
    roles = {"image": "image", "text": "question", "label": "answer", "split": "split"}
    questions = kf.data.load(pd.concat(asked, ignore_index=True), **roles, image_size=32)
    keras.utils.set_random_seed(0)
    cnn = {"name": "small_cnn", "filters": (16, 32, 64), "flatten": True}
    model = kf.models.fusion_model(questions.schema, "average", cnn, "concat", units=128, name="judge")
    config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, batch_size=256, patience=None)
    found = kf.training.fit(
        model, questions.splits["train"], questions.splits["validation"], config, arguments.output_dir, verbose=0
    )
    print(f"judge: {found['seconds']:.0f} s")
    return model, questions.schema


judge, judge_schema = trained_judge()


def judged(images):
    """Whether each image is what its sentence says, dict attribute -> bool `(n,)`."""
    answers = {}
    there = np.ones(len(images), bool)
    classes = np.array(judge_schema["label"].classes)
    for name, question in QUESTIONS.items():
        ids = np.tile(text_vectorizer(judge_schema["text"])([question]), (len(images), 1)).astype("int32")
        batch = {"image": images, "image_present": there, "text": ids, "text_present": there}
        answers[name] = classes[judge.predict(batch, verbose=0)["label"].argmax(axis=1)] == truth[name]
    return answers


# %% [markdown]
# ## 3. Generator and discriminator
#
# Noise and sentence into a 4 x 4 grid, which is doubled three times; the discriminator has the same number of layers.
# Each sees one batch in turn. The generator's images begin as light as real ones are: else the first thing that the
# discriminator learns is to tell gray from light, so well that nothing else is ever learned.


# %%
def learned(seed):
    """A generator, trained."""
    keras.utils.set_random_seed(seed)
    light = float(real["train"].mean()) / 255
    draw = kf.models.generator(schema, "average", noise_dim=NOISE, initial_brightness=light, name="draw")
    wrapper = Adversarial(draw, kf.models.discriminator(schema, "average"), seed=seed)
    batches = BatchedDataset(train, 64, shuffle=True, seed=seed)
    epochs = 2 if arguments.quick else arguments.epochs
    steps = epochs * batches.steps
    rates = [keras.optimizers.schedules.PolynomialDecay(arguments.rate, steps, 0.0) for _ in range(2)]
    wrapper.compile(
        keras.optimizers.Adam(rates[0], beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=0.999),
        keras.optimizers.Adam(rates[1], beta_1=0.0, beta_2=0.99),
        steps_per_execution=5,
    )
    started = time.process_time()

    def begin(epoch, logs=None):
        batches.epoch = epoch

    def end(epoch, logs):
        if epoch % 10 == 9 or epoch + 1 == epochs:
            figures = ", ".join(f"{name} {value:.2f}" for name, value in logs.items())
            print(f"seed {seed}, epoch {epoch + 1}: {figures}, {time.process_time() - started:.0f} s", flush=True)

    reports = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)
    wrapper.fit(batches.dataset(), epochs=epochs, shuffle=False, callbacks=[reports], verbose=0)
    wrapper.finish()
    draw.save(arguments.output_dir / f"draw_{seed}.keras")
    return draw


def drawings(model, sentences, seed):
    """One image for each sentence, uint8 `(n, 32, 32, 3)`."""
    ids = text_vectorizer(schema["text"])(np.asarray(sentences, object)).numpy().astype("int32")
    noise = np.random.default_rng(seed).normal(size=(len(ids), NOISE)).astype("float32")
    return np.rint(255 * model.predict({"text": ids, "noise": noise}, verbose=0)["image"]).astype("uint8")


models = [learned(seed) for seed in range(1 if arguments.quick else arguments.seeds)]

# %% [markdown]
# ## 4. Do they show what the sentence says?
#
# A new image for each of the sentences is shown to the judge, who is asked for all that the sentence says. Real
# images of these sentences are what can be reached, real images of other sentences are chance. Ridge regression
# draws the mean of what goes with each word.

# %%
rows = []
familiar = np.array([pair not in HELD_OUT for pair in zip(truth["color"], truth["shape"], strict=True)])
said = {
    name: truth["text"].str.contains(" at ").to_numpy() if name == "place" else np.ones(len(truth), bool)
    for name in QUESTIONS
}


def add(model, metric, values, n):
    """A figure over the seeds, printed and kept for the results."""
    values = [float(value) for value in np.atleast_1d(values)]
    print(f"  {model:32} {metric:44} {np.mean(values):.4f}")
    rows.extend(
        {"model": model, "metric": metric, "value": value, "n": n, "seed": seed} for seed, value in enumerate(values)
    )


def show(model, answers):
    """Accuracy of each attribute and of all, over the seeds: `answers` is a list of what `judged` gave."""
    for name in QUESTIONS:
        kept = said[name] & familiar
        add(model, f"accuracy ({name})", [found[name][kept].mean() for found in answers], kept.sum())
    for metric, some in (("accuracy", familiar), ("accuracy (pairs never seen)", ~familiar)):
        every = [np.concatenate([found[name][said[name] & some] for name in QUESTIONS]) for found in answers]
        add(model, metric, [found.mean() for found in every], len(every[0]))


def words_of(examples):
    """Which words each sentence has, `(n, V)`."""
    ids = examples.text["text"]
    return np.stack([(ids == 4 + place).any(axis=1) for place in range(len(schema["text"].vocabulary))], axis=1)


print("\nWhat the judge recognizes:")
images = [drawings(model, truth["text"], seed=1) for model in models]
show("generator", [judged(found) for found in images])
ridge = Ridge(alpha=1.0).fit(words_of(train), real["train"].reshape(len(train), -1))
means = ridge.predict(words_of(scored)).clip(0, 255).reshape(-1, 32, 32, 3).astype("uint8")
show("ridge regression", [judged(means)])
show("real images", [judged(real["scored"])])
show("real images, other sentences", [judged(np.roll(real["scored"], 1, axis=0))])

# %% [markdown]
# ## 5. Are they different images?
#
# Sixteen images of one sentence, and how far they lie apart in the mean, pixel by pixel, as a share of what sixteen
# real images of the same sentence do. And are they new? The nearest training image of a drawn one should be about
# as far away as that of a real one: much nearer is copied, much farther is no such image.


# %%
def spread(images):
    return pdist(images.reshape(len(images), -1) / 255.0).mean()


def real_ones(row, count, rng):
    """Real images of a row's sentence, through the same decoding as all others."""
    found = []
    while len(found) < count:
        item = sample_object(rng)
        item = type(item)(row["shape"], row["color"], row["size"], item.x, item.y)
        if " at " not in row["text"] or place_of(item) == row["place"]:
            found.append(encode_png(draw_scene(Scene((item,)), rng)))
    return np.asarray(kf.preprocessing.decode_images(found, (32, 32))[0])


print("\nHow far images of one sentence lie apart, as a share of real ones:")
asked = {True: [], False: []}
for place, row in truth.iterrows():
    if len(asked[said["place"][place]]) < (2 if arguments.quick else 12):
        asked[said["place"][place]].append(row)
for with_place, some in asked.items():
    rng = np.random.default_rng(5)
    apart = [spread(real_ones(row, 16, rng)) for row in some]
    shares = [
        np.mean(
            [spread(drawings(model, [row["text"]] * 16, seed=2)) / far for row, far in zip(some, apart, strict=True)]
        )
        for model in models
    ]
    add("generator", f"spread, place {'said' if with_place else 'not said'}", shares, len(some))
nearest = NearestNeighbors(n_neighbors=1).fit(real["train"].reshape(len(train), -1) / 255.0)


def to_nearest(found):
    distances, _ = nearest.kneighbors(found.reshape(len(found), -1) / 255.0)
    return np.mean(distances**2) / 3072


add("generator", "squared distance to a training image", [to_nearest(found) for found in images], len(truth))
add("real images", "squared distance to a training image", to_nearest(real["scored"]), len(truth))

# %% [markdown]
# ## 6. What was drawn

# %%
sentences = [
    "a small red circle at the top left",
    "a large blue cross at the bottom right",
    "a large yellow triangle",
    "a small purple square",
    "a large gray circle at the bottom left",
    "a large red cross",
]
figure = Figure(figsize=(8, 5), layout="constrained")
for axes, sentence in zip(figure.subplots(len(sentences), 1), sentences, strict=True):
    unseen = " (pair never seen)" if "red cross" in sentence else ""
    axes.imshow(np.concatenate(list(drawings(models[0], [sentence] * 12, seed=3)), axis=1))
    axes.set_title(sentence + unseen, fontsize=8)
    axes.axis("off")
figure.savefig(arguments.output_dir / "drawn.png", dpi=120)
print(f"\nImage: {arguments.output_dir}/drawn.png")

# %% [markdown]
# ## 7. A SavedModel
#
# Words and a seed in, a PNG out.

# %%
raw = {"text": [sentence.encode() for sentence in sentences[:4]]}
version = kf.serving.export_model(models[0], schema, arguments.output_dir / "saved_model", raw)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    answer = session.run("serving_default", {"text": [sentences[0].encode()], "seed": np.array([7], "int32")})
(arguments.output_dir / "served.png").write_bytes(answer["image_bytes"][0])
print(f"{sentences[0]!r}, seed 7: {arguments.output_dir}/served.png, {len(answer['image_bytes'][0])} bytes")

if arguments.results:
    command = f"python experiments/14_text_to_image.py --seeds {arguments.seeds} --epochs {arguments.epochs}"
    command += f" --rate {arguments.rate} --on {arguments.on}" + " --quick" * arguments.quick
    command += " --results experiments/results/text_to_image.csv"
    for seed in range(len(models)):
        own = [row for row in rows if row["seed"] == seed]
        _common.record(arguments.results, own, f"14_text_to_image, {seed}", command, seed)

# %% [markdown]
# ## What to change
#
# `noise_dim=4`: what is drawn alike then? Leave the spectral normalization out: how long does it go well? Let
# sentences leave out the color, too.

# %%
_common.finish(report.ok)
