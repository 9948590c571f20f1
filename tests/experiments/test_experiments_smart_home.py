"""The drawn home of the smart-home tutorial, its failing plug, and how recorded data are read."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

PATH = Path(__file__).parents[2] / "experiments" / "_smart_home.py"
spec = importlib.util.spec_from_file_location("_smart_home", PATH)
smart_home = importlib.util.module_from_spec(spec)
spec.loader.exec_module(smart_home)


@pytest.fixture(scope="module")
def home():
    return smart_home.draw_home({"train": 80, "test": 4})


def pixels(frames):
    return np.stack([np.asarray(Image.open(io.BytesIO(frame)).convert("L"), float) for frame in frames])


def test_the_action_follows_from_person_and_lamp_together_and_from_neither_alone(home):
    expected = {
        (True, True): "leave",
        (False, False): "leave",
        (True, False): "switch on",
        (False, True): "switch off",
    }
    assert [expected[pair] for pair in zip(home["present"], home["lamp"], strict=True)] == home["action"].tolist()
    assert set(home["action"]) == set(smart_home.ACTIONS)
    for one in ("present", "lamp"):
        assert home.groupby(one)["action"].nunique().tolist() == [2, 2]


def test_a_person_is_seen_in_the_change_of_frames_and_the_lamp_in_the_watts(home):
    changes = np.array([pixels(video).std(axis=0).max() for video in home["video"]])
    assert np.median(changes[home["present"]]) > np.median(changes[~home["present"]]) + 5
    watts = np.array([np.median(sensors[:, 0]) for sensors in home["sensors"]])
    assert watts[home["lamp"]].mean() - watts[~home["lamp"]].mean() == pytest.approx(40, abs=12)
    degrees = np.array([sensors[:, 1].mean() for sensors in home["sensors"]])
    assert abs(np.corrcoef(degrees, home["lamp"])[0, 1]) < 0.3


def test_a_failing_plug_is_missing_from_the_middle_on_and_the_thermometer_goes_on(home):
    before = [sensors.copy() for sensors in home["sensors"]]
    found = smart_home.with_failing_sensor(home, seed=3)
    for old, new, kept in zip(before, found["sensors"], home["sensors"], strict=True):
        gone = np.isnan(new[:, 0])
        start = gone.argmax()
        assert 8 <= start < 24 and gone[start:].all() and not np.isnan(new[:, 1]).any()
        np.testing.assert_array_equal(new[:start], old[:start])
        np.testing.assert_array_equal(kept, old)


def test_windows_above_their_minimum_do_not_change_with_the_level():
    window = np.array([[500.0, 20.0], [480.0, np.nan], [700.0, 21.5]])
    (found,) = smart_home.relative([window])
    np.testing.assert_array_equal(found, [[20, 0], [0, np.nan], [220, 1.5]])
    np.testing.assert_array_equal(smart_home.relative([window + 300])[0], found)


def test_recorded_strips_are_cut_into_their_frames(tmp_path):
    strip = np.repeat(np.arange(16) * 15, 8)[None, :, None].repeat(6, axis=0).repeat(3, axis=2).astype("uint8")
    Image.fromarray(strip).save(tmp_path / "a.png")
    row = {"frames": "a.png", "label": "walk", "recording": "r", "segment": [3, 9], "split": "dev"}
    (tmp_path / "data.jsonl").write_text(pd.DataFrame([row]).to_json(orient="records", lines=True))
    table = smart_home.home_actions(tmp_path, size=(8, 6))
    assert table["split"].tolist() == ["validation"] and table["episode"].tolist() == ["r 3"]
    frames = pixels(table["video"][0])
    assert frames.shape == (16, 6, 8)
    np.testing.assert_array_equal(frames[:, 2, 4], np.arange(16) * 15)


def test_mean_frames_are_means_of_blocks_and_of_their_changes():
    still, flash = np.zeros((10, 10, 3), "uint8"), np.zeros((10, 10, 3), "uint8")
    flash[:5, 5:] = 255
    table = pd.DataFrame({"video": [[smart_home.encoded(frame) for frame in (still, flash, still, still)]]})
    np.testing.assert_allclose(smart_home.mean_frames(table), [[0, 0.25, 0, 0, 0, 2 / 3, 0, 0]])


def test_the_last_fifth_of_the_training_days_validates(tmp_path):
    times = pd.date_range("2015-02-04", periods=14, freq="min").astype(str)
    rows = pd.DataFrame({"time": times, "co2_ppm": 500.0, "occupied": 0, "split": ["train"] * 10 + ["test"] * 4})
    rows.to_json(tmp_path / "data.jsonl", orient="records", lines=True)
    table = smart_home.occupancy(tmp_path)
    assert table["split"].tolist() == ["train"] * 8 + ["validation"] * 2 + ["test"] * 4
    assert table["time"][1] == "2015-02-04 00:01:00"
