"""Preprocessing of texts, images, signals and videos as TensorFlow ops, shared by training and serving."""

from kerasfusion.preprocessing.augmentation import Augmentation, augment_images
from kerasfusion.preprocessing.boxes import grid_boxes
from kerasfusion.preprocessing.image import decode_image, decode_images
from kerasfusion.preprocessing.longest_match import LongestMatch
from kerasfusion.preprocessing.ngrams import NgramVectorizer
from kerasfusion.preprocessing.segmentation import learn_segmented_vocabulary
from kerasfusion.preprocessing.signal import decode_signal, decode_signals
from kerasfusion.preprocessing.text import join_words, learn_vocabulary, standardize, text_vectorizer, tokenize
from kerasfusion.preprocessing.video import decode_videos
from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer

__all__ = [
    "Augmentation",
    "LongestMatch",
    "NgramVectorizer",
    "WordPieceVectorizer",
    "augment_images",
    "decode_image",
    "decode_images",
    "decode_signal",
    "decode_signals",
    "decode_videos",
    "grid_boxes",
    "join_words",
    "learn_segmented_vocabulary",
    "learn_vocabulary",
    "standardize",
    "text_vectorizer",
    "tokenize",
]
