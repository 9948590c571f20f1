"""The drawn track of the driving tutorial: its camera, its expert and how a drive ends."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

PATH = Path(__file__).parents[2] / "experiments" / "_driving.py"
spec = importlib.util.spec_from_file_location("_driving", PATH)
driving = importlib.util.module_from_spec(spec)
spec.loader.exec_module(driving)


def track(seed=0, kind=3, wanted="left"):
    return driving.Track(np.random.default_rng(seed), kind, wanted)


def test_a_car_that_steers_to_the_right_turns_to_the_right_on_a_circle():
    car = np.array([0.0, 0.0, 0.0])
    for _ in range(100):
        car = driving.drive(car, 1.0, 5.0)
    # 50 meters on a circle of 5 meters are 10 radians, clockwise.
    assert car[2] == pytest.approx(-10.0)
    assert driving.drive(np.zeros(3), 0.5, 5.0)[1] < 0 < driving.drive(np.zeros(3), -0.5, 5.0)[1]


def test_points_as_the_driver_sees_them():
    # Looking north from (1, 1): two meters ahead, and one meter to the right, which is minus one to the left.
    seen = driving.to_car(np.array([[1.0, 3.0], [2.0, 1.0]]), np.array([1.0, 1.0, np.pi / 2]))
    np.testing.assert_allclose(seen, [[2, 0], [0, -1]], atol=1e-6)


def test_a_center_line_of_constant_curvature_is_a_circle():
    line = driving.center_line(np.full(2000, 0.1))
    radius = np.linalg.norm(line - (0, 10), axis=1)
    assert np.abs(radius - 10).max() < 0.3 and line[5, 1] > 0
    np.testing.assert_allclose(np.linalg.norm(np.diff(line, axis=0), axis=1), driving.STEP)


def test_the_camera_shows_the_road_ahead_between_grass():
    found, rng = track(), np.random.default_rng(0)
    pixels = found.camera(np.zeros(3), rng).astype(float)
    bottom = pixels[-3:]
    assert pixels.shape == (32, 64, 3)
    np.testing.assert_allclose(bottom[:, 28:36].mean(axis=(0, 1)), found.asphalt, atol=4)
    beside = found.camera(np.array([0.0, 12.0, 0.0]), rng).astype(float)[-3:]
    np.testing.assert_allclose(beside[:, 28:36].mean(axis=(0, 1)), found.grass, atol=4)
    # To the left of the road, the road is to the right.
    half = found.camera(np.array([0.0, 2.0, 0.0]), rng).astype(float)[-3:]
    assert abs(half[:, 48:] - found.asphalt).mean() < abs(half[:, :16] - found.asphalt).mean()


@pytest.mark.parametrize("wanted", ["left", "straight", "right"])
def test_the_expert_reaches_the_branch_that_is_commanded(wanted):
    for seed in range(3):
        found = track(seed, wanted=wanted)
        car, end = found.start, None
        while end is None:
            car = driving.drive(car, found.expert(car), found.speed)
            end = driving.ending(found, car[:2])
        assert end == "reached"
        other = {"left": "right", "straight": "left", "right": "left"}[wanted]
        assert driving.ending(found, found.branches[other][-10]) == "wrong branch"
    assert driving.ending(found, np.array([0.0, 30.0])) == "left the road"


def test_the_command_is_said_near_the_fork_and_the_test_has_phrases_of_its_own():
    found = track()
    fork = found.approach
    assert [found.command(point) for point in (0, fork - 25, fork - 24, fork, fork + 27, fork + 28)] == [
        "follow",
        "follow",
        "left",
        "left",
        "left",
        "follow",
    ]
    assert found.phrase(fork, test=True) == "please take the left road"
    trained = {driving.Track(np.random.default_rng(i), 3, "left").phrase(fork) for i in range(40)}
    assert trained == set(driving.PHRASES["left"][:-1])
    # New phrases, but no new words.
    for phrases in driving.PHRASES.values():
        known = {word for other in driving.PHRASES.values() for phrase in other[:-1] for word in phrase.split()}
        assert set(phrases[-1].split()) <= known


def test_drives_are_logged_with_the_expert_s_steering_and_are_the_same_again():
    table, again = (driving.expert_drives({"train": 1, "test": 1}) for _ in range(2))
    pd.testing.assert_frame_equal(table, again)
    assert table["split"].unique().tolist() == ["train", "test"] and table["episode"].nunique() == 2
    assert table["steering"].between(-1, 1).all() and table["steering"].std() > 0.1
    assert table["image"][0].startswith(b"\x89PNG")


def test_drivers_in_a_closed_loop_end_where_their_steering_leads():
    tracks = [track(seed) for seed in range(2)]
    ends, paths = driving.closed_loop(lambda images, commands, speeds: np.ones(len(images)), tracks)
    assert ends == ["left the road"] * 2 and all(path.shape[1] == 2 for path in paths)
    seen = []

    def steer(images, commands, speeds):
        seen.append((images.shape[1:], commands[0]))
        return np.zeros(len(images))

    driving.closed_loop(steer, tracks)
    assert seen[0] == ((32, 64, 3), "please stay on the road")


def recorded(folder, steering, splits):
    (folder / "images").mkdir(parents=True)
    rows = []
    for frame, (value, split) in enumerate(zip(steering, splits, strict=True)):
        pixels = np.zeros((120, 160, 3), "uint8")
        pixels[:40, :80] = 250  # the left camera, the left half
        Image.fromarray(pixels).save(folder / "images" / f"{frame}.png")
        command = "turn left" if frame < 6 else None
        row = {"frame": frame, "image": f"images/{frame}.png", "steering": value, "speed": 30.0}
        rows.append({**row, "command": command, "split": split})
    pd.DataFrame(rows).to_json(folder / "data.jsonl", orient="records", lines=True)
    return folder


def test_the_recorded_drive_is_smoothed_within_training_blocks_and_mirrored_there(tmp_path):
    steering = [0.0, 0.9, 0.0, -1.0, 0.5, 0.25, 0.1, 0.1]
    splits = ["train", "train", "train", "gap", "test", "test", "test", "test"]
    table = driving.udacity_drive(recorded(tmp_path / "drive", steering, splits), tmp_path / "mirrored", smoothing=3)
    assert table["split"].tolist() == ["train"] * 3 + ["test"] * 2 + ["train"] * 3
    np.testing.assert_allclose(table["steering"], [0.45, 0.3, 0.45, 0.5, 0.25, -0.45, -0.3, -0.45])
    np.testing.assert_allclose(table["last"][:5], [0.0, 0.0, 0.9, -1.0, 0.5])
    assert table["command"].tolist() == ["turn left"] * 5 + ["turn right"] * 3
    mirrored = np.asarray(Image.open(table["image"].iloc[-1]))
    assert (mirrored[80:, 80:] > 240).all() and mirrored[:80].max() < 10 and mirrored[80:, :80].max() < 10
