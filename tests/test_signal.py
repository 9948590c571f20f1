"""Columns of signals, from a table to a served answer."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import BatchedDataset, DataError, wav_bytes
from kerasfusion.data.profile import profile_splits

ROWS = 40
NAN = float("nan")


def table(**columns):
    return pd.DataFrame({"label": ["low", "high"] * (ROWS // 2), **columns})


def load(frame, names="signal", **settings):
    return kf.data.load(frame, signal=names, label="label", image=[], text=[], **settings)


def series(rows=ROWS):
    """Lists of two channels, of which the first tells the label."""
    random = np.random.default_rng(0)
    return [random.normal([i % 2, 5], 0.1, (12 + i % 4, 2)).round(3).tolist() for i in range(rows)]


def tone(rate, high, seconds=0.1, dtype="float32"):
    return 0.5 * np.sin(2 * np.pi * (900 if high else 300) * np.arange(int(rate * seconds)) / rate).astype(dtype)


def first_batch(examples, count=8):
    x = next(iter(BatchedDataset(examples, count).dataset()))
    return (x[0] if isinstance(x, tuple) else x)["signal"].numpy()


def test_lists_become_a_series_with_the_statistics_of_training(tmp_path):
    cells = series()
    # As a table may hold them: JSON, with and without missing samples, arrays, files.
    cells[1] = json.dumps(cells[1]).replace(str(cells[1][2][0]), "NaN", 1)
    cells[2][3][1] = None
    cells[3] = np.array(cells[3])
    np.save(tmp_path / "a.npy", np.array(cells[4], "float64"))
    cells[4] = str(tmp_path / "a.npy")
    data = load(table(signal=cells))
    feature = data.schema["signal"]
    assert (feature.length, feature.channels, feature.rate) == (15, 2, None) and feature.input_shape == (15, 2)
    places = data.splits["train"].arrays["signal"]
    samples = np.stack([data.splits["train"].banks["signal"].samples(place) for place in places])
    np.testing.assert_allclose(feature.mean, np.nanmean(samples, axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(feature.std, np.nanstd(samples, axis=(0, 1)), atol=1e-5)
    assert "2 (0.19%) of 2 signal(s)" in {setting.value for setting in data.settings}
    rows, skipped = kf.data.load_rows(pd.DataFrame({"signal": [*cells[1:5], None]}), data.schema, with_labels=False)
    assert not skipped and rows.present["signal"].tolist() == [True] * 4 + [False]
    x = first_batch(rows)
    assert np.isnan(x[0, 2, 0]) and np.isnan(x[1, 3, 1]) and np.isnan(x[0, 13:]).all() and not x[4].any()
    np.testing.assert_allclose(x[3, :12], np.load(tmp_path / "a.npy"), rtol=1e-6)
    raw = rows.raw_inputs()["signal"]
    np.testing.assert_array_equal(raw[:4], x[:4])
    assert np.isnan(raw[4]).all()


def test_wav_files_get_the_commonest_rate(tmp_path):
    for i in range(ROWS):
        rate = 16_000 if i % 4 else 8_000
        (tmp_path / f"{i}.wav").write_bytes(wav_bytes(np.repeat(tone(rate, i % 2)[:, None], 2, 1), rate))
    (tmp_path / "39.wav").write_bytes(b"RIFF, but nothing else")
    table(signal=[f"{i}.wav" for i in range(ROWS)]).to_csv(tmp_path / "table.csv", index=False)
    data = load(tmp_path / "table.csv")
    feature = data.schema["signal"]
    assert (feature.length, feature.channels, feature.rate) == (1_600, 1, 16_000)
    assert data.skipped.counts == {"not a readable WAV file": 1}
    profile = profile_splits(data.splits, data.image_sizes)["signal"]["signal"]
    assert profile["rates"] == [[16_000, 29], [8_000, 10]] and profile["missing"]["train"] == 0
    rows = pd.DataFrame({"signal": [str(tmp_path / "1.wav"), str(tmp_path / "39.wav"), "gone.wav", tone(16_000, 1)]})
    rows, skipped = kf.data.load_rows(rows, data.schema, with_labels=False, allow_external_paths=True)
    assert rows.present["signal"].tolist() == [True, False, False, True]
    assert set(skipped.counts) == {
        "not a readable WAV file; taken as missing",
        "file does not exist; taken as missing",
    }
    x = first_batch(rows)
    np.testing.assert_allclose(x[[0, 3], :, 0], [tone(16_000, 1)] * 2, atol=1e-6)
    assert rows.raw_inputs()["signal_bytes"][1:3] == [b"", b""]
    # Decoded in every epoch where they do not fit into memory.
    bank = rows.banks["signal"]
    again = type(bank)(bank.keys, *bank.size, memory_limit=0)
    assert not again.in_memory
    np.testing.assert_array_equal(first_batch(rows.__class__(**{**vars(rows), "banks": {"signal": again}})), x)
    assert load(tmp_path / "table.csv", sample_rate=4_000, signal_length=100).schema["signal"].input_shape == (100, 1)


@pytest.mark.parametrize(
    "cell, reason",
    [
        ([], "a signal without a sample"),
        ([[1, 2], [3]], "rows of different lengths"),
        (["a"], "something else than numbers"),
        ("[1, 2", "a list that is no JSON"),
        ([1.0, 2.0], "1 channels instead of 2"),
        (np.zeros((2, 2, 2)), "3 dimensions"),
        ([[NAN, NAN]], "every sample is missing"),
        (7, "a cell of type int"),
        ("https://example.com/a.wav", "a web address"),
        (b"\x93NUMPY, cut off", "not a readable .npy file"),
        (wav_bytes([0.1], 8_000), "a WAV file in a column of series"),
    ],
)
def test_bad_cells_are_left_out_and_counted(cell, reason):
    data = load(table(signal=series()))
    rows, skipped = kf.data.load_rows(pd.DataFrame({"signal": [cell]}), data.schema, with_labels=False)
    assert not rows.present["signal"].any() and len(skipped.counts) == 1
    assert reason in next(iter(skipped.counts))


def test_bad_columns_are_refused():
    with pytest.raises(DataError, match="every cell of the signal column 'signal' is empty"):
        load(table(signal=[None] * ROWS, other=series()), "signal,other")
    with pytest.raises(DataError, match=r"40 of 40 rows have a signal that cannot be read.\n40 rows:\n  40 x a list"):
        load(table(signal=["[no"] * ROWS))
    with pytest.raises(DataError, match=r"row 1, column 'signal': '\.\./a\.wav' leads out of the folder"):
        load(table(signal=["../a.wav"] * ROWS))
    with pytest.raises(DataError, match="sample_rate must be a whole number"):
        load(table(signal=series()), sample_rate=0)
    assert load(table(signal=[[1, 2]] * ROWS)).schema["signal"].std == (0.5,)


def test_what_a_test_of_robustness_spoils():
    import tensorflow as tf

    from kerasfusion.evaluation.features.signal import add_noise, drop_samples

    feature = load(table(signal=series())).schema["signal"]
    samples = tf.constant(np.r_[np.ones((1, 15, 2)), np.zeros((1, 15, 2))].astype("float32"))
    x = {"signal": samples, "signal_present": tf.constant([True, False])}
    for change in (add_noise, drop_samples):
        spoiled = change(x, [feature], 1.0, tf.constant([0, 1]))["signal"].numpy()
        assert not spoiled[1].any() and not np.array_equal(spoiled[0], samples[0])
        np.testing.assert_array_equal(change(x, [feature], 0.0, tf.constant([0, 1]))["signal"], samples)
    half = drop_samples(x, [feature], 0.5, tf.constant([0, 1]))["signal"].numpy()[0]
    assert 0 < np.isnan(half).sum() < half.size and (np.isnan(half[:, 0]) == np.isnan(half[:, 1])).all()


def test_statistics_over_time_tell_what_they_can(tmp_path):
    cells = series()
    cells[0] = None
    data = load(table(signal=cells, more=cells), "signal,more")
    baseline = kf.evaluation.SignalStatistics(data.splits["train"], data.splits["validation"])
    vectors, *_ = baseline.vectors(data.splits["train"])
    # Mean, deviation and change of two channels of two features, and whether one is missing.
    assert vectors.shape == (len(data.splits["train"]), 13) and np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[vectors[:, -1] == 0, :-1].mean(axis=0), 0, atol=1e-5)
    baseline.save(tmp_path / "a.npz")
    again = kf.evaluation.SignalStatistics.load(tmp_path / "a.npz")
    for split in data.splits.values():
        found = baseline.predict(split)["label"]["probabilities"]
        assert (found.argmax(axis=1) == split.labels["label"]).all()
        np.testing.assert_allclose(again.predict(split)["label"]["probabilities"], found, atol=1e-6)
    sounds = [np.append(tone(8_000, i % 2), [NAN] * (i % 3)) for i in range(ROWS)]
    data = load(table(signal=sounds), sample_rate=8_000)
    baseline = kf.evaluation.SignalStatistics(data.splits["train"], data.splits["validation"])
    assert baseline.vectors(data.splits["test"])[0].shape[1] == 2 * 40 + 1
    found = baseline.predict(data.splits["test"])["label"]["probabilities"]
    assert (found.argmax(axis=1) == data.splits["test"].labels["label"]).all()


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """A run by the command line on sounds, series and texts, where a sound alone tells the label."""
    folder = tmp_path_factory.mktemp("notes")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"high": random.random(80) < 0.5})
    for i, high in enumerate(frame["high"]):
        rate = 8_000 if i % 5 else 11_025
        sound = tone(rate, high, random.uniform(0.05, 0.15)) + random.normal(0, 0.02)
        (folder / f"{i}.wav").write_bytes(wav_bytes(sound, rate))
    frame["sound"] = [f"{i}.wav" for i in range(80)]
    frame["series"] = [json.dumps(random.normal(size=10).round(2).tolist()) for _ in range(80)]
    frame["text"] = random.choice(["a note that is long", "some short note"], 80)
    frame["pitch"] = np.where(frame.pop("high"), "high", "low")
    frame.loc[3, "sound"], frame.loc[4, "series"], frame.loc[5, "text"] = "", "[1, NaN, 2]", ""
    frame.to_csv(folder / "notes.csv", index=False)
    arguments = ["--signal", "sound,series", "--text", "text", "--label", "pitch", "--epochs", "6"]
    arguments += ["--learning-rate", "0.005", "--batch-size", "16", "--output-dir", str(folder / "run")]
    done = CliRunner().invoke(cli.app, ["train", str(folder / "notes.csv"), *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.mark.slow
def test_sounds_and_series_are_learned_reported_and_served(notes):
    folder, output = notes
    assert "8,000 Hz, one channel" in output and "the inputs are text and signal" in output
    scores = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["scores"]
    assert {"mixed_gated", "text only", "signal only", "signal statistics + linear model"} <= set(scores)
    assert scores["mixed_gated"]["value"] > scores["majority"]["value"]
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Signals: sound" in page and "sound of row" in page and "base64 -w0 sound.wav" in page
    run = kf.load(folder / "run")
    rows = pd.read_csv(folder / "notes.csv", keep_default_na=False).head(8)
    (folder / "cut.wav").write_bytes((folder / "6.wav").read_bytes()[:100])
    rows.loc[6, "sound"], rows.loc[7, "series"] = "cut.wav", ""
    expected = run.predict(rows, image_dir=folder)
    assert expected["sound_ok"].tolist() == [True] * 3 + [False] + [True] * 2 + [False] + [True]
    version = kf.export(run, folder / "served")
    assert kf.verify(version).ok
    cells = [json.loads(cell) if cell else [] for cell in rows["series"]]
    with kf.serving.CApiSession(version) as session:
        answer = session.run(
            "serving_default",
            {
                "text": [text.encode() for text in rows["text"]],
                "sound_bytes": [(folder / path).read_bytes() if path else b"" for path in rows["sound"]],
                "series": [[[v] for v in cell] + [[NAN]] * (12 - len(cell)) for cell in cells],
            },
        )
    assert answer["sound_ok"].tolist() == expected["sound_ok"].tolist()
    assert answer["series_ok"].tolist() == [True] * 7 + [False]
    assert [label.decode() for label in answer["label"]] == expected["label"].tolist()
    found = kf.robustness(run, output_dir=folder / "robustness", num_severities=2).curves
    assert {"signal dropped", "signal noised", "samples dropped"} <= set(found["corruption"])
