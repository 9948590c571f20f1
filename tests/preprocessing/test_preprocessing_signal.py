"""WAV files of every depth and any rate become the same samples in training and in a SavedModel."""

import io
import re
import struct

import numpy as np
import pytest
import tensorflow as tf
from scipy.io import wavfile
from scipy.signal import resample_poly

from kerasfusion.data import wav_bytes
from kerasfusion.data.signal_cells import why_no_wav
from kerasfusion.preprocessing import decode_signal, decode_signals
from kerasfusion.preprocessing.signal import fit_signal

NAN = float("nan")


def wav(data, tag=1, channels=1, rate=8000, bits=16, before=b"", size=None, layout=None):
    """A WAV file written by hand."""
    align = channels * bits // 8
    layout = layout or struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    chunks = b"WAVE" + before + b"fmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
def four_samples(encoded):
    return decode_signals(encoded, 4, 8000)


def decoded(encoded, length=4, rate=8000):
    samples, ok = decode_signal(encoded, length, rate)
    assert samples.shape == (length, 1)
    return samples.numpy()[:, 0].tolist(), bool(ok)


EXTENSIBLE = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 24000, 3, 24, 22, 24, 4) + struct.pack("<H", 1) + bytes(14)
HALVES = [0.5, -0.5, -1.0, 0.0]


@pytest.mark.parametrize(
    "encoded",
    [
        wav(bytes([192, 64, 0, 128]), bits=8),
        wav(struct.pack("<4h", 2**14, -(2**14), -(2**15), 0)),
        wav(b"\x00\x00\x40" + b"\x00\x00\xc0" + b"\x00\x00\x80" + b"\x00\x00\x00", bits=24),
        wav(b"\x00\x00\x40" + b"\x00\x00\xc0" + b"\x00\x00\x80" + b"\x00\x00\x00", layout=EXTENSIBLE),
        wav(struct.pack("<4i", 2**30, -(2**30), -(2**31), 0), bits=32),
        wav(struct.pack("<4f", *HALVES), tag=3, bits=32),
        wav(struct.pack("<4d", *HALVES), tag=3, bits=64),
        wav_bytes(HALVES, 8000),
        # Two channels, whose mean counts.
        wav(struct.pack("<8f", 1, 0, 0, -1, -1, -1, 1, -1), tag=3, channels=2, bits=32),
        # A chunk of odd length before the format, as some recorders write.
        wav(struct.pack("<4h", 2**14, -(2**14), -(2**15), 0), before=b"LIST\x03\x00\x00\x00abc\x00"),
        # Written into a pipe: the size is not known.
        wav(struct.pack("<4h", 2**14, -(2**14), -(2**15), 0), size=0xFFFFFFFF),
    ],
    ids=["8", "16", "24", "extensible", "32", "float", "double", "written", "stereo", "chunk", "piped"],
)
def test_every_depth_gives_the_same_samples(encoded):
    samples, ok = four_samples([encoded])
    assert samples.numpy().ravel().tolist() == HALVES and ok


SOUND = wav(struct.pack("<4h", 1, 2, 3, 4))


@pytest.mark.parametrize(
    "encoded, reason",
    [
        (b"", "not a readable WAV file"),
        (b"junk", "not a readable WAV file"),
        (SOUND[:-2], "a WAV file that is cut off"),
        (SOUND[:30], "not a readable WAV file"),
        (wav(b""), None),
        (wav(struct.pack("<4h", 1, 2, 3, 4), tag=6), r"compressed samples \(format 6"),
        (wav(bytes(6), bits=12), "not a readable WAV file"),
        (wav(bytes(8), rate=0), "not a readable WAV file"),
        (wav(bytes(8), channels=0), "not a readable WAV file"),
        (SOUND.replace(b"RIFF", b"RIFX"), "big-endian"),
        (b"fLaC" + bytes(100), "FLAC"),
        (b"ID3" + bytes(100), "MP3"),
        (wav_bytes([NAN, NAN, float("inf")], 8000), None),
        (SOUND.replace(b"data", b"date"), "not a readable WAV file"),
    ],
    ids=[
        "empty",
        "junk",
        "cut",
        "header",
        "no_samples",
        "alaw",
        "bits",
        "rate",
        "channels",
        "rifx",
        "flac",
        "mp3",
        "nan",
        "no_data",
    ],
)
def test_what_is_no_signal_costs_its_row_alone(encoded, reason):
    if reason:
        assert re.search(reason, why_no_wav(encoded))
    samples, ok = four_samples([encoded, SOUND])
    assert ok.numpy().tolist() == [False, True] and not samples[0].numpy().any()
    np.testing.assert_allclose(samples[1, :, 0], np.arange(1, 5) / 2**15)


def test_a_longer_signal_is_cut_and_behind_a_shorter_one_samples_are_missing():
    assert decoded(wav_bytes([1, 2, 3], 8000), 2) == ([1.0, 2.0], True)
    samples, ok = decoded(wav_bytes([1, NAN, float("inf")], 8000), 4)
    assert ok
    np.testing.assert_array_equal(samples, [1.0, NAN, NAN, NAN])


@pytest.mark.parametrize("rate, target", [(44_100, 16_000), (8_000, 16_000), (11_025, 8_000), (48_000, 16_000)])
def test_resampled_as_by_scipy(rate, target):
    samples = np.random.default_rng(0).normal(size=1_001).astype("float32")
    expected = resample_poly(samples.astype("float64"), target, rate)
    found = np.asarray(decoded(wav_bytes(samples, rate), len(expected) + 3, target)[0])
    np.testing.assert_allclose(found[:-3], expected, atol=1e-6)
    assert np.isnan(found[-3:]).all()
    # Cut first and resampled then would end in an edge.
    np.testing.assert_allclose(decoded(wav_bytes(samples, rate), 50, target)[0], expected[:50], atol=1e-6)


def test_a_gap_stays_a_gap_at_another_rate():
    samples = np.ones(400, "float32")
    samples[100:200] = NAN
    found = np.asarray(decoded(wav_bytes(samples, 16_000), 200, 8_000)[0])
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(50, 100))


def test_int_files_of_scipy():
    file = io.BytesIO()
    wavfile.write(file, 8000, np.array([[100, 300], [-200, -400]], "int16"))
    found, ok = decoded(file.getvalue(), 2)
    assert ok and found == [200 / 2**15, -300 / 2**15]


def test_series_are_cut_padded_and_told_to_be_missing():
    rows = tf.constant([[[1.0, NAN], [2.0, 5.0], [3.0, 6.0]], [[NAN, NAN]] * 3])
    samples, ok = fit_signal(rows, 2)
    assert ok.numpy().tolist() == [True, False]
    np.testing.assert_array_equal(samples, [[[1.0, NAN], [2.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]])
    padded, _ = fit_signal(rows, 4)
    assert np.isnan(padded[0, 3]).all()
