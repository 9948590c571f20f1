# %% [markdown]
"""# Video summary: the part of a video that a sentence asks for

- Article: 000, section 6.3
- What you will learn: score every segment of a video by frames and a query, and what scores of summaries are worth
- Time: ten minutes on one core (`--quick`: a minute)
- Data: videos that the script draws, and DATA/tvsum_labels, 50 videos' scores by 20 people each (no frames)

```shell
python experiments/21_video_summary.py --data-dir DATA
python experiments/21_video_summary.py --quick
```

A summary is a choice of segments that fits into 15 % of the video. For the videos of TVSum, twenty people scored
every two seconds. Their frames are not part of the data set, so the first part asks what can be had without: how much
people agree, and what title and time alone say.

The article lets the user describe what the summary is to be about. In the second part, videos of moving shapes come
with a query, "the red circle meets the square", whose right summary is known: the frames in which it happens.
"""

# %%
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from _figures import save_bars, save_curves
from _video_summary import (
    AnnotatedVideo,
    draw_annotations,
    draw_queries,
    evenly_spaced,
    save_summaries,
    segment_table,
    tvsum,
)
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

import kerasfusion as kf
from kerasfusion.data.moving_shapes import encode_gif
from kerasfusion.evaluation import choose_segments, postprocess, predict_logits, rank_correlations
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "21_video_summary", seeds=3)
arguments = _common.parse(parser)
results = _common.Results(arguments, "21_video_summary", ["seeds", "on"], "video_summary.csv")
folder = arguments.output_dir / ("quick" if arguments.quick else "full")

# %% [markdown]
# ## 1. How much people agree
#
# The TVSum protocol: segments are scored, a knapsack chooses those with the highest sum within 15 % of the duration,
# and F1 compares the choice with that of each user. The published figures use segments of unequal length, found by
# kernel temporal segmentation, which needs the frames; ours are two seconds each. F1 depends so much on the segments
# (with those of the papers, random scores reach that of trained models) that it cannot be compared with published
# figures. Kendall's tau and Spearman's rho need no segments and can be: "people" and "random" are in that paper's
# table with a tau of 0.177 and 0.000 and a rho of 0.204 and 0.000.

# %%
if arguments.quick:
    table = draw_annotations()
elif arguments.data_dir:
    table = tvsum(Path(arguments.data_dir) / "tvsum_labels")
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds tvsum_labels, or try --quick")
videos = [AnnotatedVideo(row) for row in table.itertuples()]
rng = np.random.default_rng(0)
agreed = {
    "people": np.array([video.human() for video in videos]),
    "random": np.array([np.mean([v.agreement(rng.random(len(v.mean))) for _ in range(5)], axis=0) for v in videos]),
}

# %% [markdown]
# ## 2. What title and time say
#
# Five splits of 40 and 10 videos; the models learn the mean score of a segment. A title alone gives all segments of a
# video the same score: it cannot rank them, so that its correlations are 0 by definition. Beside the time, it can
# tell kinds of videos whose course differs. No setting was chosen on these videos.

# %%
TITLE, TIME, BOTH = "title alone", "time alone", "title + time"
COLUMNS = {TITLE: slice(3, None), TIME: slice(1, 3), BOTH: slice(1, None)}
agreed |= {name: np.zeros((len(videos), 3)) for name in COLUMNS}
for known, asked in KFold(5, shuffle=True, random_state=0).split(videos):
    train, test = (segment_table(videos, chosen, known) for chosen in (known, asked))
    importance = np.concatenate([videos[number].mean for number in known])
    for name, columns in COLUMNS.items():
        model = HistGradientBoostingRegressor(max_iter=60, learning_rate=0.05, random_state=0)
        scores = model.fit(train.iloc[:, columns], importance).predict(test.iloc[:, columns])
        for number in asked:
            agreed[name][number] = videos[number].agreement(scores[(test[0] == number).to_numpy()])

for name, found in agreed.items():
    for place, metric in enumerate(("Kendall tau", "Spearman rho", "F1")):
        results.add(f"TVSum: {name}", metric, float(found[:, place].mean()), n=len(videos))
for name, other in ((TIME, "random"), (BOTH, "random"), (BOTH, TIME)):
    gain = stats.ttest_rel(agreed[name][:, 0], agreed[other][:, 0])
    low, high = gain.confidence_interval()
    print(f"{name} against {other}: tau {low:+.3f} to {high:+.3f}, p = {gain.pvalue:.3f}")
    results.add(f"TVSum: {name} against {other}", "p (tau)", float(gain.pvalue), n=len(videos))

# %% [markdown]
# ## 3. Videos with a query
#
# Three or four shapes circle around, and four things happen one after the other: two shapes meet, one stops, one
# hides. Each of them has a query; its label is a list with a 1 for each frame in which it happens (2 to 4 of 24).
# All queries of a video are kept together in a batch, so that its frames are encoded once.

# %%
sizes = {"train": 600, "validation": 100, "test": 200}
if arguments.quick:
    sizes = {"train": 40, "validation": 12, "test": 12}
data = kf.data.load(
    draw_queries(sizes),
    video="video",
    text="query",
    label="summary",
    split="split",
    problem_type="segments",
    frames=24,
    image_size=32,
)
task = data.schema["label"]
train, validation, test = data.splits["train"], data.splits["validation"], data.splits[arguments.on]
true, kinds, places = test.labels["label"], test.frame["kind"].to_numpy(), test.arrays["video"]
length = true.shape[1]
count = int(choose_segments(np.zeros(length)).sum())
results.n = len(test)
print(test.frame[["query", "summary"]].head(4).to_string(index=False), "\n")

# %% [markdown]
# ## 4. Train with and without the query
#
# A small CNN encodes each frame, and convolutions over time let each frame know its neighbors: "stops" cannot be seen
# in a single one. The words and the frames are the tokens of one transformer, which is read at the frames
# (`read_at="video"`); one layer scores them all. "Frames alone" is the same network, trained without any query.

# %%
FUSED, BLIND = "frames + query", "frames alone"
VIDEO = {"name": "cnn", "frame_encoder": {"name": "small_cnn", "filters": (8, 16, 32), "flatten": True}}
EPOCHS = 3 if arguments.quick else 12


def train_model(name, seed):
    keras.utils.set_random_seed(seed)
    model = kf.models.fusion_model(
        data.schema,
        text_encoder="gru",
        video_encoder=VIDEO,
        fusion={"name": "token_transformer", "read_at": "video"},
        units=64,
    )
    rows = [part if name == FUSED else part.without("text") for part in (train, validation)]
    settings = {"epochs": EPOCHS, "patience": None, "batch_size": 32, "learning_rate": 3e-3}
    config = kf.training.TrainingConfig(seed=seed, **settings)
    log = kf.training.fit(model, *rows, config, folder / f"{name}, seed {seed}", verbose=0, resume=True)
    return model, pd.DataFrame(log["history"]).set_index("epoch")["val_loss"]


def predict(model, examples):
    return postprocess(model, predict_logits(model, examples))["label"]["probabilities"]


CONDITIONS = {"": test, ", query removed": test.without("text"), ", frames removed": test.without("video")}
scores, curves = {}, {FUSED: {}, BLIND: {}}
for seed in results.seeds:
    for name in (FUSED, BLIND):
        model, curves[name][seed] = train_model(name, seed)
        for condition, examples in CONDITIONS.items():
            if name == FUSED or not condition:
                scores.setdefault(name + condition, []).append(predict(model, examples))
        if seed == 0 and name == FUSED:
            served = model

# %% [markdown]
# ## 5. What else could choose
#
# The query alone: TF-IDF and a logistic regression for each segment. Evenly spaced segments, and random ones. The
# ceiling chooses by the labels: summaries have 3 segments, and events 2 to 4.

# %%
words = kf.evaluation.BagOfWords(train, validation).predict(test)["label"]["probabilities"]
rng = np.random.default_rng(0)
scores["query alone (TF-IDF)"] = [words] * len(results.seeds)
scores["evenly spaced"] = [np.tile(evenly_spaced(count, length).astype(float), (len(test), 1))] * len(results.seeds)
scores["random"] = [rng.random(true.shape) for _ in results.seeds]
CEILING = "ceiling: chosen by the labels"
scores[CEILING] = [true] * len(results.seeds)
chosen = {
    name: [np.array([choose_segments(own) for own in found]).astype("float32") for found in by_seed]
    for name, by_seed in scores.items()
}

# %% [markdown]
# ## 6. Results
#
# F1 over all queries together, of the three chosen segments; tau within each video, on average. The comparison is
# over seeds and videos, whose queries count as one.


# %%
def f1(decided, rows=slice(None)):
    return float(2 * (decided[rows] * true[rows]).sum() / (decided[rows].sum() + true[rows].sum()))


for name, by_seed in chosen.items():
    results.add(name, "F1", [f1(decided) for decided in by_seed])
    if name != CEILING:
        taus = [
            [rank_correlations(s, t[None])[0][0] for s, t in zip(found, true, strict=True)] for found in scores[name]
        ]
        results.add(name, "Kendall tau", [float(np.mean(found)) for found in taus])
    for kind in ("meets", "stops", "hides"):
        results.add(name, f"F1 ({kind})", [f1(decided, kinds == kind) for decided in by_seed])

del chosen[CEILING]
compared = kf.evaluation.compare_predictions(task, true, chosen, groups=places)
print(f"\n{compared.verdict}")
for name, other in [(FUSED, other) for other in chosen if other != FUSED] + [(BLIND, "random")]:
    gain = compared.differences[name, other]
    print(f"{name} against {other}: {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}], p = {gain.p:.3f}")
    results.add(f"{name} against {other}", "p (F1)", gain.p)

# %% [markdown]
# `learning.png` shows the validation loss beside that of always answering how often a segment is right; `models.png`
# the F1 of each model by kind of event; `summaries.png` four queries of one video: green bars are right, blue frames
# chosen.

# %%
rate = float(train.labels["label"].mean())
level = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
curves = {name: pd.DataFrame(found) for name, found in curves.items()}
save_curves(
    arguments.output_dir / "learning.png", curves, ("constant answer", level), "epoch", "validation loss", "linear"
)
table = results.by_seed()
names = [FUSED, FUSED + ", query removed", BLIND, "query alone (TF-IDF)", "evenly spaced", "random"]
panels = {
    title: pd.DataFrame({name: table.loc[(name, metric)] for name in names}).T
    for title, metric in [("all queries", "F1")] + [(kind, f"F1 ({kind})") for kind in ("meets", "stops", "hides")]
}
save_bars(arguments.output_dir / "models.png", panels, ("frames",), "F1")
few = np.flatnonzero(places == places[0])
frames = test.banks["video"].fetch(places[few])[0].numpy()
queries = list(test.frame["query"].iloc[few])
shown = [found[FUSED][0][few] for found in (scores, chosen)]
save_summaries(arguments.output_dir / "summaries.png", frames, queries, true[few] > 0, shown[0], shown[1] > 0)

# %% [markdown]
# ## 7. Serve it
#
# The signature `summarize` takes encoded frames (or one animated GIF), the query and the share of the video to keep,
# and gives the scores and the chosen segments. The segments are of one length, so the knapsack is a choice of the
# best, made in the graph. What is missing or cannot be read does not fail the request: without frames nothing is
# chosen, and `video_ok` says so.

# %%
raw = test.take(few).raw_inputs()
run = kf.workflows.save_run(served, data.schema, arguments.output_dir / "run", raw, overwrite=True)
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
video, query, nothing = raw["video_bytes"][0], raw["text"][0], [b""] * length
sent = {
    "frames": (video, query, 0.15),
    "frames, another query": (video, raw["text"][-1], 0.15),
    "one animated GIF": ([encode_gif(frames[0]), *nothing[1:]], query, 0.15),
    "half of the video": (video, query, 0.5),
    "no query": (video, b"", 0.15),
    "no frames": (nothing, query, 0.15),
    "broken frames": ([b"not an image"] * length, query, 0.15),
}
columns = zip(*sent.values(), strict=True)
inputs = dict(zip(("video_bytes", "text", "share"), map(list, columns), strict=True))
with CApiSession(version) as session:
    answers = session.run("summarize", {**inputs, "share": np.array(inputs["share"], "float32")})
print(f"Right: {np.flatnonzero(true[few[0]]).tolist()} of {queries[0]!r}")
for row, what in enumerate(sent):
    print(f"  {what:24} {np.flatnonzero(answers['chosen'][row]).tolist()} (read: {bool(answers['video_ok'][row])})")

# %% [markdown]
# ## Try it yourself
#
# Ask for events that do not happen: how do the scores say so? Draw longer videos, or longer summaries. Replace the
# convolutions over time by `"average"`: which kind of event suffers, and why?

# %%
for seed in results.seeds:
    results.record(f"21_video_summary, seed {seed}", seed)
_common.finish(report.ok)
