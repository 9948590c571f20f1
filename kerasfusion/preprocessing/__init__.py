"""Raw strings to token ids, encoded images to pixels: one code path for training and serving."""

from kerasfusion.preprocessing.augment import Augmentation, augment_images
from kerasfusion.preprocessing.image import decode_image, decode_images
from kerasfusion.preprocessing.text import join_words, learn_vocabulary, standardize, text_vectorizer, tokenize
from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer

__all__ = [
    "Augmentation",
    "WordPieceVectorizer",
    "augment_images",
    "decode_image",
    "decode_images",
    "join_words",
    "learn_vocabulary",
    "standardize",
    "text_vectorizer",
    "tokenize",
]
