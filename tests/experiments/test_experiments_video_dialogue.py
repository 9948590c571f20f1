"""The tables and the ceilings of the video dialogue tutorial."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def helper(name):
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drawn = helper("_video_dialogue")


def test_a_video_has_two_dialogues_of_four_turns():
    table = drawn.draw_dialogues({"train": 2, "test": 1}, seed=3)
    assert table["split"].tolist() == ["train"] * 16 + ["test"] * 8
    first = table.iloc[:8]
    assert all(video is first["video"].iloc[0] for video in first["video"]) and first["sound"].nunique() == 1
    assert len(first["video"].iloc[0]) == 12 and Image.open(io.BytesIO(first["video"].iloc[0][0])).size == (32, 32)
    assert first["kind"].iloc[[0, 4]].tolist() == ["first", "first"]
    assert first["history"].isna().tolist() == [True, False, False, False] * 2
    said = f"{first['question'].iloc[0]} {first['answer'].iloc[0]}."
    assert first["history"].iloc[1] == said and first["history"].iloc[2].startswith(said)
    assert drawn.draw_dialogues({"train": 2, "test": 1}, seed=3).equals(table)


def test_half_size_is_the_mean_of_four_pixels():
    frames = np.zeros((1, 4, 4, 3), "uint8")
    frames[0, :2, :2, 0] = [[10, 20], [30, 42]]
    assert drawn._half_size(frames)[0, :, :, 0].tolist() == [[26, 0], [0, 0]]


@pytest.mark.slow
def test_ceilings_as_worked_out_by_hand():
    ceiling = drawn.ceilings()
    assert (ceiling[""] == 1).all()
    # Two shapes hide: without the sound or the history, it may be either. Without the video, one of six colors.
    assert ceiling.loc["first", "sound"] == pytest.approx(1 / 2)
    assert ceiling.loc["first", "video"] == pytest.approx(1 / 6)
    # The tone of a meeting is one of three, and that of the other meeting is another one.
    assert ceiling.loc["tone", "sound"] == pytest.approx(1 / 3)
    assert ceiling.loc["tone", "history"] == pytest.approx(1 / 2)
    # Video and history are enough to know who else hid; without the video, it is not the one that was named.
    assert ceiling.loc["other", "sound"] == 1
    assert ceiling.loc["other", "video"] == pytest.approx(1 / 5)
    # Of two shapes, hiding and meeting in any order: in two of three orders both have done the same.
    assert ceiling.loc["next", "history"] == pytest.approx(3 / 4)
    assert ceiling.loc["all", "video + sound + history"] == pytest.approx((1 / 6 + 1 / 6 + 1 / 3 + 1 / 2) / 4)
