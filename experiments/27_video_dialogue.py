# %% [markdown]
"""# Video dialogue: questions that need the video, its sound and what was said before

- Article: 000, section 6.4
- What you will learn: join video, sound and the history of a dialogue, and measure what each of them is worth
- Time: seven minutes on one core (`--quick`: a minute)
- Data: videos that the script draws

```shell
python experiments/27_video_dialogue.py
python experiments/27_video_dialogue.py --quick
```

The article joins the content of a video, its sound and text to a system that talks about the video. In a dialogue,
"at which tone did it meet someone?" has three parts: what "it" is was said before, whom it met and when is in the
video, and the tone is in the sound.

How much does a model lose without one of them? With recorded videos nobody knows how much it has to lose. Here the
dialogues are about drawn videos, and the best possible accuracy without any of the three can be computed.
"""

# %%
import _common
import keras
import numpy as np
import pandas as pd
from _figures import save_bars
from _video_dialogue import ceilings, draw_dialogues, save_dialogue

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_classes, predict_logits
from kerasfusion.evaluation.trivial_baselines import by_key, majority
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "27_video_dialogue", drawn=True, seeds=1)
parser.add_argument("--retrain", action="store_true", help="also train without video, sound or history")
arguments = _common.parse(parser)
results = _common.Results(arguments, "27_video_dialogue", ["seeds", "on"], "video_dialogue.csv")
if arguments.retrain:
    results.command += " --retrain"
folder = arguments.output_dir / ("quick" if arguments.quick else "full")

# %% [markdown]
# ## 1. Videos of moving shapes, with a tone for each event
#
# Three shapes circle around. Two of them hide for a moment, and each of the two meets the third one. A tone is heard
# while an event lasts: low, middle or high. There are two dialogues about each video, one of which starts with either
# shape. Each turn is a row whose history has the questions and the right answers before it, and the answer is one of
# eleven classes.

# %%
sizes = {"train": 2000, "validation": 200, "test": 400}
if arguments.quick:
    sizes = {"train": 60, "validation": 12, "test": 20}
data = kf.data.load(
    draw_dialogues(sizes),
    video="video",
    signal="sound",
    text=["history", "question"],
    label="answer",
    problem_type="multiclass",
    split="split",
    frames=12,
    image_size=32,
)
(task,) = data.schema.tasks
train, validation, test = data.splits["train"], data.splits["validation"], data.splits[arguments.on]
labels, kinds = test.labels["label"], test.frame["kind"].to_numpy()
print(test.frame[["history", "question", "answer"]].head(8).fillna("").to_string(index=False), "\n")

# %% [markdown]
# ## 2. What each modality is worth, computed
#
# All dialogues that can be drawn are enumerated. Those that look the same without the sound, for example, are put
# together, and the best answer without the sound is the most frequent one among them. So a model without the history
# can do no better than to guess which of two shapes is "it", and one without the sound has one of three tones to
# choose.

# %%
FULL = "video + sound + history"
PARTS = ("video", "sound", "history")
FEATURES = dict(zip(PARTS, ("video", "signal", "history"), strict=True))
CEILING = "ceiling without "
ceiling = ceilings()
for missing in ceiling:
    name = CEILING + missing if missing else "ceiling with all parts"
    results.add(name, "accuracy", ceiling.loc["all", missing])
    for kind in ("first", "other", "tone", "next"):
        results.add(name, f"accuracy ({kind})", ceiling.loc[kind, missing])

# %% [markdown]
# ## 3. Train with all three, then take each away
#
# What is taken away at test time alone, the model was not trained to do without: it may stay below the ceiling. With
# `--retrain`, it is also trained without each of the three, which takes four times as long.
#
# A small CNN encodes each frame, and the maximum over its cells keeps whatever is seen anywhere in the frame. The
# sound becomes a log-mel spectrogram, then convolutions. History, question, frames and sound are tokens of one
# transformer. With `pooled`, each text is a single token, its GRU's last state. With `aligned`, the tokens of a frame
# and of the sound at its time are one: otherwise the model would first have to learn which part of the sound belongs
# to which frame.

# %%
VIDEO = {
    "name": "cnn",
    "frame_encoder": {
        "name": "residual_cnn",
        "filters": (16, 32, 32),
        "num_blocks": 0,
        "pooling": "max",
        "batch_renorm": True,
    },
}
SOUND = {"name": "cnn", "filters": (32,), "num_mels": 16}
EPOCHS = 2 if arguments.quick else 12


def train_model(seed, missing=None):
    keras.utils.set_random_seed(seed)
    features = [feature for feature in data.schema.features if feature.name != FEATURES.get(missing)]
    schema = kf.Schema(features, data.schema.tasks)
    names = [feature.name for feature in features]
    tokens = {
        "aligned": [name for name in ("video", "signal") if name in names],
        "pooled": [name for name in ("history", "question") if name in names],
    }
    model = kf.models.fusion_model(
        schema,
        text_encoder="gru",
        video_encoder=VIDEO,
        signal_encoder=SOUND,
        fusion={"name": "token_transformer", **tokens},
        units=48,
    )
    config = kf.training.TrainingConfig(epochs=EPOCHS, patience=None, batch_size=64, learning_rate=3e-3, seed=seed)
    name = f"without {missing}" if missing else FULL
    kf.training.fit(model, train, validation, config, folder / f"{name}, seed {seed}", verbose=0, resume=True)
    return model


def answer(model, examples):
    return predict_classes(task, postprocess(model, predict_logits(model, examples))[task.name])


decided = {}
for seed in results.seeds:
    model = train_model(seed)
    decided.setdefault(FULL, []).append(answer(model, test))
    for part in PARTS:
        decided.setdefault(f"{FULL}, {part} removed", []).append(answer(model, test.without(FEATURES[part])))
    for part in PARTS if arguments.retrain else ():
        decided.setdefault(f"trained without {part}", []).append(answer(train_model(seed, part), test))
    if seed == 0:
        served = model

# %% [markdown]
# ## 4. What else could answer
#
# The most frequent answer, that to the same question in training, and a linear model of n-grams of history and
# question.

# %%
LOOKUP, LINEAR, MAJORITY = "per-question majority", "history + question (TF-IDF)", "most frequent answer"
words = kf.evaluation.BagOfWords(train, validation).predict(test)[task.name]
others = {
    LINEAR: predict_classes(task, words),
    LOOKUP: by_key(task, train.frame["question"], train.labels["label"], test.frame["question"]),
    MAJORITY: majority(task, train.labels["label"], len(test)),
}
decided |= {name: [found] * len(results.seeds) for name, found in others.items()}

# %% [markdown]
# ## 5. Results
#
# Accuracies by kind of question, then what each modality adds, and how far each model is from its ceiling. The rows
# of one video count as one.

# %%
results.n = len(test)
for name, by_seed in decided.items():
    right = [found == labels for found in by_seed]
    results.add(name, "accuracy", [own.mean() for own in right])
    for kind in ("first", "other", "tone", "next"):
        results.add(name, f"accuracy ({kind})", [own[kinds == kind].mean() for own in right])

compared = kf.evaluation.compare_predictions(task, labels, decided, groups=test.arrays["video"])
print(f"\n{compared.verdict}")
for name in decided:
    if name != FULL:
        gain = compared.differences[FULL, name]
        print(f"{FULL} against {name}: {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}], p = {gain.p:.3f}")
        results.add(f"{FULL} against {name}", "p (accuracy)", gain.p)
for part in PARTS:
    print(f"\nwithout {part}: the ceiling is {ceiling.loc['all', part]:.1%}")
    for name in (f"{FULL}, {part} removed", f"trained without {part}"):
        if name in decided:
            found = compared.scores[name]
            print(f"  {name}: {found.mean:.1%} [{found.low:.1%}, {found.high:.1%}]")

# %% [markdown]
# `models.png` shows the accuracies by kind of question, with the ceilings as models of their own; `dialogue.png` a
# video, its sound and what was asked and answered.

# %%
table = results.by_seed()
names = [FULL]
for part in PARTS:
    names += [CEILING + part, f"trained without {part}", f"{FULL}, {part} removed"]
names = [*(name for name in names if name in decided or name.startswith(CEILING)), LINEAR, LOOKUP, MAJORITY]
panels = {
    kind or "all questions": pd.DataFrame(
        {name: table.loc[(name, f"accuracy ({kind})" if kind else "accuracy")] for name in names}
    ).T
    for kind in ("", "first", "other", "tone", "next")
}
save_bars(arguments.output_dir / "models.png", panels, (CEILING,))
few = np.arange(8)
save_dialogue(arguments.output_dir / "dialogue.png", test.take(few), np.array(task.classes)[decided[FULL][0][few]])

# %% [markdown]
# ## 6. Serve it
#
# A client sends encoded frames (or one animated GIF), a WAV file, the history and the question. What is missing or
# cannot be read does not fail the request, and a flag says so.

# %%
turn = int(np.flatnonzero(kinds == "tone")[0])
raw = test.take(np.repeat(turn, 5)).raw_inputs()
run = kf.workflows.save_run(served, data.schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
sent = ("all", "no sound", "broken sound", "corrupt video", "no history")
raw["signal_bytes"][1:3] = [b"", b"not a WAV file"]
raw["video_bytes"] = [list(frames) for frames in raw["video_bytes"]]
raw["video_bytes"][3] = [frame[:60] for frame in raw["video_bytes"][3]]
raw["history"][4] = b""
with CApiSession(version) as session:
    answers = session.run("serving_default", raw)
print(test.frame["history"].iloc[turn], test.frame["question"].iloc[turn], f"({test.frame['answer'].iloc[turn]})")
for row, what in enumerate(sent):
    read = {name: bool(answers[f"{name}_ok"][row]) for name in ("video", "signal")}
    print(f"  {what:15} {answers['label'][row].decode():8} {answers['probabilities'][row].max():.2f}  {read}")

# %% [markdown]
# ## Try it yourself
#
# Train twice as long (`EPOCHS`): which of the questions are learned then? Leave out `aligned`: how many videos does
# the model need? Train with `modality_dropout`: how close does one model come to all four ceilings? Give the model
# its own answers as history instead of the right ones: how do errors add up over a dialogue?

# %%
for seed in results.seeds:
    results.record(f"27_video_dialogue, seed {seed}", seed)
_common.finish(report.ok)
