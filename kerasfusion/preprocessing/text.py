"""Text standardization and vectorization, as TensorFlow ops shared by training and SavedModels."""

import collections
import functools

import keras
import tensorflow as tf

from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer
from kerasfusion.schema import SPECIAL_TOKENS

# Scripts without spaces, and pictographs: each character is a word.
_SINGLE_CHARACTERS = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{So}])"
_BLANK_BESIDE_THEM = rf" ?{_SINGLE_CHARACTERS} ?"
_APOSTROPHES = r"['’]"
# Word separators: punctuation, control characters, and emoji modifiers (joiners, variants, skin tones).
_SEPARATORS = r"[\p{P}\p{C}\x{FE00}-\x{FE0F}\x{1F3FB}-\x{1F3FF}]+"


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
    # Control characters are replaced too: `lower` treats a null byte as the end of the text.
    text = tf.strings.unicode_transcode(
        text, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(" "), replace_control_characters=True
    )
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, _APOSTROPHES, "")
    text = tf.strings.regex_replace(text, _SEPARATORS, " ")
    return tf.strings.regex_replace(text, _SINGLE_CHARACTERS, r" \1 ")


def text_vectorizer(feature, name=None):
    """Build the layer that maps strings to token ids: 0 is padding, 1 unknown, then special tokens and words.

    The layer is not part of the trained model, which takes ids. It is part of the export.

    Args:
        feature: Text `Feature` with vocabulary, length and tokenizer, or a `Task` that generates text.
        name: Name of the layer. Defaults to `None`, `vectorize_<feature>`.

    Returns:
        keras.layers.TextVectorization or WordPieceVectorizer: tf.string `(B,)` -> int64 `(B, length)`.
    """
    if getattr(feature, "tokenizer", "words") != "words":
        return _wordpiece_vectorizer(feature)
    return keras.layers.TextVectorization(
        standardize=standardize,
        split="whitespace",
        vocabulary=[*SPECIAL_TOKENS[2:], *feature.vocabulary],
        output_sequence_length=feature.length,
        name=name or f"vectorize_{feature.name}",
    )


# Its graph takes a second to trace: once for each feature, not for each split that is encoded.
_wordpiece_vectorizer = functools.lru_cache(maxsize=8)(WordPieceVectorizer)


def tokenize(texts):
    """Split strings into words in the same way as `text_vectorizer`.

    Args:
        texts: List of strings.

    Returns:
        tf.RaggedTensor of tf.string, one row per text.
    """
    return tf.strings.split(standardize(tf.constant(list(texts), tf.string)))


def learn_vocabulary(texts, max_tokens=10_000, min_count=1):
    """Collect the most frequent words of texts, and count the words of each text.

    Args:
        texts: List of strings.
        max_tokens: int, maximum number of words. Defaults to `10_000`.
        min_count: int, minimum number of occurrences. Defaults to `1`.

    Returns:
        tuple: the vocabulary, a tuple of words (most frequent first, ties in alphabetical order), and the number of
        words per text, an int64 array.

    Example:

    ```python
    vocabulary, lengths = kf.preprocessing.learn_vocabulary(["a red circle", "a square"])
    ```
    """
    words = tokenize(texts)
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
