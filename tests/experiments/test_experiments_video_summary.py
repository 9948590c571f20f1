"""The TVSum protocol and the tables of the video summary tutorial."""

import importlib.util
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import stats

PATH = Path(__file__).parents[2] / "experiments" / "_video_summary.py"
spec = importlib.util.spec_from_file_location("_video_summary", PATH)
summary = importlib.util.module_from_spec(spec)
spec.loader.exec_module(summary)


def annotated(users, seconds, title="a"):
    return summary.AnnotatedVideo(SimpleNamespace(title=title, users=np.array(users, "uint8"), seconds=seconds))


def test_segments_are_two_seconds_long_and_the_last_one_is_shorter():
    video = annotated(np.ones((2, 253)), 25.3)
    assert video.durations.tolist() == [20] * 12 + [13]
    np.testing.assert_allclose(video.middles[[0, 1, -1]], [1, 3, 24.65])
    np.testing.assert_allclose(video.position[-1], 24.65 / 25.3)
    # A rate that is no whole number, as of most videos.
    assert set(annotated(np.ones((1, 899)), 30.0).durations.tolist()) == {59, 60}


def test_scores_agree_with_users_as_computed_by_hand():
    rng = np.random.default_rng(0)
    by_segment = rng.integers(1, 6, (3, 20))
    video = annotated(np.repeat(by_segment, 30, axis=1), 40.0)
    np.testing.assert_allclose(video.mean, by_segment.mean(axis=0))
    # 15 % of 20 segments: the three best, of equal ones the first.
    best = [sorted(sorted(range(20), key=lambda t, own=own: (-own[t], t))[:3]) for own in by_segment]
    assert [np.flatnonzero(own).tolist() for own in video.summaries] == best
    tau, rho, f1 = video.agreement(by_segment[0])
    # Each 15th frame: two of every segment.
    twice = np.repeat(by_segment, 2, axis=1)
    assert tau == pytest.approx(np.mean([stats.kendalltau(twice[0], own).statistic for own in twice]))
    assert rho == pytest.approx(np.mean([stats.spearmanr(twice[0], own).statistic for own in twice]))
    assert f1 == pytest.approx(np.mean([len(set(best[0]) & set(own)) / 3 for own in best]))
    pairs = [(0, 1), (0, 2), (1, 2)]
    human = video.human()
    assert human[0] == pytest.approx(np.mean([stats.kendalltau(twice[a], twice[b]).statistic for a, b in pairs]))
    assert human[2] == pytest.approx(np.mean([len(set(best[a]) & set(best[b])) / 3 for a, b in pairs]))


def test_titles_of_other_videos_are_described_by_known_words():
    videos = [annotated(np.ones((1, 300)), 10.0, title) for title in ("change a tire", "parade", "tire and tire")]
    table = summary.segment_table(videos, [0, 2], np.array([0, 1])).to_numpy()
    assert table[:, 0].tolist() == [0] * 5 + [2] * 5
    np.testing.assert_allclose(table[:5, 1], [0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(table[5:, 2], [1, 3, 5, 7, 9])
    assert (table[:5, 3:] == table[0, 3:]).all() and table[0, 3:] @ table[5, 3:] > 0.3


def test_rows_of_a_video_share_its_frames_and_have_their_own_marks():
    table = summary.draw_queries({"train": 2, "test": 1}, seed=3)
    assert table["split"].tolist() == ["train"] * 8 + ["test"] * 4
    first = table.iloc[:4]
    assert all(video is first["video"].iloc[0] for video in first["video"])
    marks = np.array(first["summary"].tolist())
    assert marks.shape == (4, 24) and marks.sum(axis=0).max() == 1 and set(marks.sum(axis=1)) <= {2, 3, 4}
    assert Image.open(io.BytesIO(first["video"].iloc[0][0])).size == (64, 64)
    again = summary.draw_queries({"train": 2, "test": 1}, seed=3)
    assert again.equals(table) and not summary.draw_queries({"train": 1}, seed=4).equals(table.iloc[:4])


def test_evenly_spaced_segments():
    assert np.flatnonzero(summary.evenly_spaced(3, 24)).tolist() == [4, 12, 20]


def test_drawn_annotations_are_scores_of_two_second_shots():
    table = summary.draw_annotations(videos=3, users=4)
    for row in table.itertuples():
        assert row.users.shape == (4, 30 * row.seconds) and 1 <= row.users.min() <= row.users.max() <= 5
        assert (summary.AnnotatedVideo(row).durations == 60).all()


def test_the_figure_has_a_row_for_each_query(tmp_path):
    marks = np.eye(2, 6).astype(bool)
    video = np.zeros((6, 8, 8, 3), "uint8")
    summary.save_summaries(tmp_path / "s.png", [video] * 2, ["a", "b"], marks, marks * 0.5, marks)
    with Image.open(tmp_path / "s.png") as figure:
        assert figure.size == (1430, 297)
