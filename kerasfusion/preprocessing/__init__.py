"""Preprocessing of texts, images and signals as TensorFlow ops, shared by training and serving."""

from kerasfusion.preprocessing.augmentation import Augmentation, augment_images
from kerasfusion.preprocessing.boxes import grid_boxes
from kerasfusion.preprocessing.image import decode_image, decode_images
from kerasfusion.preprocessing.ngrams import NgramVectorizer
from kerasfusion.preprocessing.signal import decode_signal, decode_signals
from kerasfusion.preprocessing.text import join_words, learn_vocabulary, standardize, text_vectorizer, tokenize
from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer

__all__ = [
    "Augmentation",
    "NgramVectorizer",
    "WordPieceVectorizer",
    "augment_images",
    "decode_image",
    "decode_images",
    "decode_signal",
    "decode_signals",
    "grid_boxes",
    "join_words",
    "learn_vocabulary",
    "standardize",
    "text_vectorizer",
    "tokenize",
]
