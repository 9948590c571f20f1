# %% [markdown]
"""# Audio, image and text

- Article: 000, sections 1.1 and 2.1
- What you will learn: one model for any one, two or three of its modalities, and what that needs in training
- Time: ten minutes on one core (`--quick`: a minute)
- Data: DATA/spoken_digits, recordings of six speakers, beside drawn digits and words; `--quick` draws tones instead

```shell
python experiments/18_three_modalities.py --data-dir DATA
python experiments/18_three_modalities.py --quick
```

A digit is spoken, drawn and spelled, and each of the three is unreliable: the speakers of the test split are not
heard in training, the images are noisy, and letters of the words are wrong or lost. The model is asked for the digit
with every combination of the modalities, seven in all.

Given the digit, the three do not depend on each other. So multiplying the probabilities of three models, each of one
modality, is the right way to join them if these probabilities are right. It needs no joint training and works with
any combination. A joint model has to reach it.
"""

# %%
from itertools import combinations
from pathlib import Path

import _common
import keras
import numpy as np
from _digits import RATE, draw_tones, spoken_digits, with_images_and_words
from _figures import save_bars
from PIL import Image
from sklearn.linear_model import LogisticRegression

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_logits
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "18_three_modalities", seeds=3)
arguments = _common.parse(parser)
results = _common.Results(arguments, "18_three_modalities", ["seeds", "on"], "three_modalities.csv")

# %% [markdown]
# ## 1. Read the recordings, draw the rest
#
# The split is by speaker: three train, one validates, two test. A table in memory may hold the bytes of WAV files.
# Words become tokens at spaces, and a misspelled word is one that training has rarely seen; so the letters are
# written apart, and each is a token.

# %%
if arguments.quick:
    recordings = draw_tones()
elif arguments.data_dir:
    recordings = spoken_digits(Path(arguments.data_dir) / "spoken_digits")
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds spoken_digits, or try --quick")
table = with_images_and_words(recordings, arguments.output_dir)
print(table.groupby(["split", "speaker"]).size().to_string())
print(table[["image", "word", "digit"]].sample(5, random_state=0).to_string(index=False), "\n")
roles = {"signal": "audio", "image": "image", "text": "word", "label": "digit", "split": "split"}
data = kf.data.load(table, **roles, problem_type="multiclass", image_size=28, signal_length=RATE)
(task,) = data.schema.tasks
train, validation = data.splits["train"], data.splits["validation"]
test = data.splits[arguments.on]
results.n = len(test)

# %% [markdown]
# ## 2. Seven combinations
#
# `Examples.without` marks modalities as missing. The same call makes the test conditions and training rows.

# %%
NAMES = {"signal": "audio", "image": "image", "text": "text"}
COMBINATIONS = {
    " + ".join(NAMES[kind] for kind in kinds): kinds for size in (1, 2, 3) for kinds in combinations(NAMES, size)
}


def keep(examples, kinds):
    return examples.without(*(kind for kind in NAMES if kind not in kinds))


# %% [markdown]
# ## 3. Models
#
# - *Own models*: one model per modality, their probabilities multiplied. Of one modality, this is its own model.
# - *Whole rows*: one model, trained on rows that have all three.
# - *Modality dropout*: `TrainingConfig(modality_dropout=0.75)` takes one modality away from three rows of four. A row
#   keeps at least two: the model never sees one alone.
# - *All combinations*: every row is there seven times, once for each combination. Fewer epochs, so that all three
#   joint models take about as many steps.

# %%
OWN, WHOLE, DROPOUT, ALL = "own models, multiplied", "whole rows", "modality dropout", "all combinations"
EPOCHS = 4 if arguments.quick else 14


def build(schema):
    return kf.models.fusion_model(
        schema,
        text_encoder="text_cnn",
        image_encoder={"name": "residual_cnn", "filters": (16, 32), "batch_renorm": True},
        signal_encoder={"name": "cnn", "filters": (32, 64, 64), "dropout": 0.1},
        fusion="sum",
        units=64,
        dropout=0.2,
    )


def fit(schema, rows, seed, epochs=EPOCHS, modality_dropout=0.0):
    keras.utils.set_random_seed(seed)
    model = build(schema)
    config = kf.training.TrainingConfig(
        epochs=epochs, batch_size=32, patience=None, seed=seed, modality_dropout=modality_dropout
    )
    kf.training.fit(model, rows, validation, config, arguments.output_dir / "fit", verbose=0)
    return model


def probabilities(model, examples):
    return postprocess(model, predict_logits(model, examples))[task.name]["probabilities"]


def accuracy(scores):
    return np.mean(np.argmax(scores, axis=1) == test.labels[task.name])


# %% [markdown]
# ## 4. Train and evaluate
#
# Each has to beat the most frequent digit, and linear models whose probabilities are multiplied too: of means and
# deviations of each band of the audio's spectrum, of the pixels, and of n-grams of the letters.

# %%
LINEAR = "linear models, multiplied"


def pixels(examples):
    images = [Image.open(arguments.output_dir / name).convert("L") for name in examples.frame["image"]]
    return np.reshape(images, (len(images), -1)) / 255


def linear_models():
    """Return dict kind -> probabilities on the test rows."""
    of_pixels = LogisticRegression(C=0.01, max_iter=500).fit(pixels(train), train.labels[task.name])
    baselines = {"signal": kf.evaluation.SignalStatistics, "text": kf.evaluation.BagOfWords}
    found = {k: make(train, validation).predict(test)[task.name]["probabilities"] for k, make in baselines.items()}
    return {**found, "image": of_pixels.predict_proba(pixels(test))}


def add_products(model_name, by_kind, seed):
    for name, kinds in COMBINATIONS.items():
        product = np.prod([by_kind[kind] for kind in kinds], axis=0)
        results.add(model_name, f"accuracy, {name}", accuracy(product), seed=seed)


every = kf.data.concatenate([keep(train, kinds) for kinds in COMBINATIONS.values()])
for seed in results.seeds:
    # A seed that an interrupted run has recorded already is not trained again.
    experiment, path = f"18_three_modalities, seed {seed}", arguments.output_dir / f"model_{seed}.keras"
    if path.exists() and results.restore(experiment, seed):
        continue
    own = {kind: probabilities(fit(data.schema.only(kind), train, seed), test) for kind in NAMES}
    joint = {
        WHOLE: fit(data.schema, train, seed),
        DROPOUT: fit(data.schema, train, seed, modality_dropout=0.75),
        ALL: fit(data.schema, every, seed, epochs=max(1, EPOCHS // len(COMBINATIONS))),
    }
    if seed == 0:
        most_frequent = np.bincount(train.labels[task.name]).argmax()
        results.add(
            "most frequent digit", "accuracy, audio + image + text", np.mean(test.labels[task.name] == most_frequent)
        )
        add_products(LINEAR, linear_models(), seed)
    add_products(OWN, own, seed)
    for speaker in sorted(set(test.frame["speaker"])):
        rows = (test.frame["speaker"] == speaker).to_numpy()
        right = own["signal"][rows].argmax(axis=1) == test.labels[task.name][rows]
        results.add(f"own model, {speaker} alone", "accuracy, audio", right.mean(), n=int(rows.sum()), seed=seed)
    for model_name, model in joint.items():
        for name, kinds in COMBINATIONS.items():
            found = accuracy(probabilities(model, keep(test, kinds)))
            results.add(model_name, f"accuracy, {name}", found, seed=seed)
    joint[DROPOUT].save(path)
    results.record(experiment, seed)

# %% [markdown]
# ## 5. Results
#
# Gains are relative to training on whole rows, then to the own models, paired by seed, with 95 % intervals. They
# cover other seeds, not other speakers.

# %%
for name in COMBINATIONS:
    panel = results.by_seed().xs(f"accuracy, {name}", level="metric").loc[[WHOLE, DROPOUT, ALL, OWN]]
    for base in (WHOLE, OWN):
        print(f"\n{name}, relative to {base!r}: accuracy on {len(test):,} rows")
        _common.print_gains(panel, lambda _, base=base: base)

# %% [markdown]
# `three_modalities.png` shows a panel per model and a bar per combination.

# %%
metrics = {f"accuracy, {name}": name for name in COMBINATIONS}
panels = {
    model: results.by_seed().loc[model].dropna(axis=1).loc[list(metrics)].rename(index=metrics)
    for model in (LINEAR, OWN, WHOLE, DROPOUT, ALL)
}
save_bars(arguments.output_dir / "three_modalities.png", panels, (" + ",))

# %% [markdown]
# ## 6. Serve it
#
# A client sends bytes of a WAV file, bytes of an image and letters. An empty string stands for what is missing. What
# cannot be read counts as missing, and a flag says so.

# %%
model = keras.saving.load_model(arguments.output_dir / "model_0.keras")
raw = test.take(np.arange(4)).raw_inputs()
version = kf.serving.export_model(model, data.schema, arguments.output_dir / "saved_model", raw)
report = kf.verify(version)
print(report)
inputs = {
    "signal_bytes": [raw["signal_bytes"][0], b"", b"", b"not a WAV file"],
    "image_bytes": [b"", raw["image_bytes"][1], b"", raw["image_bytes"][3]],
    "text": [b"", b"", raw["text"][2], raw["text"][3]],
}
with CApiSession(version) as session:
    answers = session.run("serving_default", inputs)
sent = ("audio alone", "image alone", "text alone", "all three, broken audio")
for row, what in enumerate(sent):
    digit, audio_ok = answers["label"][row].decode(), bool(answers["signal_ok"][row])
    print(f"{what:24} -> {digit}  (label: {test.frame['digit'].iloc[row]}, audio read: {audio_ok})")

# %% [markdown]
# ## Try it yourself
#
# Make one modality perfect (`noise=0` in `draw_digit`): does the joint model still learn the others? Correlate two of
# them, with the same misread digit in image and word: the product counts such evidence twice. Split by `take` instead
# of by speaker: how much of the audio's error was the new voice?

# %%
_common.finish(report.ok)
