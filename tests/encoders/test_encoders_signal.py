"""Signal encoders: spectra as librosa's, missing samples and padding that change nothing, and what is pooled."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kerasfusion.encoders import SIGNAL_ENCODERS, SignalCNN, SignalGRU
from kerasfusion.layers import LogMelSpectrogram, TemporalStatistics

NAN = np.float32("nan")
MEAN, STD = (0.0, 3.0), (2.0, 0.0)
SETTINGS = {"cnn": {"filters": (4, 6)}, "gru": {}, "transformer": {"num_heads": 2}}
encoders = pytest.mark.parametrize("kind", SIGNAL_ENCODERS)


def make(kind, **changes):
    settings = {"units": 6, "mean": MEAN, "std": STD, **SETTINGS[kind], **changes}
    return SIGNAL_ENCODERS[kind](**settings)


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float32")


def chirp(rate, seconds=0.5):
    t = np.arange(int(rate * seconds)) / rate
    rising = 0.5 * np.sin(2 * np.pi * (100 * t + (rate / 2 - 200) / 2 / seconds * t**2))
    return (rising * np.minimum(1, 8 * t) + 0.02 * np.sin(0.7 * np.arange(len(t)) ** 2)).astype("float32")


@pytest.mark.parametrize("rate, num_mels", [(8_000, 40), (16_000, 64)])
def test_spectrogram_is_that_of_librosa(rate, num_mels):
    # By librosa 0.11.0, in float64: power_to_db(feature.melspectrogram(y=chirp(rate), sr=rate, n_fft=256 or 512,
    # win_length=rate // 40, hop_length=rate // 100, n_mels=num_mels, pad_mode="constant")).T
    expected = np.load(Path(__file__).parent / "log_mel_reference.npz")[f"rate_{rate}"]
    layer = LogMelSpectrogram(rate, num_mels)
    found = numbers(layer(chirp(rate)[None]))
    assert found.shape == (1, 51, num_mels) == layer.compute_output_shape((1, rate // 2))
    np.testing.assert_allclose(found[0], expected, atol=1e-3)


def test_spectrogram_is_cut_below_the_loudest_value_of_its_own_row():
    sounds = np.stack([chirp(8_000), 0.001 * chirp(8_000)])
    sounds[:, 2_000:] = 0
    found = numbers(LogMelSpectrogram(8_000, top_db=30.0)(sounds))
    np.testing.assert_allclose(found.max(axis=(1, 2)) - found.min(axis=(1, 2)), 30.0, atol=1e-4)
    np.testing.assert_allclose(found[0] - found[1], 60.0, atol=1e-3)
    assert numbers(LogMelSpectrogram(8_000, top_db=None)(sounds)).min() == pytest.approx(-100)


def test_a_window_longer_than_the_transform_is_refused():
    with pytest.raises(ValueError, match="a window of 200 samples does not fit into a Fourier transform of 128"):
        LogMelSpectrogram(8_000, fft_length=128)


def test_statistics_are_those_of_the_samples_that_are_there():
    row = np.array([[NAN, 1], [2, 3], [NAN, NAN], [6, 5], [NAN, NAN]], "float32")
    found = numbers(TemporalStatistics()(np.stack([row, np.full_like(row, NAN), np.ones_like(row)])))
    # Means, deviations and changes of the two channels.
    np.testing.assert_allclose(found[0], [4, 3, 2, (8 / 3) ** 0.5, 4, 4], rtol=1e-6)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], [1, 1, 0, 0, 0, 0], atol=1e-5)
    short = chirp(8_000)
    sounds = np.stack([short, np.concatenate([short[:1_000], np.full(3_000, NAN)]).astype("float32")])[..., None]
    layer = TemporalStatistics(8_000, num_mels=5)
    found = numbers(layer(sounds))
    assert found.shape == (2, 10) == layer.compute_output_shape(sounds.shape)
    # 1,000 samples are 12.5 hops of 10 ms: the frames that begin behind them do not count.
    frames = numbers(LogMelSpectrogram(8_000, 5)(np.nan_to_num(sounds[..., 0])))
    for own, row, count in zip(found, frames, (50, 13), strict=True):
        expected = [row[:count].mean(axis=0), row[:count].std(axis=0)]
        np.testing.assert_allclose(own, np.concatenate(expected), rtol=1e-3, atol=1e-3)


@encoders
def test_padding_behind_changes_nothing(kind):
    series = np.random.default_rng(0).normal(size=(2, 16, 2)).astype("float32")
    layer = make(kind)
    short = layer(series)
    padded = layer(np.pad(series, ((0, 0), (0, 8), (0, 0)), constant_values=NAN))
    count = short["mask"].shape[1]
    np.testing.assert_allclose(numbers(padded["pooled"]), numbers(short["pooled"]), atol=1e-6)
    np.testing.assert_allclose(numbers(padded["sequence"])[:, :count], numbers(short["sequence"]), atol=1e-6)
    assert numbers(padded["mask"])[:, :count].all() and not numbers(padded["mask"])[:, count:].any()
    assert not numbers(padded["sequence"])[:, count:].any()


@encoders
def test_a_signal_without_a_sample_is_defined(kind):
    layer = make(kind)
    out = layer(np.full((1, 16, 2), NAN))
    assert not numbers(out["mask"]).any() and all(np.isfinite(numbers(value)).all() for value in out.values())


@encoders
def test_a_missing_sample_is_no_mean(kind):
    """The mean of a channel and a sample that is not there are told apart."""
    layer = make(kind)
    series = np.random.default_rng(0).normal(size=(1, 16, 2)).astype("float32")
    series[0, 5, 0] = MEAN[0]
    missing = series.copy()
    missing[0, 5, 0] = NAN
    assert np.abs(numbers(layer(series)["pooled"]) - numbers(layer(missing)["pooled"])).max() > 1e-5


def test_samples_are_standardized_and_a_constant_channel_counts_as_one():
    layer = SignalGRU(4, MEAN, STD)
    frames = layer._standardized(np.array([[[4.0, 3.5], [-2.0, NAN]]], "float32"), np.array([[[1, 1], [1, 0]]], bool))
    np.testing.assert_array_equal(numbers(frames), [[[2.0, 0.5, 1.0, 1.0], [-1.0, 0.0, 1.0, 0.0]]])


def test_sounds_are_masked_by_the_samples_of_a_hop():
    sound = np.full((1, 800, 1), NAN)
    sound[0, 75:85] = 0.1
    out = SignalGRU(4, (0,), (1,), rate=8_000)(sound)
    # Ten hops of 80 samples, and the frame behind the last.
    assert numbers(out["mask"])[0].tolist() == [1, 1] + [0] * 9


def test_a_slow_signal_is_no_sound():
    assert SignalCNN(4, (0,), (1,), rate=250).spectrogram is None
    assert SignalCNN(4, (0,), (1,), rate=8_000).spectrogram is not None


def test_gru_pools_its_state_after_the_last_frame_that_is_there():
    series = np.random.default_rng(0).normal(size=(2, 12, 2)).astype("float32")
    series[1, 7:] = NAN
    out = make("gru")(series)
    last = numbers(out["sequence"])[[0, 1], [11, 6]]
    np.testing.assert_allclose(numbers(out["pooled"]), last, atol=1e-6)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_many_frames_are_joined(kind):
    series = np.random.default_rng(0).normal(size=(1, 20, 2)).astype("float32")
    series[0, 13:] = NAN
    out = make(kind, max_frames=8)(series)
    # Three frames in one, of which seven are needed; the fifth begins at sample 12.
    assert numbers(out["mask"])[0].tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_cnn_is_the_convolution_by_hand():
    layer = SignalCNN(3, (0.0,), (1.0,), filters=(2,), kernel_size=3)
    series = np.array([[[1.0], [2.0], [NAN], [4.0]]], "float32")
    out = layer(series)
    frames = np.array([[0, 0], [1, 1], [2, 1], [0, 0], [4, 1], [0, 0]])
    kernel, dense = numbers(layer.convolutions[0].kernel), numbers(layer.projection.kernel)
    hidden = np.array([np.einsum("ki,kio->o", frames[start : start + 3], kernel) for start in (0, 2)])
    tokens = np.maximum(np.maximum(hidden / np.sqrt(1 + 1e-3), 0) @ dense, 0)
    np.testing.assert_allclose(numbers(out["sequence"])[0], tokens, atol=1e-5)
    np.testing.assert_allclose(numbers(out["pooled"])[0], tokens.mean(axis=0), atol=1e-5)


@encoders
def test_another_number_of_channels_is_refused(kind):
    with pytest.raises(ValueError, match="1 channels for 2 means"):
        make(kind)(np.zeros((1, 8, 1), "float32"))
