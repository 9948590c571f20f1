"""Digits that are spoken, drawn and spelled: the data of the tutorial on three modalities."""

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from kerasfusion.data import wav_bytes

RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
SPEAKERS = {
    "george": "train",
    "jackson": "train",
    "lucas": "train",
    "nicolas": "validation",
    "theo": "test",
    "yweweler": "test",
}

# A pen's way for each digit, through points of a unit square, y downwards.
STROKES = (
    [
        (0.5, 0.1),
        (0.25, 0.25),
        (0.2, 0.5),
        (0.25, 0.75),
        (0.5, 0.9),
        (0.75, 0.75),
        (0.8, 0.5),
        (0.75, 0.25),
        (0.5, 0.1),
    ],
    [(0.35, 0.3), (0.55, 0.1), (0.55, 0.9)],
    [(0.25, 0.3), (0.35, 0.13), (0.6, 0.1), (0.75, 0.28), (0.65, 0.5), (0.25, 0.88), (0.8, 0.88)],
    [(0.25, 0.15), (0.6, 0.1), (0.75, 0.27), (0.5, 0.47), (0.75, 0.65), (0.65, 0.87), (0.25, 0.87)],
    [(0.65, 0.9), (0.65, 0.1), (0.2, 0.62), (0.85, 0.62)],
    [(0.75, 0.1), (0.3, 0.1), (0.27, 0.47), (0.6, 0.43), (0.78, 0.65), (0.6, 0.88), (0.22, 0.85)],
    [(0.7, 0.12), (0.4, 0.3), (0.25, 0.65), (0.45, 0.9), (0.72, 0.78), (0.65, 0.55), (0.3, 0.6)],
    [(0.2, 0.12), (0.8, 0.12), (0.42, 0.9)],
    [(0.5, 0.48), (0.28, 0.28), (0.5, 0.1), (0.72, 0.28), (0.28, 0.7), (0.5, 0.9), (0.73, 0.7), (0.5, 0.48)],
    [(0.72, 0.38), (0.4, 0.48), (0.27, 0.25), (0.52, 0.1), (0.72, 0.25), (0.7, 0.6), (0.55, 0.9)],
)


def spoken_digits(folder):
    """Read recordings of six speakers: `audio` (bytes of a WAV file), `digit`, `speaker` and `split` (by speaker)."""
    table = pd.read_json(folder / "data.jsonl", lines=True)
    with np.load(folder / "audio.npz") as stored:
        codes, offsets = stored["ulaw"].astype(float), stored["offsets"]
    companded = 2 * codes / 255 - 1
    samples = np.sign(companded) * (256 ** np.abs(companded) - 1) / 255
    clips = [
        wav_bytes(samples[a:b], RATE)
        for a, b in zip(offsets[table["index"]], offsets[table["index"] + 1], strict=True)
    ]
    split = table["speaker"].map(SPEAKERS)
    return pd.DataFrame({"audio": clips, "digit": table["digit"], "speaker": table["speaker"], "split": split})


def draw_tones(rows=360, seed=0):
    """Draw a noisy tone for each digit, in the columns of `spoken_digits`; the speakers differ in pitch."""
    rng, found = np.random.default_rng(seed), []
    for row in range(rows):
        digit, voice = row // len(SPEAKERS) % 10, row % len(SPEAKERS)
        pitch = (300 + 150 * digit) * (1 + 0.02 * voice)
        time = np.arange(rng.integers(1200, 2400)) / RATE
        clip = wav_bytes(np.sin(2 * np.pi * pitch * time) * 0.3 + rng.normal(0, 0.3, len(time)), RATE)
        speaker, split = list(SPEAKERS.items())[voice]
        found.append({"audio": clip, "digit": digit, "speaker": speaker, "split": split})
    return pd.DataFrame(found)


def draw_digit(digit, rng, noise=130):
    """Draw a handwritten digit, slanted and unsteady, in noise: uint8 `(28, 28, 3)`."""
    points = np.array(STROKES[digit]) - 0.5 + rng.normal(0, 0.035, (len(STROKES[digit]), 2))
    angle, slant, scale = rng.normal(0, 0.2), rng.normal(0, 0.2), rng.uniform(0.7, 1.0, 2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = points * scale @ np.array([[1, 0], [slant, 1]]) @ rotation + 0.5 + rng.normal(0, 0.05, 2)
    # Drawn four times as large, so that the pen's edges are smooth.
    canvas = Image.new("L", (112, 112))
    line, width = [tuple(point) for point in points * 112], int(rng.integers(8, 14))
    ImageDraw.Draw(canvas).line(line, fill=int(rng.integers(140, 220)), width=width, joint="curve")
    pixels = np.asarray(canvas.resize((28, 28), Image.Resampling.BOX), float) + rng.normal(0, noise, (28, 28))
    return np.repeat(np.clip(pixels, 0, 255).astype("uint8")[..., None], 3, axis=-1)


def misspell(word, rng, wrong=0.35, lost=0.15):
    """Spell a word with letters that are wrong or lost, divided by spaces, so that each of them is a token."""
    letters = [rng.choice(LETTERS) if rng.random() < wrong else letter for letter in word]
    kept = [letter for letter in letters if rng.random() >= lost]
    return " ".join(kept or letters[:1])


def with_images_and_words(table, folder, seed=0):
    """Add a drawn digit (`image`, a file name) and a misspelled number word (`word`) to each recording."""
    rng, images, words = np.random.default_rng(seed), [], []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row, digit in enumerate(table["digit"]):
        images.append(f"images/{row}.png")
        Image.fromarray(draw_digit(digit, rng)).save(folder / images[-1])
        words.append(misspell(WORDS[digit], rng))
    table = table.assign(image=images, word=words)
    table.attrs.update(folder=str(folder))
    return table
