"""Frames of MP4, AVI and other containers at even moments of their time, read by PyAV (the extra `[video]`)."""

import contextlib
import dataclasses
import io

import numpy as np

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.data.errors import DataError
from kerasfusion.preprocessing.image import fit_pixels

NO_VIDEO = "not a readable video or image"
# What people have instead of a video, by how it begins.
_OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer, not a video (run git lfs pull)",
    b"<!doctype html": "a web page, not a video (its download failed)",
    b"<html": "a web page, not a video (its download failed)",
}


@dataclasses.dataclass(frozen=True, eq=False)
class VideoHeader:
    """What a container says of its video without decoding it.

    Args:
        size: `(height, width)` in pixels.
        times: int64 `(n,)`, when each frame is shown, rising; counted from 0 where the container does not say.
        end: When the last one ends.
        keys: int64, the times of the frames that decoding can begin at; empty where the container has no times.
    """

    size: tuple
    times: np.ndarray
    end: int
    keys: np.ndarray

    def moments(self, length):
        """The times of the frames to take: of each of `length` equal parts of the video, that in its middle."""
        moments = 2 * np.arange(length, dtype="int64") + 1
        total = self.end - self.times[0]
        places = np.searchsorted(2 * length * (self.times - self.times[0]), moments * total, side="right") - 1
        return self.times[places]


def require_av():
    """Import PyAV.

    Raises:
        DataError: It is not installed.
    """
    try:
        import av
    except ImportError:
        raise DataError(
            "MP4, AVI and other videos are read by PyAV: pip install 'kerasfusion[video]'. Lists of frames and "
            "animated GIFs need nothing more."
        ) from None
    return av


def read_video_header(key):
    """Read the times of a video's frames; packets are passed over and not decoded.

    Args:
        key: A file's path (str) or its bytes.

    Returns:
        `VideoHeader`, or the reason (str) why the video cannot be used.
    """
    av = require_av()
    times, keys, end, known = [], [], 0, True
    try:
        with _opened(av, key) as (container, stream):
            size = stream.codec_context.height, stream.codec_context.width
            if size[0] * size[1] > MOST_PIXELS:
                return f"over {MOST_PIXELS // 10**6} megapixels"
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                known &= packet.pts is not None
                times.append(packet.pts if known else len(times))
                if known:
                    end = max(end, packet.pts + (packet.duration or 0))
                    keys += [packet.pts] if packet.is_keyframe else []
    except (av.FFmpegError, OSError, ValueError):
        # Of a file that is cut off, what lies before the end is used.
        if not times:
            return _why_unreadable(key)
    if not times:
        return "a video without a frame"
    if not known:
        times, keys, end = range(len(times)), [], 0
    times = np.sort(np.asarray(times, "int64"))
    step = times[-1] - times[-2] if len(times) > 1 else 1
    return VideoHeader(size, times, max(end, int(times[-1] + max(step, 1))), np.sort(np.asarray(keys, "int64")))


def read_frames(key, header, length, size):
    """Decode evenly spaced frames of a video; of what lies between, no more than decoding needs.

    Args:
        key: A file's path (str) or its bytes.
        header: Its `VideoHeader`.
        length: Number of frames.
        size: `(height, width)` that they are resized to.

    Returns:
        uint8 `(length, height, width, 3)`; None where no frame can be decoded.
    """
    av = require_av()
    wanted = header.moments(length)
    found, last = {}, None
    try:
        with _opened(av, key) as (container, stream):
            stream.thread_type = "AUTO"
            for time, frame in _decoded(container, stream, header, np.unique(wanted)):
                found[time] = last = np.asarray(fit_pixels(_upright(frame), size))
    except (av.FFmpegError, OSError, ValueError):
        pass  # what was decoded before the damage is used
    if last is None:
        return None
    times = np.sort(list(found))
    # The frame before one that could not be decoded; at the beginning, the next.
    return np.stack([found[times[max(np.searchsorted(times, time, side="right") - 1, 0)]] for time in wanted])


def _why_unreadable(key):
    try:
        if isinstance(key, bytes):
            start = key[:64]
        else:
            with open(key, "rb") as file:
                start = file.read(64)
    except FileNotFoundError:
        return "file does not exist"
    except OSError:
        return "file cannot be read"
    return next((reason for sign, reason in _OTHERS.items() if start.lower().startswith(sign)), NO_VIDEO)


@contextlib.contextmanager
def _opened(av, key):
    with av.open(io.BytesIO(key) if isinstance(key, bytes) else key, metadata_errors="ignore") as container:
        if not container.streams.video:
            raise ValueError("no video stream")
        yield container, container.streams.video[0]


def _decoded(container, stream, header, wanted):
    """Yield `(time, frame)` of each wanted time, in order; of one that is not there, the last frame before it."""
    frames, place, shown, number = container.decode(stream), None, None, -1
    for time in wanted:
        start = header.keys[np.searchsorted(header.keys, time, side="right") - 1] if len(header.keys) else None
        if start is not None and (place is None or place < start):
            container.seek(int(start), stream=stream, backward=True, any_frame=False)
            frames, shown = container.decode(stream), None
        while shown is None or place < time:
            frame = next(frames, None)
            if frame is None:
                break
            number += 1
            place, shown = (number if frame.pts is None or not len(header.keys) else frame.pts), frame
        if shown is not None:
            yield int(time), shown


def _upright(frame):
    """Pixels `(h, w, 3)` of a frame, turned as the container says: phones write upright videos lying down."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))
