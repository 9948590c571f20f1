"""Stored rows with WebP images, which older releases of TensorFlow do not decode."""

import numpy as np

# The first release whose `decode_image` reads WebP.
SINCE = (2, 20)


def reads_webp(tensorflow):
    """Whether a version of TensorFlow, such as `"2.19.1"`, decodes WebP."""
    return tuple(map(int, tensorflow.split(".")[:2])) >= SINCE


def has_webp(checks):
    """Which rows of a signature's stored inputs hold a WebP image, or a frame of that format: bool `(B,)`."""
    columns = [checks.inputs[name] for name in checks.images() if name in checks.inputs]
    return np.array([any(map(_is_webp, cells)) for cells in zip(*columns, strict=True)], bool)


def leave_out(checks, rows):
    """Leave rows out of a signature's stored inputs and outputs; returns the sentence for the report.

    Where no row would stay, the stored ones are left as they are, and are not to be checked.
    """
    if not rows.all():
        checks.inputs, checks.expected = checks.take(np.flatnonzero(~rows))
    since = ".".join(map(str, SINCE))
    return f"skipped: {rows.sum()} of {len(rows)} stored rows hold WebP images; TensorFlow reads them from {since} on"


def _is_webp(cell):
    contents = cell if isinstance(cell, np.ndarray) else [cell]
    return any(content[:4] == b"RIFF" and content[8:12] == b"WEBP" for content in contents)
