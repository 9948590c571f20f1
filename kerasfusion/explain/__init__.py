"""What the model looked at."""

from kerasfusion.explain.captions import explain_captions
from kerasfusion.explain.examples import explain_examples
from kerasfusion.explain.heatmap import overlay_heatmap
from kerasfusion.explain.saliency import NoFeatureMapError, grad_cam, image_encoders

__all__ = [
    "NoFeatureMapError",
    "explain_captions",
    "explain_examples",
    "grad_cam",
    "image_encoders",
    "overlay_heatmap",
]
