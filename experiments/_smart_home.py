"""Smart home: recorded actions and readings, and a drawn room with a person, a lamp and a plug."""

import io

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

# Of the drawn room: pixels, frames of a video, samples of a sensor.
HEIGHT, WIDTH, FRAMES, SAMPLES = 24, 32, 8, 32
ACTIONS = ("leave", "switch off", "switch on")
# Of the recorded strips.
STRIP = 16


def encoded(pixels):
    """The bytes of a PNG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png", compress_level=1)
    return content.getvalue()


def home_actions(folder, size=(40, 30)):
    """Read the recorded actions: `video` (lists of 16 frames), `label`, `visible`, `motion`, `episode` and `split`.

    Args:
        folder: Path of `home_actions`.
        size: Width and height of the frames. Defaults to `(40, 30)`.

    Returns:
        pandas.DataFrame. Windows of one `episode` are near-duplicates; recordings do not straddle splits.
    """
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    videos = []
    for name in table["frames"]:
        strip = Image.open(folder / name).convert("RGB")
        side = strip.width // STRIP
        frames = [strip.crop((i * side, 0, (i + 1) * side, strip.height)).resize(size) for i in range(STRIP)]
        videos.append([encoded(np.asarray(frame)) for frame in frames])
    episodes = [
        f"{recording} {start}" for recording, (start, _) in zip(table["recording"], table["segment"], strict=True)
    ]
    table = table.assign(video=videos, episode=episodes)
    table.attrs.update(source=folder.name)
    return table


def mean_frames(table):
    """The mean of each video's frames and of their changes, as one vector each: float `(n, d)`."""
    found = []
    for frames in table["video"]:
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(frame)).convert("L"), float) for frame in frames]) / 255
        found.append(np.stack([pixels.mean(axis=0), np.abs(np.diff(pixels, axis=0)).mean(axis=0)]))
    found = np.array(found)
    # Blocks of 5 x 5 pixels.
    rows, columns = found.shape[2] // 5, found.shape[3] // 5
    blocks = found[:, :, : rows * 5, : columns * 5].reshape(len(found), 2, rows, 5, columns, 5).mean(axis=(3, 5))
    return blocks.reshape(len(found), -1)


def occupancy(folder):
    """Read the office readings, and split off the last fifth of the training days for validation.

    Returns:
        pandas.DataFrame: `time`, `temperature_c`, `humidity_pct`, `co2_ppm`, `occupied` and `split` (train,
        validation, and the two published tests: `test`, which is before the training days, and `test2` after them).
    """
    table = pd.read_json(folder / "data.jsonl", lines=True)
    train = np.flatnonzero(table["split"] == "train")
    table.loc[train[int(0.8 * len(train)) :], "split"] = "validation"
    table["time"] = pd.to_datetime(table["time"]).astype("str")
    return table


def relative(windows):
    """Windows `(samples, channels)` above their own minimum: what a room's drifting level cannot change."""
    return [window - np.nanmin(window, axis=0) for window in windows]


def draw_home(sizes, seed=0):
    """Draw a room seen by an infrared camera on the ceiling, beside the readings of two sensors.

    A person may be there, warmer than the furniture, who moves a little. The lamp is on or off: it takes 40 W, seen
    at a plug whose other load drifts; a thermometer says nothing about either. The right action follows from both:
    switch the lamp on for a person in the dark, off in an empty room, and leave it otherwise.

    Args:
        sizes: Dict of split -> number of rows.
        seed: Seed of the rooms.

    Returns:
        pandas.DataFrame: `video` (list of encoded frames), `sensors` (float32 `(32, 2)`), `present`, `lamp`, `action`
        and `split`.
    """
    rows = []
    for number, (split, size) in enumerate(sizes.items()):
        rng = np.random.default_rng((seed, number))
        for _ in range(size):
            present, lamp = rng.random(2) < 0.5
            action = "leave" if present == lamp else "switch on" if present else "switch off"
            row = {"video": draw_room(rng, present), "sensors": read_sensors(rng, lamp)}
            rows.append({**row, "present": present, "lamp": lamp, "action": action, "split": split})
    table = pd.DataFrame(rows)
    table.attrs.update(source="drawn home")
    return table


def draw_room(rng, present):
    """Encoded frames of a room with furniture, and with a person who walks or sits, if there is one."""
    ground = np.full((HEIGHT, WIDTH), rng.uniform(60, 110))
    for _ in range(rng.integers(2, 5)):
        top, left = rng.integers(0, HEIGHT - 6), rng.integers(0, WIDTH - 8)
        ground[top : top + rng.integers(3, 7), left : left + rng.integers(3, 9)] = rng.uniform(30, 150)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    place, speed = rng.uniform((4, 4), (HEIGHT - 4, WIDTH - 4)), rng.normal(0, rng.choice([0.4, 1.5]), 2)
    shade = rng.uniform(170, 220)
    frames = []
    for _ in range(FRAMES):
        pixels = ground + rng.normal(0, 12, ground.shape)
        if present:
            body = (rows - place[0]) ** 2 + (columns - place[1]) ** 2 < 7
            pixels[body] = shade + rng.normal(0, 12, body.sum())
            place = np.clip(place + speed + rng.normal(0, 0.3, 2), 2, (HEIGHT - 3, WIDTH - 3))
        frames.append(encoded(np.repeat(pixels.clip(0, 255).astype("uint8")[..., None], 3, axis=2)))
    return frames


def read_sensors(rng, lamp):
    """Watts at the plug and degrees: float32 `(32, 2)`."""
    other = rng.uniform(15, 35) + np.cumsum(rng.normal(0, 2, SAMPLES))
    # A cooling compressor that runs now and then, with twice the lamp's power.
    other += 80 * (np.sin(rng.uniform(0, 6.3) + np.arange(SAMPLES) / rng.uniform(1.5, 4)) > 0.6)
    degrees = rng.uniform(17, 24) + np.cumsum(rng.normal(0, 0.05, SAMPLES))
    return np.stack([other + 40 * lamp + rng.normal(0, 5, SAMPLES), degrees], axis=1).astype("float32")


def with_failing_sensor(table, seed=0, channel=0):
    """The rows with no readings of a channel from a random sample on, in the middle half of the window.

    Args:
        table: From `draw_home`.
        seed: Seed of the samples.
        channel: int, the channel. Defaults to 0, the plug.
    """
    rng, failing = np.random.default_rng(seed), []
    for sensors in table["sensors"]:
        sensors = sensors.copy()
        sensors[rng.integers(SAMPLES // 4, 3 * SAMPLES // 4) :, channel] = np.nan
        failing.append(sensors)
    found = table.assign(sensors=failing)
    found.attrs.update(table.attrs)
    return found


def save_room(path, table, count=4):
    """Save the first videos as strips, each beside its sensors."""
    figure = Figure(figsize=(11, 1.5 * count), layout="constrained")
    for (video, sensors), row in zip(
        figure.subplots(count, 2, width_ratios=(3, 1)), table.head(count).itertuples(), strict=True
    ):
        frames = [np.asarray(Image.open(io.BytesIO(frame))) for frame in row.video]
        frames = [np.pad(frame, ((0, 0), (1, 1), (0, 0)), constant_values=255) for frame in frames]
        video.imshow(np.concatenate(frames, axis=1))
        video.set_title(
            f"{'somebody' if row.present else 'nobody'} there, lamp {'on' if row.lamp else 'off'}: {row.action}",
            fontsize=8,
        )
        video.axis("off")
        sensors.plot(row.sensors[:, 0], color="#1f6feb")
        sensors.set_ylabel("watts", fontsize=7)
        sensors.set_ylim(0, 220)
        sensors.set_xlabel("sample", fontsize=7)
        sensors.tick_params(labelsize=6)
    figure.savefig(path, dpi=120)
