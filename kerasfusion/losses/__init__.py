"""Losses in neutral ops, each usable alone."""

from kerasfusion.losses.scaled_squared_error import ScaledSquaredError

__all__ = ["ScaledSquaredError"]
