"""Tiny videos, made on the spot."""

import io
from fractions import Fraction

import numpy as np
from PIL import Image


def gray_frames(levels, size=(12, 16)):
    """A frame of each gray level: uint8 `(n, height, width, 3)`."""
    return np.stack([np.full((*size, 3), level, np.uint8) for level in levels])


def moving_square(right, random, frames=6, side=24):
    """A square that moves to the right or to the left: uint8 `(frames, side, side, 3)`."""
    top, color, ground = random.integers(2, side - 8), random.integers(150, 255, 3), random.integers(0, 60)
    places = np.linspace(1, side - 8, frames).astype(int)
    found = np.full((frames, side, side, 3), ground, np.uint8)
    for time, place in enumerate(places if right else places[::-1]):
        found[time, top : top + 6, place : place + 6] = color
    return found


def png(frame):
    """An encoded frame."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    return file.getvalue()


def gif(frames, milliseconds=100):
    """An animated GIF; `milliseconds` of each frame or of all. Pillow leaves out none where no two are equal."""
    file, images = io.BytesIO(), [Image.fromarray(frame) for frame in frames]
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0)
    return file.getvalue()


def write_video(path, frames, codec="mpeg4", milliseconds=None):
    """A video file, of 10 frames a second or with the time of each frame in milliseconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
