"""Video summaries: videos of moving shapes with queries, and the TVSum protocol."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from kerasfusion.data.moving_shapes import ask, draw_video, encode_video, sample_moving_scene
from kerasfusion.evaluation import choose_segments, rank_correlations, summary_f1

# Rank correlations are computed on each 15th frame, two a second, as by their authors (arXiv 1903.11328).
EVERY = 15


def draw_queries(sizes, seed=0):
    """Draw videos of moving shapes, with a row for each event.

    Args:
        sizes: dict split -> number of videos.
        seed: Seed of the videos; each has chance of its own.

    Returns:
        pandas.DataFrame: `video` (list of PNG bytes, one frame per segment), `query`, `kind` of the event, `summary`
        (list of 0 and 1 per segment) and `split`.
    """
    rows = []
    for stream, (split, size) in enumerate(sizes.items()):
        for number in range(size):
            rng = np.random.default_rng([seed, stream, number])
            scene = sample_moving_scene(rng)
            video = encode_video(draw_video(scene, rng))
            for query in ask(scene, rng):
                marks = query.frames.astype(int).tolist()
                kind = query.event.kind
                rows.append({"video": video, "query": query.text, "kind": kind, "summary": marks, "split": split})
    table = pd.DataFrame(rows)
    table.attrs.update(source="moving shapes")
    return table


def tvsum(folder):
    """Read TVSum: one row per video, with `title`, `seconds`, and `users`, uint8 `(20, frames)`, scores of 1 to 5."""
    table = pd.read_json(folder / "data.jsonl", lines=True)
    with np.load(folder / "scores.npz") as stored:
        table["users"] = [stored[f"{video}/user_anno"] for video in table["video"]]
    return table


def draw_annotations(videos=10, users=5, seed=0):
    """Draw annotations in the columns of `tvsum`: videos of how-tos, whose end matters, and others."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(videos):
        shots = int(rng.integers(20, 30))
        common = rng.normal(0, 1, shots) + (number % 2) * np.linspace(0, 3, shots)
        scores = np.clip(np.round(3 + common / 2 + rng.normal(0, 1, (users, shots))), 1, 5).astype("uint8")
        title = f"how to mend it, part {number}" if number % 2 else f"parade number {number}"
        rows.append({"title": title, "seconds": 2.0 * shots, "users": np.repeat(scores, 60, axis=1)})
    return pd.DataFrame(rows)


class AnnotatedVideo:
    """One video of `tvsum`, and how scores agree with those of its users.

    Args:
        row: A row of the table.

    Attributes:
        durations: int `(T,)`, frames of each segment of two seconds.
        middles: float `(T,)`, the middle of each segment in seconds.
        mean: float `(T,)`, mean score of each segment over all users: what models learn.
        summaries: bool `(users, T)`, the segments that a user's own scores choose.
    """

    def __init__(self, row):
        self.title, self.users, frames = row.title, row.users, row.users.shape[1]
        rate = frames / row.seconds
        starts = np.unique(np.round(np.arange(0, row.seconds, 2) * rate).astype(int))
        starts = starts[starts < frames]
        self.durations = np.diff([*starts, frames])
        self.middles = (starts + self.durations / 2) / rate
        self.position = self.middles / row.seconds
        by_segment = np.add.reduceat(self.users, starts, axis=1, dtype=float) / self.durations
        self.mean = by_segment.mean(axis=0)
        self.summaries = np.array([choose_segments(own, 0.15, self.durations) for own in by_segment])

    def agreement(self, scores):
        """Mean tau, rho and F1 of scores per segment with every user."""
        tau, rho = rank_correlations(np.repeat(scores, self.durations)[::EVERY], self.users[:, ::EVERY])
        chosen = choose_segments(scores, 0.15, self.durations)
        return tau.mean(), rho.mean(), summary_f1(chosen, self.summaries, self.durations).mean()

    def human(self):
        """The same of each user with each other one."""
        found = []
        for i in range(len(self.users) - 1):
            others, shown = slice(i + 1, None), self.users[:, ::EVERY]
            f1 = summary_f1(self.summaries[i], self.summaries[others], self.durations)
            found.append(np.stack([*rank_correlations(shown[i], shown[others]), f1]))
        return np.concatenate(found, axis=1).mean(axis=1)


def segment_table(videos, chosen, known):
    """Describe the segments of some videos by time and title.

    Args:
        videos: List of `AnnotatedVideo`.
        chosen: int array, which of them.
        known: int array, those whose titles say what there is to know of titles.

    Returns:
        pandas.DataFrame, a row per segment: number of the video; position in it from 0 to 1, and seconds from its
        start; and its title's place along the main directions of the known titles' TF-IDF vectors.
    """
    titles = np.array([video.title for video in videos])
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit(titles[known])
    words = vectorizer.transform(titles)
    count = min(8, len(known) - 1, words.shape[1])
    directions = TruncatedSVD(count, random_state=0).fit(words[known]).transform(words)
    return pd.DataFrame(
        [
            [number, videos[number].position[t], videos[number].middles[t], *directions[number]]
            for number in chosen
            for t in range(len(videos[number].mean))
        ]
    )


def evenly_spaced(count, length):
    """Choose `count` of `length` segments, evenly spaced: bool `(length,)`."""
    chosen = np.zeros(length, bool)
    chosen[((np.arange(count) + 0.5) * length / count).astype(int)] = True
    return chosen


def save_summaries(path, videos, captions, true, scores, chosen):
    """Save a figure with a row per video: its frames, and below them a bar per segment.

    Args:
        path: The PNG file.
        videos: List of uint8 arrays `(T, H, W, 3)`.
        captions: List of strings, the queries.
        true: bool `(n, T)`, the right summaries: green bars.
        scores: float `(n, T)` in 0..1, the bars' heights.
        chosen: bool `(n, T)`, the segments whose frames are framed in blue.
    """
    figure = Figure(figsize=(13, 1.35 * len(videos)), layout="constrained")
    axes = figure.subplots(2 * len(videos), 1, gridspec_kw={"height_ratios": [1, 0.8] * len(videos)})
    for row, (video, caption) in enumerate(zip(videos, captions, strict=True)):
        above, below = axes[2 * row : 2 * row + 2]
        side = video.shape[2]
        above.imshow(np.concatenate(list(video), axis=1), aspect="auto")
        for t in np.flatnonzero(chosen[row]):
            corner = (t * side + 1, 1)
            above.add_patch(Rectangle(corner, side - 3, video.shape[1] - 3, fill=False, color="#1f6feb", lw=2))
        above.set_title(caption, fontsize=9, loc="left", pad=3)
        above.axis("off")
        colors = np.where(true[row], "#2da44e", "#c4ccd6")
        below.bar(np.arange(len(video)), np.maximum(scores[row], 0.02), color=colors, width=0.9)
        below.set(xlim=(-0.5, len(video) - 0.5), ylim=(0, 1), xticks=[], yticks=[0, 1])
        below.tick_params(labelsize=6)
        below.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=110)
