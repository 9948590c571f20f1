"""Driving: a track with forks seen by a drawn camera, its expert, closed-loop runs, and a recorded drive."""

import io

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from kerasfusion.preprocessing import text_vectorizer

HALF_WIDTH = 2.0
# Meters between points of a road, meters before and behind the fork, and where a command begins and ends.
STEP, BEFORE, BEHIND, ANNOUNCED, DONE = 0.5, 26.0, 24.0, 12.0, 14.0
# Steering of 1 turns the car on a circle of this radius, in meters.
RADIUS = 5.0
SECONDS = 0.1
HEIGHT, WIDTH = 32, 64
TURN = {"left": 1 / 9, "straight": 0.0, "right": -1 / 9}
KINDS = (("left", "right"), ("left", "straight"), ("straight", "right"), ("left", "straight", "right"))
FOLLOW = "follow"
# The last phrase of each command is kept for the test.
PHRASES = {
    "left": ("turn left", "take the left road", "please go left", "go to the left here", "please take the left road"),
    "right": (
        "turn right",
        "take the right road",
        "please go right",
        "go to the right here",
        "please take the right road",
    ),
    "straight": ("go straight", "keep straight on", "please go straight", "straight here", "please keep straight"),
    FOLLOW: (
        "follow the road",
        "stay on the road",
        "please follow the road",
        "just drive",
        "please stay on the road",
    ),
}


class Track:
    """A winding road that ends in a fork of two or three branches.

    Args:
        rng: NumPy generator that draws the road, its colors, the command and the car's start and speed.
        kind: Index of the fork in `KINDS`. Defaults to a random one.
        wanted: The branch to take. Defaults to a random one of the fork.

    Attributes:
        branches: dict name -> float `(points, 2)`, the center line from the start through that branch.
        wanted: str, the branch to take.
        speed: float, meters a second.
        goal: int, the point of the branch where the drive ends.
    """

    def __init__(self, rng, kind=None, wanted=None):
        names = KINDS[rng.integers(len(KINDS)) if kind is None else kind]
        self.wanted = wanted or names[rng.integers(len(names))]
        distance = np.arange(0, BEFORE, STEP)
        waves = sum(
            rng.uniform(-1, 1) * np.sin(2 * np.pi * (distance / length + rng.random())) for length in (15, 25, 40)
        )
        self.approach = len(distance)
        bends = 0.06 * waves * np.clip((BEFORE - distance) / 5, 0, 1)
        ahead = np.arange(0, BEHIND, STEP)
        self.branches = {
            name: center_line(np.concatenate([bends, TURN[name] * np.clip((14 - ahead) / 4, 0, 1)])) for name in names
        }
        self.road = np.concatenate(
            [
                next(iter(self.branches.values())),
                *(line[self.approach :] for line in list(self.branches.values())[1:]),
            ]
        )
        self.goal = self.approach + len(ahead) - 6
        self.speed = rng.uniform(4, 9)
        self.asphalt = rng.uniform(70, 130) + rng.uniform(-8, 8, 3)
        self.grass = np.array([rng.uniform(60, 120), rng.uniform(110, 180), rng.uniform(40, 90)])
        self.phrasing = rng.random()
        self.start = np.array([0.0, rng.uniform(-0.8, 0.8), rng.uniform(-0.15, 0.15)])

    def place(self, position):
        """Index of the nearest point of the wanted branch, and the distance from it."""
        distances = np.linalg.norm(self.branches[self.wanted] - position, axis=1)
        nearest = distances.argmin()
        return nearest, distances[nearest]

    def command(self, point):
        """What is said at a point of the road: `FOLLOW`, or near the fork the branch to take."""
        beyond = (point - self.approach) * STEP
        return self.wanted if -ANNOUNCED <= beyond < DONE else FOLLOW

    def phrase(self, point, test=False):
        """The command in words; in a test, in words that are not used in training."""
        phrases = PHRASES[self.command(point)]
        return phrases[-1] if test else phrases[int(self.phrasing * (len(phrases) - 1))]

    def expert(self, car):
        """Steer to a point of the wanted branch, the farther ahead the faster (pure pursuit, Coulter 1992)."""
        point, _ = self.place(car[:2])
        reach = 2.0 + 0.4 * self.speed
        target = self.branches[self.wanted][min(point + round(reach / STEP), len(self.branches[self.wanted]) - 1)]
        ahead, left = to_car(target[None], car)[0]
        # Positive steering is to the right.
        return float(np.clip(-2 * left / (ahead**2 + left**2) * RADIUS, -1, 1))

    def camera(self, car, rng):
        """Draw what the car sees: uint8 `(32, 64, 3)`."""
        points = to_car(self.road[::2], car)
        near = points[(points[:, 0] > -3) & (points[:, 0] < 24)]
        squares = (GROUND**2).sum(axis=1)[:, None] - 2 * GROUND @ near.T + (near**2).sum(axis=1)
        distance = np.sqrt(np.maximum(squares.min(axis=1), 0)) if len(near) else np.full(len(GROUND), 99.0)
        on_road = np.clip((HALF_WIDTH + 0.15 - distance) / 0.3, 0, 1)[:, None]
        ground = on_road * self.asphalt + (1 - on_road) * self.grass
        sky = np.full((SKY * WIDTH, 3), (150.0, 180.0, 220.0))
        pixels = np.concatenate([sky, ground]) + rng.normal(0, 10, (HEIGHT * WIDTH, 1))
        return pixels.clip(0, 255).reshape(HEIGHT, WIDTH, 3).astype("uint8")


def center_line(curvature):
    """Points `(n, 2)`, `STEP` apart, of a road that starts eastward: positive curvature turns left."""
    heading = np.concatenate([[0.0], np.cumsum(curvature * STEP)[:-1]])
    steps = STEP * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)[:-1]])


def to_car(points, car):
    """Points `(n, 2)` of the world as the driver sees them: meters ahead, meters to the left."""
    x, y, heading = car
    moved = points - (x, y)
    cos, sin = np.cos(heading), np.sin(heading)
    return np.stack([moved @ (cos, sin), moved @ (-sin, cos)], axis=1).astype("float32")


def drive(car, steering, speed):
    """Where the car is one step of 0.1 seconds later: x, y, heading."""
    x, y, heading = car
    heading = heading - np.clip(steering, -1, 1) / RADIUS * speed * SECONDS
    return np.array([x + np.cos(heading) * speed * SECONDS, y + np.sin(heading) * speed * SECONDS, heading])


def ground_points(horizon=8, camera_height=2.2, focal=26.0):
    """For each pixel below the horizon, where it lies on the ground: meters ahead, meters to the left."""
    rows, columns = np.mgrid[horizon:HEIGHT, 0:WIDTH]
    ahead = camera_height * focal / (rows - horizon + 1.5)
    left = (WIDTH / 2 - 0.5 - columns) / focal * ahead
    return np.stack([ahead.ravel(), left.ravel()], axis=1).astype("float32")


SKY = 8
GROUND = ground_points(SKY)


def png(pixels):
    """The bytes of a PNG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png", compress_level=1)
    return content.getvalue()


def expert_drives(episodes, seed=0):
    """Let the expert drive, with bursts of wrong steering to recover from, and log what it sees and does.

    Args:
        episodes: Dict of split -> number of tracks. In `"test"` the commands are in words that training does not use.
        seed: Seed of the tracks.

    Returns:
        pandas.DataFrame: `image` (bytes), `command` (text), `speed`, `steering`, `episode`, `turning` and `split`.
    """
    rows = []
    for number, (split, count) in enumerate(episodes.items()):
        for episode in range(count):
            rng = np.random.default_rng((seed, number, episode))
            rows += [{"episode": f"{split} {episode}", "split": split, **row} for row in drive_once(rng, split)]
    table = pd.DataFrame(rows)
    table.attrs.update(source="drives of the expert")
    return table


def drive_once(rng, split):
    """Yield the rows of one episode."""
    track = Track(rng)
    car, burst, error = track.start, 0, 0.0
    while True:
        point, away = track.place(car[:2])
        if point >= track.goal or away > 2 * HALF_WIDTH:
            return
        steering = track.expert(car)
        yield {
            "image": png(track.camera(car, rng)),
            "command": track.phrase(point, split == "test"),
            "speed": track.speed,
            "steering": steering,
            "turning": track.command(point),
        }
        if burst == 0 and rng.random() < 0.06:
            burst, error = 6, rng.uniform(-0.8, 0.8)
        burst = max(burst - 1, 0)
        car = drive(car, steering + (error if burst else 0.0), track.speed)


def driver(model, schema):
    """What `closed_loop` takes: images, commands and speeds -> the model's steering."""
    tokenize = text_vectorizer(schema["text"])

    def steer(images, commands, speeds):
        given = {"image": images, "numbers": speeds[:, None]}
        given["text"] = np.asarray(tokenize(np.array(commands, object)), "int32")
        given |= {f"{name}_present": np.ones(len(images), bool) for name in list(given)}
        return np.ravel(model({name: given[name] for name in model.input}, training=False)["label"])

    return steer


def closed_loop(steer, tracks, seed=0):
    """Let a model drive all tracks at once, and see where each car ends.

    Args:
        steer: Function of images uint8 `(n, 32, 64, 3)`, list of n commands and speeds `(n,)` that returns n values.
        tracks: List of `Track`.
        seed: Seed of the camera's noise.

    Returns:
        tuple: list of str, `"reached"`, `"wrong branch"` or `"left the road"` for each track; and the list of paths,
        float `(steps, 2)`.
    """
    rng = np.random.default_rng(seed)
    cars, ends = [track.start for track in tracks], [None] * len(tracks)
    paths = [[] for _ in tracks]
    for _ in range(300):
        running = [i for i, end in enumerate(ends) if end is None]
        if not running:
            break
        places = {i: tracks[i].place(cars[i][:2])[0] for i in running}
        images = np.stack([tracks[i].camera(cars[i], rng) for i in running])
        commands = [tracks[i].phrase(places[i], test=True) for i in running]
        steering = steer(images, commands, np.array([tracks[i].speed for i in running], "float32"))
        for i, value in zip(running, steering, strict=True):
            cars[i] = drive(cars[i], float(value), tracks[i].speed)
            paths[i].append(cars[i][:2])
            ends[i] = ending(tracks[i], cars[i][:2])
    return [end or "left the road" for end in ends], [np.array(path) for path in paths]


def ending(track, position):
    """`"reached"`, `"wrong branch"` or `"left the road"`; None while the car is on its way."""
    if np.linalg.norm(track.road - position, axis=1).min() > HALF_WIDTH:
        return "left the road"
    point, away = track.place(position)
    if point >= track.goal:
        return "reached"
    return "wrong branch" if away > HALF_WIDTH + 1 else None


COMMANDS = {"turn left": "turn right", "turn right": "turn left"}


def udacity_drive(folder, mirrored, smoothing=9):
    """Read the recorded drive, and append its training frames mirrored with their steering and commands.

    The driver steered by keys, in spikes: training frames get the mean steering of `smoothing` frames around them.

    Args:
        folder: Path of `udacity_driving`.
        mirrored: Folder for the mirrored images.
        smoothing: Odd number of frames. Defaults to 9, two thirds of a second.

    Returns:
        pandas.DataFrame: `image` (path), `command`, `speed`, `steering`, `frame`, `last` (the steering one frame
        before) and `split`.
    """
    table = pd.read_json(folder / "data.jsonl", lines=True).replace({"split": {"dev": "validation"}})
    table["last"] = table["steering"].shift().fillna(0.0)
    table["image"] = [str((folder / name).resolve()) for name in table["image"]]
    # Frames at the borders of splits are near-duplicates of the other side; the last frames have no future.
    table = table[(table["split"] != "gap") & table["command"].notna()].reset_index(drop=True)
    blocks = (table["frame"].diff() != 1).cumsum()
    smooth = table.groupby(blocks)["steering"].transform(
        lambda values: values.rolling(smoothing, center=True, min_periods=1).mean()
    )
    train = table["split"] == "train"
    table.loc[train, "steering"] = smooth[train]
    return pd.concat([table, with_mirrored(table[train], mirrored)], ignore_index=True)


def with_mirrored(table, folder):
    """The rows with their images mirrored: the left camera becomes the right one, left turns become right ones."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for frame, source in zip(table["frame"], table["image"], strict=True):
        paths.append(str((folder / f"{frame}.png").resolve()))
        pixels = np.asarray(Image.open(source))[:, ::-1]
        left, center, right = np.split(pixels, 3)
        Image.fromarray(np.concatenate([right, center, left])).save(paths[-1])
    return table.assign(image=paths, steering=-table["steering"], command=table["command"].replace(COMMANDS))


def save_drives(path, tracks, drives):
    """Save the paths of the cars on some tracks, one row per driver.

    Args:
        path: The PNG file.
        tracks: List of `Track`.
        drives: dict name -> `(ends, paths)` from `closed_loop`, for the same tracks.
    """
    figure = Figure(figsize=(2.1 * len(tracks), 2.3 * len(drives)), layout="constrained")
    every = figure.subplots(len(drives), len(tracks), squeeze=False)
    for row, (name, (ends, paths)) in zip(every, drives.items(), strict=True):
        row[0].set_ylabel(name, fontsize=8)
        for axes, track, end, driven in zip(row, tracks, ends, paths, strict=False):
            for line in track.branches.values():
                axes.plot(*line.T, color="#dfe3e8", lw=9, zorder=-2)
            axes.plot(*track.branches[track.wanted].T, color="#9aa4b2", lw=9, zorder=-1)
            axes.plot(*driven.T, color="#1f6feb" if end == "reached" else "#d1242f", lw=1.5)
            axes.plot(*driven[-1], "o", ms=4, color="#1f6feb" if end == "reached" else "#d1242f")
            axes.set_title(f"{PHRASES[track.wanted][-1]}:\n{end}", fontsize=7)
            axes.set(aspect="equal", xticks=[], yticks=[])
            axes.set_xlim(-2, 52)
            axes.set_ylim(-27, 27)
    figure.savefig(path, dpi=120)
