"""Video dialogues: a table of drawn ones, the best possible accuracy with parts missing, and a figure."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kerasfusion.data import wav_bytes
from kerasfusion.data.moving_shapes import (
    ORDERS,
    RATE,
    TONES,
    courses,
    draw_sound,
    draw_video,
    encode_video,
    sample_dialogues,
)
from kerasfusion.data.shapes_world import COLORS

# What can be missing in a row of a drawn dialogue, in the order of `_observations`.
PARTS = ("video", "sound", "history")


def draw_dialogues(sizes, seed=0):
    """Draw videos of moving shapes with sound, with a row for each turn of two dialogues about them.

    Args:
        sizes: dict split -> number of videos.
        seed: Seed of the videos; each has chance of its own.

    Returns:
        pandas.DataFrame: `video` (list of PNG bytes, 12 frames of 32 x 32 pixels), `sound` (WAV bytes), `history`
        (the turns before; None for the first), `question`, `answer`, `kind` of the turn, and `split`.
    """
    rows = []
    for stream, (split, size) in enumerate(sizes.items()):
        for number in range(size):
            rng = np.random.default_rng([seed, stream, number])
            dialogues = sample_dialogues(rng)
            scene, tones = dialogues[0].scene, dialogues[0].tones
            video = encode_video(_half_size(draw_video(scene, rng)[::2]))
            sound = wav_bytes(draw_sound(scene, tones, rng), RATE)
            for dialogue in dialogues:
                for place, (kind, question, answer) in enumerate(dialogue.turns):
                    history = dialogue.history(place) or None
                    rows.append((video, sound, history, question, answer, kind, split))
    table = pd.DataFrame(rows, columns=["video", "sound", "history", "question", "answer", "kind", "split"])
    table.attrs.update(source="dialogues about moving shapes")
    return table


def _half_size(frames):
    """The mean of each 2 x 2 pixels."""
    count, height, width, channels = frames.shape
    blocks = frames.reshape(count, height // 2, 2, width // 2, 2, channels)
    return np.rint(blocks.mean(axis=(2, 4))).astype("uint8")


def ceilings():
    """Compute the accuracy of the best possible answers to drawn dialogues, by what is missing.

    Every dialogue that can be drawn is enumerated: all courses, colors and orders of turns, which are equally likely.
    Of those that look the same without the missing parts, the best answer is the most frequent one.

    Returns:
        pandas.DataFrame: a row for each kind of turn, then `"all"`; a column for each set of missing parts, such as
        `"video + sound"`, `""` for none.
    """
    table = pd.DataFrame(_observations(), columns=["kind", "answer", "question", *PARTS])
    found = {}
    for size in range(len(PARTS) + 1):
        for missing in itertools.combinations(PARTS, size):
            seen = ["kind", "question", *(part for part in PARTS if part not in missing)]
            counts = table.groupby([*seen, "answer"], sort=False).size()
            right = counts.groupby("kind", sort=False).sum()
            best = counts.groupby(seen, sort=False).max().groupby("kind", sort=False).sum()
            found[" + ".join(missing)] = pd.concat([best / right, pd.Series({"all": best.sum() / right.sum()})])
    return pd.DataFrame(found)


def _observations():
    """Yield kind, answer and question of each turn of each dialogue, and what video, sound and history tell."""
    for course in courses():
        # Nobody asks for the third shape's color, so any other one will do.
        for colors in ((*asked, "other") for asked in itertools.permutations(COLORS, 2)):
            # That a shape meets another one is the same as that the other one meets it.
            video = tuple(
                (kind, *sorted(colors[number] for number in objects if number is not None))
                for kind, *objects in course.events
            )
            # By symmetry, dialogues about the other shape have the same ceilings.
            for order in ORDERS:
                history = ()
                for kind, question, answer in course.turns(colors, 0, order):
                    yield kind, answer, question, hash(video), course.tones, hash(history)
                    history = (*history, question, answer)


def save_dialogue(path, examples, answers):
    """Save a figure of one video: its frames, its sound, and the turns of its dialogues with a model's answers.

    Args:
        path: The PNG file.
        examples: `Examples` whose rows are the turns, all about the same video.
        answers: List of strings, the model's answers.
    """
    frames = examples.banks["video"].fetch(examples.arrays["video"][:1])[0][0].numpy()
    samples = examples.banks["signal"].fetch(examples.arrays["signal"][:1])[0][0].numpy()[:, 0]
    figure = Figure(figsize=(11, 1.9 + 0.24 * len(answers)), layout="constrained")
    above, middle, below = figure.subplots(3, 1, gridspec_kw={"height_ratios": [0.9, 0.6, 0.24 * len(answers)]})
    above.imshow(np.concatenate(list(frames), axis=1), aspect="auto")
    above.axis("off")
    # The spectrum of each tenth of a frame of the video, up to the highest frequency.
    middle.specgram(samples, NFFT=128, noverlap=96, Fs=RATE, cmap="Greys")
    middle.set(xlim=(0, len(samples) / RATE), ylabel="Hz", xticks=[], yticks=list(TONES.values()))
    middle.tick_params(labelsize=6)
    below.axis("off")
    rows = zip(examples.frame["question"], examples.frame["answer"], answers, strict=True)
    for place, (question, right, given) in enumerate(rows):
        color = "#1f2328" if given == right else "#d1242f"
        said = f"{question}   {given}" + ("" if given == right else f"   (right: {right})")
        below.text(0.01, 1 - (place + 0.5) / len(answers), said, fontsize=8, color=color, va="center")
    figure.savefig(path, dpi=110)
