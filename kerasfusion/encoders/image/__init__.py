"""Image encoders: pixels to a feature grid and a pooled vector."""

from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.encoders.image.residual_cnn import ResidualCNN
from kerasfusion.encoders.image.small_cnn import SmallCNN

IMAGE_ENCODERS = {"small_cnn": SmallCNN, "residual_cnn": ResidualCNN}

__all__ = ["IMAGE_ENCODERS", "ImageEncoder", "ResidualCNN", "SmallCNN"]
