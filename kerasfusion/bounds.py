"""Bounds of numeric settings, checked alike by the command line and Python, and limits of what is read."""

import dataclasses
import numbers

# How much of one image is read: where a table is checked, and again where it is decoded.
# 10,000 x 10,000: 300 MB of pixels. A file of a few kilobytes can claim thousands of times as many.
MOST_PIXELS = 100_000_000
# 5,000 x 5,000: what an export decodes unless told otherwise. Its requests come from anyone, several at a time.
SERVING_PIXELS = 25_000_000
# Each scan of a JPEG costs a pass over all of its pixels. Common encoders write up to 10, of CMYK images 18.
MOST_SCANS = 32
# Parts of a JPEG (segments and scans) that are walked through, one by one. A color profile has up to 255.
MOST_SEGMENTS = 1000
# Steps through the blocks before and in the first frame of a GIF; up to 256 blocks of one size are one step.
MOST_BLOCK_STEPS = 4_000
# Frames of an animated GIF, all of which are decoded, and steps through its blocks.
MOST_GIF_FRAMES = 1_000
MOST_GIF_STEPS = 20_000
# Parts of a WAV file up to its samples that are walked through. Recorders write a few.
MOST_CHUNKS = 64
# Channels of a WAV file, and samples a second.
MOST_CHANNELS = 256
MOST_RATE = 768_000


@dataclasses.dataclass(frozen=True)
class Bound:
    """The values that a setting may have.

    Args:
        low: Smallest value.
        high: Largest value.
        whole: Whether only whole numbers are allowed.
        above: Exclude `low` itself.
        below: Exclude `high` itself.
    """

    low: float
    high: float
    whole: bool = True
    above: bool = False
    below: bool = False

    def __str__(self):
        if self.above:
            return f"above {self.low:,} and at most {self.high:,}"
        return f"from {self.low:,} {'up to but not' if self.below else 'to'} {self.high:,}"

    def problem(self, value):
        """What is wrong with a value, as a sentence without its subject; None where nothing is."""
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, kind) and not isinstance(value, bool) and self._holds(value):
            return None
        return f"must be a {'whole ' if self.whole else ''}number {self}, not {value!r}."

    def _holds(self, value):
        # Written so that NaN, which compares as False, is outside.
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)


_YEAR = 365 * 24 * 60 * 60

BOUNDS = {
    "batch_size": Bound(1, 1_000_000),
    "boxes_per_image": Bound(1, 1_000),
    "body_timeout": Bound(0, _YEAR, whole=False, above=True),
    "backbone_learning_rate": Bound(0, 10, whole=False, above=True),
    "epochs": Bound(1, 1_000_000),
    "frames": Bound(1, 512),
    "global_clipnorm": Bound(0, 1_000_000, whole=False, above=True),
    "graceful_timeout": Bound(0, _YEAR, whole=False, above=True),
    "header_timeout": Bound(0, _YEAR, whole=False, above=True),
    "image_size": Bound(8, 4_096),
    "k": Bound(1, 10_000),
    "keep_alive_timeout": Bound(0, _YEAR, whole=False, above=True),
    "learning_rate": Bound(0, 10, whole=False, above=True),
    "lora": Bound(1, 65_536),
    "max_body_bytes": Bound(1, 2**40),
    "max_connections": Bound(1, 1_000_000),
    "max_decoded_bytes": Bound(1, 2**40),
    "max_pixels": Bound(1, MOST_PIXELS),
    "max_request_bytes": Bound(1, 2**40),
    "max_rows": Bound(1, 10_000_000),
    "max_seconds": Bound(0, _YEAR, whole=False, above=True),
    "max_tokens": Bound(1, 10_000_000),
    "micro_batch_size": Bound(1, 1_000_000),
    "minutes": Bound(0, _YEAR // 60, whole=False, above=True),
    "modality_dropout": Bound(0, 1, whole=False, below=True),
    "num_severities": Bound(2, 1_000),
    "patience": Bound(1, 1_000_000),
    "port": Bound(0, 65_535),
    "sample_rate": Bound(1, MOST_RATE),
    "seed": Bound(0, 2**32 - 1),
    "seeds": Bound(1, 1_000),
    "teacher_temperature": Bound(0, 1_000, whole=False, above=True),
    "teacher_weight": Bound(0, 1, whole=False, above=True),
    "sequence_length": Bound(1, 10_000),
    "signal_length": Bound(1, 10_000_000),
    "threads": Bound(1, 1_024),
    "units": Bound(1, 65_536),
    "warmup_ratio": Bound(0, 1, whole=False, below=True),
    "weight_decay": Bound(0, 10, whole=False),
    "write_timeout": Bound(0, _YEAR, whole=False, above=True),
}


def check_bounds(error=ValueError, **settings):
    """Check settings against `BOUNDS`.

    Args:
        error: Class of the exception.
        **settings: Setting -> value.

    Raises:
        ValueError: A value is no number or out of bounds. The message names the setting, its bounds and the value.

    Example:

    ```python
    check_bounds(epochs=20, learning_rate=2e-3)
    ```
    """
    for name, value in settings.items():
        problem = BOUNDS[name].problem(value)
        if problem is not None:
            raise error(f"{name} {problem}")
