# %% [markdown]
"""# Driving by camera and command

- Article: 002, sections 3.4 and 6.4
- What you will learn: let a sentence choose what a network does with an image, and count successes in a closed loop
- Time: six minutes on one core (`--quick`: a minute)
- Data: a track that is drawn on the spot; with DATA/udacity_driving, a recorded drive too

```shell
python experiments/24_driving.py --data-dir DATA
python experiments/24_driving.py --quick
```

The article joins a car's camera with spoken instructions. A camera alone cannot know where to go at a fork, and an
instruction alone cannot hold the road. Here a network imitates an expert: from an image, a command such as "take the
left road" and the speed it predicts the steering.

A command has few words and matters only at forks, so a network may learn to ignore it. Conditional imitation learning
(arXiv 1710.02410) gives each command a branch of its own. `BranchedFusion` does that for sentences: the text chooses
among branches that read the image and the speed.

Steering that is close to the expert's on recorded frames is not driving. A car that is a little off sees images that
the expert never produced, and errors add up. So the networks also drive, and what counts is the share of forks that
are taken as commanded without leaving the road.
"""

# %%
from pathlib import Path

import _common
import keras
import numpy as np
from _driving import FOLLOW, HEIGHT, WIDTH, Track, closed_loop, driver, expert_drives, save_drives, udacity_drive

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_logits
from kerasfusion.evaluation.statistics import bootstrap_interval, by_group
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "24_driving", seeds=3)
arguments = _common.parse(parser)
results = _common.Results(arguments, "24_driving", ["seeds", "on"], "driving.csv")
folder = arguments.output_dir / ("quick" if arguments.quick else "full")

# %% [markdown]
# ## 1. An expert drives
#
# Every track is a winding road that forks into two or three branches. The expert knows the road and steers to a point
# ahead of it. While it drives, bursts of wrong steering push the car off, so that there are frames to learn recovery
# from; the labels are always what the expert wants. The command is "follow the road" or the like, and near the fork
# one of five phrases for the branch to take; the last phrase of each is kept for the test.

# %%
sizes = {"train": 50, "validation": 10, "test": 30}
if arguments.quick:
    sizes = {"train": 10, "validation": 2, "test": 4}
drives = kf.data.load(
    expert_drives(sizes),
    image="image",
    text="command",
    numeric="speed",
    label="steering",
    problem_type="regression",
    split="split",
    image_size=(HEIGHT, WIDTH),
)
print(drives.splits["train"].frame[["command", "speed", "steering"]].sample(6, random_state=0).to_string(), "\n")

# %% [markdown]
# ## 2. Networks
#
# All have the same branches for image, speed and command, and as many units where they meet.
#
# - *Branch per command*: the text chooses among the branches of `BranchedFusion`.
# - *Command as input*: the text's vector is concatenated with the others.
# - *No command*, and *command alone*, without image and speed.

# %%
BRANCHED, INPUT = "branch per command", "command as input"
BLIND, COMMAND, MEAN = "no command", "command alone", "mean steering"
KINDS = {BLIND: ("image", "numeric"), COMMAND: ("text",)}
ENCODER = {"name": "small_cnn", "filters": (16, 32, 48), "flatten": True}


def train_network(name, data, seed, epochs, where, dropout=0.1):
    keras.utils.set_random_seed(seed)
    kinds = KINDS.get(name, data.schema.kinds)
    schema = kf.Schema([f for f in data.schema.features if f.kind in kinds], data.schema.tasks)
    fusion = "branched" if name == BRANCHED else "concat"
    model = kf.models.fusion_model(schema, "bag_of_words", ENCODER, fusion, units=64, dropout=dropout)
    config = kf.training.TrainingConfig(epochs=epochs, patience=None, seed=seed)
    train, validation = data.splits["train"], data.splits["validation"]
    kf.training.fit(model, train, validation, config, where / f"{name}, seed {seed}", verbose=0, resume=True)
    return model


def predict_steering(model, examples):
    return postprocess(model, predict_logits(model, examples))["label"]["value"]


# %% [markdown]
# ## 3. Train and drive
#
# The cars of the test start on new tracks, and hear phrases that are new too. A run ends when a car reaches the end
# of the commanded branch, when it is in another branch, or when it leaves the road.
#
# Of the network with branches, each modality is also taken away (`Examples.without`) on the frames of the expert.

# %%
test = drives.splits[arguments.on]
first = {"validation": 1_000, "test": 2_000}[arguments.on]
tracks = [Track(np.random.default_rng(first + i)) for i in range(10 if arguments.quick else 80)]
epochs = 12 if arguments.quick else 14
steering, ends, paths, networks = {}, {}, {}, {}
for seed in results.seeds:
    for name in (BRANCHED, INPUT, BLIND, COMMAND):
        model = train_network(name, drives, seed, epochs, folder / "track")
        conditions = {"": test}
        if name == BRANCHED:
            conditions |= {f", without {f.name}": test.without(f.name) for f in drives.schema.features}
        for condition, examples in conditions.items():
            steering.setdefault(name + condition, []).append(predict_steering(model, examples))
        ended, driven = closed_loop(driver(model, drives.schema), tracks)
        ends.setdefault(name, []).append(ended)
        if seed == 0:
            paths[name] = ended, driven
            networks[name] = model
average = float(drives.splits["train"].labels["label"].mean())
steering[MEAN] = [np.full(len(test), average, "float32")] * len(results.seeds)
ends[MEAN] = [closed_loop(lambda images, *_: np.full(len(images), average), tracks)[0]] * len(results.seeds)

# %% [markdown]
# ## 4. Forks taken as commanded
#
# Shares are compared over seeds and tracks together, all pairs at once; errors on the expert's frames by episode.

# %%
results.n = len(tracks)
for name, by_seed in ends.items():
    for end in ("reached", "wrong branch", "left the road"):
        results.add(f"track: {name}", end, [float(np.mean([found == end for found in ended])) for ended in by_seed])
fork = kf.schema.Task("fork", "binary", "fork", ("missed", "taken"))
taken = {name: [np.equal(ended, "reached").astype("float32") for ended in by_seed] for name, by_seed in ends.items()}
compared = kf.evaluation.compare_predictions(fork, np.ones(len(tracks), "float32"), taken)
print(f"\n{compared.verdict}")

results.n = len(test)
labels, near_fork = test.labels["label"], (test.frame["turning"] != FOLLOW).to_numpy()
(task,) = drives.schema.tasks
errors = kf.evaluation.compare_predictions(task, labels, steering, groups=test.frame["episode"].to_numpy())
for name, by_seed in steering.items():
    for where, rows in {"": slice(None), ", near forks": near_fork, ", between forks": ~near_fork}.items():
        values = [float(np.abs(found - labels)[rows].mean()) for found in by_seed]
        results.add(f"track: {name}", f"mean absolute error{where}", values)
for name, other in [(BRANCHED, INPUT), (BRANCHED, BLIND), (INPUT, BLIND)]:
    for what, found in {"forks": compared, "error": errors}.items():
        gain = found.differences[name, other]
        print(
            f"{name} against {other}, {what}: {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], p = {gain.p:.3f}"
        )
        results.add(f"track: {name} against {other}", f"p ({what})", gain.p)
save_drives(
    arguments.output_dir / "driving.png", tracks[:7], {name: paths[name] for name in (BRANCHED, BLIND, COMMAND)}
)

# %% [markdown]
# `driving.png` shows the first tracks from above.
#
# ## 5. A recorded drive
#
# Five minutes in a simulator (Udacity), three cameras in one image. The driver steered by keys: 72 % of the frames
# have a steering of exactly 0. Two traps:
#
# - The command of a frame was derived from the mean steering of the *next* 20 frames. As an instruction that is
#   fair; as an input it is a glimpse of the answer, since steering changes slowly. So the mean steering of each
#   command is a baseline: what the command gives away without any image.
# - Steering one frame (71 ms) before is nearly the answer, and whoever copies it does not drive: it is a row of the
#   table, and no network gets it.
#
# Splits are contiguous blocks, as given, without the frames beside their borders. Neighboring frames are alike, so
# intervals come from a bootstrap of blocks of 50 frames.


# %%
def score_recorded_drive(recorded):
    data = kf.data.load(recorded, **ROLES, image_size=(48, 64), allow_external_paths=True)
    test = data.splits[arguments.on]
    labels, known = test.labels["label"], data.splits["train"].frame
    of_command = known.groupby("command")["steering"].mean()
    found = {
        "zero": np.zeros(len(test)),
        COMMAND: test.frame["command"].map(of_command).to_numpy(),
        "copy of the last steering": test.frame["last"].to_numpy(),
    }
    found = {name: [values] * len(results.seeds) for name, values in found.items()}
    for seed in results.seeds:
        for name in (BRANCHED, INPUT, BLIND):
            model = train_network(name, data, seed, 3, folder / "recorded", dropout=0.3)
            conditions = {"": test}
            if name == BRANCHED:
                conditions |= {f", without {f.name}": test.without(f.name) for f in data.schema.features}
            for condition, examples in conditions.items():
                found.setdefault(name + condition, []).append(predict_steering(model, examples))
    results.n = len(test)
    turns = (test.frame["command"] != "go straight").to_numpy()
    squares = {name: [(values - labels) ** 2 for values in by_seed] for name, by_seed in found.items()}
    for name, by_seed in squares.items():
        for where, rows in {"": slice(None), ", turns": turns, ", straight": ~turns}.items():
            results.add(f"recorded: {name}", f"RMSE{where}", [float(part[rows].mean() ** 0.5) for part in by_seed])
        results.add(f"recorded: {name}", "mean absolute error", [float(np.sqrt(part).mean()) for part in by_seed])
    blocks = test.frame["frame"].to_numpy() // 50
    print(f"\nDifferences of squared errors, {len(np.unique(blocks))} blocks")
    for name, other in [
        (BRANCHED, "zero"),
        (BRANCHED, COMMAND),
        (BRANCHED, INPUT),
        (BRANCHED, BLIND),
        (BLIND, "zero"),
    ]:
        gain = np.mean(squares[other], axis=0) - np.mean(squares[name], axis=0)
        low, high = bootstrap_interval(by_group(gain, blocks), by_group(np.ones(len(gain)), blocks))
        print(f"{name} against {other}: {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
        for end, value in {"gain": gain.mean(), "low": low, "high": high}.items():
            results.add(f"recorded: {name} against {other}", f"squared error, {end}", float(value))


ROLES = {"image": "image", "text": "command", "numeric": "speed", "label": "steering", "split": "split"}
ROLES["problem_type"] = "regression"
if arguments.data_dir and not arguments.quick:
    score_recorded_drive(udacity_drive(Path(arguments.data_dir) / "udacity_driving", folder / "mirrored"))

# %% [markdown]
# ## 6. Serve it
#
# The SavedModel takes the bytes of an image, a command and a speed, and gives the steering. The same image is sent
# with three commands; then without one, and as a file that is cut off. Those rows are answered too: `image_ok` tells
# a client that the car saw nothing, which is a reason to brake.

# %%
fork_frame = np.flatnonzero(near_fork & (np.abs(labels) > 0.4))[:1]
raw = test.take(np.repeat(fork_frame, 5)).raw_inputs()
run = kf.workflows.save_run(networks[BRANCHED], drives.schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
raw["text"] = [b"turn left", b"go straight", b"turn right", b"", b"turn left"]
raw["image_bytes"][4] = raw["image_bytes"][4][:100]
with CApiSession(version) as session:
    answered = session.run("serving_default", raw)
for command, value, ok in zip(raw["text"], np.ravel(answered["label"]), np.ravel(answered["image_ok"]), strict=True):
    print(f"{command.decode() or '(no command)':14} steering {float(value):+.2f}   image read: {bool(ok)}")

# %% [markdown]
# ## Try it yourself
#
# How many drives does the command as input need to equal the branches (`sizes`)? Leave out the bursts of wrong
# steering in `expert_drives`: the error on recorded frames hardly changes, but do the cars still arrive? Which branch
# do phrases choose (`model.fusion.choice`), and what does "turn around" do?

# %%
for seed in results.seeds:
    results.record(f"24_driving, seed {seed}", seed)
_common.finish(report.ok)
