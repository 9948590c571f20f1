"""Frames and animated GIFs to the frames of a model."""

import pytest
import tensorflow as tf
from videos import gif, gray_frames, png

from kerasfusion.bounds import MOST_GIF_FRAMES
from kerasfusion.preprocessing.animated_gif import frame_durations
from kerasfusion.preprocessing.video import decode_videos, fill_frames, sample_places

LEVELS = (0, 40, 80, 120, 160, 200)
SIZE = (12, 16)


@tf.function(input_signature=[tf.TensorSpec((None, None), tf.string), tf.TensorSpec((), tf.int64)])
def decoded(encoded, max_pixels):
    return decode_videos(encoded, 4, SIZE, max_pixels)


def shown(rows, max_pixels=10**8):
    """The gray level of each frame, and which videos were read."""
    width = max(map(len, rows))
    frames, ok = decoded(tf.constant([[*row, *[b""] * (width - len(row))] for row in rows]), max_pixels)
    assert frames.dtype == tf.uint8 and frames.shape[1:] == (4, *SIZE, 3)
    return frames.numpy()[:, :, 0, 0, 0].tolist(), ok.numpy().tolist()


@pytest.fixture(scope="module")
def pngs():
    return [png(frame) for frame in gray_frames(LEVELS)]


@pytest.mark.parametrize(
    ("count", "places"),
    [(0, [0, 0, 0, 0]), (1, [0, 0, 0, 0]), (3, [0, 1, 1, 2]), (4, [0, 1, 2, 3]), (8, [1, 3, 5, 7])],
)
def test_frames_are_those_in_the_middle_of_equal_parts(count, places):
    assert sample_places(tf.constant(count), 4).numpy().tolist() == places


def test_many_frames_are_sampled_before_they_are_decoded():
    assert sample_places(tf.constant(100_000), 4).numpy().tolist() == [12_500, 37_500, 62_500, 87_500]


def test_a_frame_that_cannot_be_read_shows_the_one_before_it():
    frames = tf.reshape(tf.range(8, dtype=tf.int32), (2, 4, 1, 1, 1))
    ok = tf.constant([[False, True, False, True], [False] * 4])
    assert fill_frames(frames, ok).numpy().reshape(2, 4).tolist() == [[1, 1, 1, 3], [4, 4, 4, 4]]


def test_frames_padding_and_gifs_in_one_batch(pngs):
    animation = gif(gray_frames(LEVELS))
    rows = [pngs, pngs[:3], [b"junk", *pngs[1:3], b"junk"], [animation], [b"junk"], [], [b"", pngs[2], b"", pngs[4]]]
    levels, ok = shown(rows)
    assert levels == [
        [0, 80, 120, 200],
        [0, 40, 40, 80],
        [40, 40, 80, 80],
        [0, 80, 120, 200],
        [0] * 4,
        [0] * 4,
        [80, 80, 160, 160],
    ]
    assert ok == [True, True, True, True, False, False, True]
    frames, ok = decoded(tf.zeros((0, 3), tf.string), 10**8)
    assert frames.shape == (0, 4, *SIZE, 3) and ok.shape == (0,)


def test_a_gif_is_sampled_by_its_time():
    # 0, 1 hundredths count as 10, as in browsers: 10, 20, 5, 10, 10, 10 of 65; moments at 8.1, 24.4, 40.6, 56.9.
    animation = gif(gray_frames(LEVELS), [100, 200, 50, 0, 10, 100])
    durations, area = frame_durations(tf.constant(animation))
    assert durations.numpy().tolist() == [10, 20, 5, 10, 10, 10] and int(area) == 12 * 16
    assert shown([[animation]])[0] == [[0, 40, 120, 200]]
    # A GIF beside other strings is one still frame, its first.
    assert shown([[animation, animation]])[0] == [[0] * 4]


def test_a_gif_beyond_the_limits_is_missing():
    assert shown([[gif(gray_frames(LEVELS))]], max_pixels=6 * 12 * 16)[1] == [True]
    assert shown([[gif(gray_frames(LEVELS))]], max_pixels=6 * 12 * 16 - 1)[1] == [False]
    for count, ok in ((MOST_GIF_FRAMES, True), (MOST_GIF_FRAMES + 1, False)):
        assert shown([[_long_gif(count)]])[1] == [ok]
    assert shown([[_long_gif(100_000)]])[1] == [False]


def test_broken_gifs_do_not_fail_the_batch(pngs):
    whole = gif(gray_frames(LEVELS))
    nothing = whole[:13] + whole[13 : 13 + 3 * 2 ** (whole[10] % 8 + 1)] * (whole[10] >= 128) + b";"
    rows = [[whole[:end]] for end in (4, 8, 20, len(whole) // 2, len(whole) - 1)]
    _, ok = shown([*rows, [nothing], [whole], pngs])
    assert ok[:3] == [False] * 3 and ok[5:] == [False, True, True]


def _long_gif(count):
    """A GIF of so many frames of one pixel, alternately dark and light."""
    header = b"GIF89a" + bytes([1, 0, 1, 0, 0x80, 0, 0]) + bytes([0, 0, 0, 255, 255, 255])
    frames = [bytes([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44 if i % 2 else 0x4C, 1, 0]) for i in (0, 1)]
    return header + b"".join(frames) * (count // 2) + frames[0] * (count % 2) + b";"
