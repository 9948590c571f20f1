"""Windows of sensor readings: what one holds, and the borders that none crosses."""

import numpy as np
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.data import DataError

TABLE = pd.DataFrame(
    {
        "time": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "co2": [0.0, 1, 2, 3, np.nan, 5, 6, 7, 8, 9],
        "split": ["test"] * 2 + ["train"] * 4 + ["test"] * 4,
        "room": ["a"] * 8 + ["b"] * 2,
        "label": range(10),
    }
)


def test_a_window_is_the_reading_and_those_before_it():
    found = kf.data.sliding_windows(TABLE, ["co2", "time"], 3, stride=2)
    assert found["label"].tolist() == [2, 4, 6, 8] and found["window"][0].dtype == "float32"
    np.testing.assert_array_equal(found["window"][1], [[2, 2], [3, 3], [np.nan, 4]])
    assert "window" not in TABLE


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"split": "split"}, [1, 3, 4, 5, 7, 8, 9]),
        ({"group": "room"}, [1, 2, 3, 4, 5, 6, 7, 9]),
        ({"split": "split", "group": "room"}, [1, 3, 4, 5, 7, 9]),
    ],
)
def test_no_window_crosses_a_border(settings, last):
    assert kf.data.sliding_windows(TABLE, "co2", 2, **settings)["label"].tolist() == last


def test_windows_follow_time_within_groups_and_end_at_gaps():
    shuffled = TABLE.drop(index=[3]).sample(frac=1, random_state=0)
    found = kf.data.sliding_windows(shuffled, "time", 2, time="time", max_gap=1, group="room")
    assert sorted(found["label"]) == [1, 2, 5, 6, 7, 9]
    for window in found["window"]:
        assert window[1, 0] - window[0, 0] == 1
    assert len(kf.data.sliding_windows(shuffled, "time", 2, time="time", max_gap=2)) == 8


def test_dates_are_times():
    dates = ["2026-02-04 23:59", "2026-02-05 00:00", "2026-02-05 00:03", "2026-02-05 00:04:30"]
    table = pd.DataFrame({"at": dates, "x": range(4)})
    for gap in ("2min", pd.Timedelta(minutes=2)):
        assert kf.data.sliding_windows(table, "x", 2, time="at", max_gap=gap)["x"].tolist() == [1, 3]


def test_interleaved_groups_are_series_of_their_own():
    table = pd.DataFrame({"t": [0, 0, 1, 1, 2, 2], "room": list("abbaab"), "x": [0, 10, 11, 1, 2, 12]})
    found = kf.data.sliding_windows(table, "x", 3, time="t", group="room")
    assert [window[:, 0].tolist() for window in found["window"]] == [[0, 1, 2], [10, 11, 12]]


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"columns": "coo2"}, r"has no column 'coo2'; did you mean \['co2'"),
        ({}, {"length": 0}, "length must be a whole number of readings, at least 1, not 0"),
        ({}, {"stride": 1.5}, "stride must be a whole number"),
        ({}, {"length": 11}, "no 11 successive readings lie in one series; the longest has 10"),
        ({}, {"max_gap": 1}, "name the column of times too"),
        ({}, {"time": "time", "max_gap": "2min"}, "max_gap must be a number, as the times in column 'time' are"),
        ({"time": ["x"] * 10}, {"time": "time"}, r"row 1.*column 'time': the time 'x' is neither a number"),
        ({"co2": ["1"] * 8 + ["off", "2"]}, {}, r"row 9.*column 'co2'"),
        ({"window": 1}, {}, "has a column 'window' already"),
    ],
)
def test_what_is_wrong_is_named(change, settings, message):
    with pytest.raises(DataError, match=message):
        kf.data.sliding_windows(TABLE.assign(**change), **{"columns": "co2", "length": 2, **settings})


def test_windows_load_as_signals():
    table = pd.DataFrame({"co2": range(40), "time": range(40), "label": np.arange(40.0) / 7})
    table["split"] = ["train"] * 24 + ["validation"] * 8 + ["test"] * 8
    windows = kf.data.sliding_windows(table, ["co2", "time"], 2, split="split")
    data = kf.data.load(
        windows, signal="window", label="label", problem_type="regression", split="split", image=[], text=[]
    )
    assert data.schema["signal"].channels == 2 and data.schema["signal"].length == 2
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 23, "validation": 7, "test": 7}
