"""Videos as encoded frames, or as one animated GIF, to pixels: TensorFlow ops shared by training and SavedModels."""

import tensorflow as tf

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.preprocessing.animated_gif import decode_gif, is_gif
from kerasfusion.preprocessing.image import decode_images, decode_rows


def sample_places(count, length):
    """Choose evenly spaced frames: the middles of `length` equal parts of a video.

    A video with fewer frames than that shows each of them several times.

    Args:
        count: int32 of any shape, numbers of frames.
        length: int, number of frames to take.

    Returns:
        int32 `(..., length)`, places of frames from 0.

    Example:

    >>> sample_places(tf.constant([8, 3]), 4).numpy().tolist()
    [[1, 3, 5, 7], [0, 1, 1, 2]]
    """
    return (2 * tf.range(length) + 1) * tf.cast(count, tf.int32)[..., None] // (2 * length)


def fill_frames(frames, ok):
    """Put the last frame that could be read in the place of one that could not; at the beginning, the next one.

    Args:
        frames: uint8 `(B, T, H, W, 3)`.
        ok: bool `(B, T)`, which could be read.

    Returns:
        uint8 `(B, T, H, W, 3)`. Of a video without a frame that could be read, its first everywhere.
    """

    def fill():
        places = tf.range(tf.shape(ok)[1])
        before = tf.where(ok[:, None, :] & (places <= places[:, None]), places, -1)
        last, first = tf.reduce_max(before, axis=-1), tf.argmax(tf.cast(ok, tf.int32), axis=1, output_type=tf.int32)
        return tf.gather(frames, tf.where(last < 0, first[:, None], last), batch_dims=1)

    return tf.cond(tf.reduce_all(ok), lambda: frames, fill)


def decode_videos(encoded, length, size, max_pixels=MOST_PIXELS):
    """Take evenly spaced frames of a batch of videos, decode them and resize them.

    Only the frames that are taken are decoded. One that cannot be decoded is replaced by the one before it; a video
    without any that can counts as missing, and does not fail the batch.

    Args:
        encoded: tf.string `(B, F)`: frames in order, each as `decode_image` takes them, with empty strings as padding
            behind them; or an animated GIF as a row's only string, see `decode_gif`.
        length: int, number of frames `T`.
        size: tuple `(height, width)` in pixels.
        max_pixels: int. Larger frames, and GIFs of more pixels in all frames together, count as undecodable. Defaults
            to `MOST_PIXELS`.

    Returns:
        tuple: uint8 `(B, T, height, width, 3)`, zeros for missing and undecodable videos, and bool `(B,)`, `True`
        where a frame could be decoded.

    Example:

    ```python
    frames, video_ok = kf.preprocessing.decode_videos([[first_png, second_png], [gif, b""]], 8, (64, 64))
    ```
    """
    encoded = tf.convert_to_tensor(encoded)
    # One column more, so that there is a first frame to look at.
    encoded = tf.pad(encoded, [[0, 0], [0, 1]])
    given = encoded != b""
    order = tf.argsort(tf.cast(~given, tf.int32), axis=1, stable=True)
    encoded = tf.gather(encoded, order, batch_dims=1)
    count = tf.reduce_sum(tf.cast(given, tf.int32), axis=1)
    animated = (count == 1) & is_gif(encoded[:, 0])
    stills = tf.gather(encoded, sample_places(count, length), batch_dims=1)
    stills = tf.where(animated[:, None], b"", stills)
    frames, ok = decode_images(tf.reshape(stills, (-1,)), size, max_pixels=max_pixels)
    frames = tf.reshape(frames, (-1, length, *size, 3))
    ok = tf.reshape(ok, (-1, length))

    def with_gifs():
        moving, moving_ok = decode_rows(
            decode_gif, tf.where(animated, encoded[:, 0], b""), (length, *size), max_pixels
        )
        here = animated[:, None, None, None, None]
        return tf.where(here, moving, frames), tf.where(animated[:, None], moving_ok[:, None], ok)

    frames, ok = tf.cond(tf.reduce_any(animated), with_gifs, lambda: (frames, ok))
    frames = tf.ensure_shape(fill_frames(frames, ok), (None, length, *size, 3))
    return frames, tf.reduce_any(ok, axis=1)
