"""Image encoders: map pixels to a feature grid, a sequence of its cells and a pooled vector."""

from kerasfusion.encoders.image.applications import (
    ApplicationEncoder,
    EfficientNetB0Encoder,
    MobileNetV2Encoder,
    ResNet50Encoder,
    VGG16Encoder,
)
from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.encoders.image.clip import CLIPImageEncoder
from kerasfusion.encoders.image.efficientnet_lite import EfficientNetLite0Encoder
from kerasfusion.encoders.image.residual_cnn import ResidualCNN
from kerasfusion.encoders.image.row_rnn import RowRNN
from kerasfusion.encoders.image.small_cnn import SmallCNN
from kerasfusion.encoders.image.vit import VisionTransformer

IMAGE_ENCODERS = {
    "small_cnn": SmallCNN,
    "residual_cnn": ResidualCNN,
    "row_rnn": RowRNN,
    "vit": VisionTransformer,
    "vgg16": VGG16Encoder,
    "resnet50": ResNet50Encoder,
    "mobilenet_v2": MobileNetV2Encoder,
    "efficientnet_b0": EfficientNetB0Encoder,
    "efficientnet_lite0": EfficientNetLite0Encoder,
    "clip": CLIPImageEncoder,
}

__all__ = [
    "IMAGE_ENCODERS",
    "ApplicationEncoder",
    "CLIPImageEncoder",
    "EfficientNetB0Encoder",
    "EfficientNetLite0Encoder",
    "ImageEncoder",
    "MobileNetV2Encoder",
    "ResNet50Encoder",
    "ResidualCNN",
    "RowRNN",
    "SmallCNN",
    "VGG16Encoder",
    "VisionTransformer",
]
