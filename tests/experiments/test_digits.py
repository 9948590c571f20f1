"""The data of the tutorial on audio, image and text."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("_digits", EXPERIMENTS / "_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_recordings_are_expanded_cut_and_split_by_speaker(digits, tmp_path):
    lines = [{"index": i, "digit": 7 - i, "speaker": name} for i, name in enumerate(("theo", "george"))]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))
    # The ends of the scale, and codes around its middle.
    np.savez(tmp_path / "audio.npz", ulaw=np.array([0, 255, 127, 128], "uint8"), offsets=np.array([0, 1, 4]))
    table = digits.spoken_digits(tmp_path)
    assert table[["digit", "speaker", "split"]].to_numpy().tolist() == [[7, "theo", "test"], [6, "george", "train"]]
    for clip, expected in zip(table["audio"], ([-1.0], [1.0, -8.622e-5, 8.622e-5]), strict=True):
        rate, samples = wavfile.read(io.BytesIO(clip))
        assert rate == 8000
        np.testing.assert_allclose(samples, expected, rtol=1e-3)


def test_words_are_letters_and_images_show_the_digit(digits):
    rng = np.random.default_rng(0)
    assert digits.misspell("seven", rng, wrong=0, lost=0) == "s e v e n"
    assert len(digits.misspell("six", rng, wrong=1, lost=1)) == 1
    # A one and a seven: only the seven has ink at the top left.
    one, seven = (np.mean([digits.draw_digit(d, rng, noise=0) for d in [d] * 40], axis=0) for d in (1, 7))
    assert one.shape == (28, 28, 3) and seven[3:9, 5:9].mean() > 2 * one[3:9, 5:9].mean()


def test_tones_have_the_columns_of_the_recordings(digits):
    table = digits.draw_tones(rows=60)
    assert list(table) == ["audio", "digit", "speaker", "split"]
    assert table.groupby("split").size().to_dict() == {"test": 20, "train": 30, "validation": 10}
    assert table.groupby("speaker")["digit"].nunique().tolist() == [10] * 6
