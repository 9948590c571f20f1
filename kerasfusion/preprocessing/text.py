"""Text standardization and vectorization, as TensorFlow ops shared by training and SavedModels."""

import collections
import functools

import keras
import tensorflow as tf

from kerasfusion.preprocessing.cleaning import SINGLE_CHARACTERS, clean
from kerasfusion.preprocessing.longest_match import LongestMatch
from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer
from kerasfusion.schema import SPECIAL_TOKENS

_SINGLE_CHARACTERS = f"({SINGLE_CHARACTERS})"
_BLANK_BESIDE_THEM = rf" ?{_SINGLE_CHARACTERS} ?"


@keras.saving.register_keras_serializable("kerasfusion")
def standardize(text):
    """Lowercase text, remove punctuation, and separate Chinese, Japanese and Thai characters and emoji by spaces.

    Args:
        text: tf.string of any shape, in UTF-8. Invalid bytes and control characters are separators.

    Returns:
        tf.string of the same shape; words are separated by whitespace.

    Example:

    >>> standardize(tf.constant("What's the RED shape? 红色"))
    'whats the red shape  红  色 '
    """
    return tf.strings.regex_replace(clean(text), _SINGLE_CHARACTERS, r" \1 ")


def standardizer(feature):
    """The function that separates the words of a feature's texts, or of those that a task generates, by spaces.

    Args:
        feature: Text `Feature`, or `Task` of type `"captioning"`.

    Returns:
        `standardize`, or a `LongestMatch` of the vocabulary where the tokenizer is `"longest_match"`.
    """
    return _longest_match(feature.vocabulary) if feature.tokenizer == "longest_match" else standardize


def text_vectorizer(feature, name=None):
    """Build the layer that maps strings to token ids: 0 is padding, 1 unknown, then special tokens and words.

    The layer is not part of the trained model, which takes ids. It is part of the export.

    Args:
        feature: Text `Feature` with vocabulary, length and tokenizer, or a `Task` that generates text.
        name: Name of the layer. Defaults to `None`, `vectorize_<feature>`.

    Returns:
        keras.layers.TextVectorization or WordPieceVectorizer: tf.string `(B,)` -> int64 `(B, length)`.
    """
    if feature.tokenizer.startswith("wordpiece"):
        return _wordpiece_vectorizer(feature)
    return keras.layers.TextVectorization(
        standardize=standardizer(feature),
        split="whitespace",
        vocabulary=[*SPECIAL_TOKENS[2:], *feature.vocabulary],
        output_sequence_length=feature.length,
        name=name or f"vectorize_{feature.name}",
    )


# Its graph takes a second to trace: once for each feature, not for each split that is encoded.
_wordpiece_vectorizer = functools.lru_cache(maxsize=8)(WordPieceVectorizer)
# One table for a vocabulary, so that an export tracks it with any of the layers that use it.
_longest_match = functools.lru_cache(maxsize=8)(LongestMatch)


def tokenize(texts, standardize=standardize):
    """Split strings into words in the same way as `text_vectorizer`.

    Args:
        texts: List of strings.
        standardize: Function that separates words by spaces. Defaults to `standardize`.

    Returns:
        tf.RaggedTensor of tf.string, one row per text.
    """
    return tf.strings.split(standardize(tf.constant(list(texts), tf.string)))


def learn_vocabulary(texts, max_tokens=10_000, min_count=1, standardize=standardize):
    """Collect the most frequent words of texts, and count the words of each text.

    Args:
        texts: List of strings.
        max_tokens: int, maximum number of words. Defaults to `10_000`.
        min_count: int, minimum number of occurrences. Defaults to `1`.
        standardize: Function that separates words by spaces. Defaults to `standardize`.

    Returns:
        tuple: the vocabulary, a tuple of words (most frequent first, ties in alphabetical order), and the number of
        words per text, an int64 array.

    Example:

    ```python
    vocabulary, lengths = kf.preprocessing.learn_vocabulary(["a red circle", "a square"])
    ```
    """
    words = tokenize(texts, standardize)
    counts = collections.Counter(words.flat_values.numpy().tolist())
    ranked = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
    return tuple(word.decode("utf-8") for word in ranked[:max_tokens]), words.row_lengths().numpy()


def join_words(words):
    """Join words to texts, the inverse of `standardize` for generated words.

    Args:
        words: tf.string `(…, T)`, in UTF-8; `""` where there is no word.

    Returns:
        tf.string `(…)`: words separated by spaces, without spaces around characters of scripts that are written
        without them.

    Example:

    >>> join_words(tf.constant([["a", "red", "square", ""], ["红", "色", "", ""]]))
    ['a red square', '红色']
    """
    text = tf.strings.reduce_join(words, axis=-1, separator=" ")
    text = tf.strings.strip(tf.strings.regex_replace(text, r"\s+", " "))
    return tf.strings.regex_replace(text, _BLANK_BESIDE_THEM, r"\1")
