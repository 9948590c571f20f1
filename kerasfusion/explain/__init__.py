"""What the model looked at."""

from kerasfusion.explain.class_activation import NoActivation, class_activation, image_encoders
from kerasfusion.explain.overlay import overlay
from kerasfusion.explain.rows import explained_rows
from kerasfusion.explain.words import explained_words

__all__ = ["NoActivation", "class_activation", "explained_rows", "explained_words", "image_encoders", "overlay"]
