"""Raw strings to token ids, encoded images to pixels: one code path for training and serving."""

from kerasfusion.preprocessing.image import decode_image, decode_images
from kerasfusion.preprocessing.text import learn_vocabulary, standardize, text_vectorizer, tokenize

__all__ = ["decode_image", "decode_images", "learn_vocabulary", "standardize", "text_vectorizer", "tokenize"]
