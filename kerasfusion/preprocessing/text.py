"""Raw strings to token ids, by the same TensorFlow code in training and inside a SavedModel."""

import collections

import keras
import tensorflow as tf

from kerasfusion.preprocessing.wordpiece import WordPieceVectorizer
from kerasfusion.schema import SPECIAL_TOKENS

# Scripts written without spaces, and pictographs: each character is a word of its own.
_SINGLE_CHARACTERS = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{So}])"
_BLANK_BESIDE_THEM = rf" ?{_SINGLE_CHARACTERS} ?"
_APOSTROPHES = r"['’]"
# What separates words: punctuation, control characters, and what modifies emoji (joiners, variants, skin tones).
_SEPARATORS = r"[\p{P}\p{C}\x{FE00}-\x{FE0F}\x{1F3FB}-\x{1F3FF}]+"


@keras.saving.register_keras_serializable("kerasfusion")
def standardize(text):
    """Lower-case, drop punctuation, and put spaces around every Chinese or Japanese character and emoji.

    Args:
        text: tf.string of any shape, UTF-8. Bytes that are not UTF-8 count as separators, as do control characters.

    Returns:
        tf.string of the same shape, words separated by white space.

    Example:

    >>> standardize(tf.constant("What's the RED shape? 红色"))
    'whats the red shape  红  色 '
    """
    # Control characters go as well: `lower` would take a zero for the end of the text.
    text = tf.strings.unicode_transcode(
        text, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(" "), replace_control_characters=True
    )
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, _APOSTROPHES, "")
    text = tf.strings.regex_replace(text, _SEPARATORS, " ")
    return tf.strings.regex_replace(text, _SINGLE_CHARACTERS, r" \1 ")


def text_vectorizer(feature, name=None):
    """The layer that turns strings into a text feature's ids: 0 padding, 1 unknown, then special tokens and words.

    It stays outside the trained model (which takes ids) and is put inside the export.

    Args:
        feature: A text `Feature` with its vocabulary, length and tokenizer, or a `Task` that learns a text.
        name: Name of the layer.

    Returns:
        keras.layers.TextVectorization or WordPieceVectorizer: tf.string `(B,)` -> int64 `(B, length)`.
    """
    if getattr(feature, "tokenizer", "words") != "words":
        return WordPieceVectorizer(feature)
    return keras.layers.TextVectorization(
        standardize=standardize,
        split="whitespace",
        vocabulary=[*SPECIAL_TOKENS[2:], *feature.vocabulary],
        output_sequence_length=feature.length,
        name=name or f"vectorize_{feature.name}",
    )


def tokenize(texts):
    """Split strings into words exactly as the vectorizer does.

    Args:
        texts: Sequence of str.

    Returns:
        tf.RaggedTensor of tf.string, one row per text.
    """
    return tf.strings.split(standardize(tf.constant(list(texts), tf.string)))


def learn_vocabulary(texts, max_tokens=10_000, min_count=1):
    """The most frequent words of the training texts and how long the texts are.

    Args:
        texts: Sequence of str.
        max_tokens: Keep at most so many words.
        min_count: Leave out words seen less often.

    Returns:
        tuple: `(vocabulary, lengths)`, a tuple of words (most frequent first, ties alphabetical) and an int64
        array with the number of words of each text.
    """
    words = tokenize(texts)
    counts = collections.Counter(words.flat_values.numpy().tolist())
    ranked = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
    return tuple(word.decode("utf-8") for word in ranked[:max_tokens]), words.row_lengths().numpy()


def join_words(words):
    """Put words together to texts: the way back from `standardize`, for what a model writes.

    Args:
        words: tf.string `(…, T)`, UTF-8; "" where there is none.

    Returns:
        tf.string `(…)`: words with a blank between them, but none beside the characters that `standardize` takes for
        words of their own, whose scripts are written without blanks.

    Example:

    >>> join_words(tf.constant([["a", "red", "square", ""], ["红", "色", "", ""]]))
    ['a red square', '红色']
    """
    text = tf.strings.reduce_join(words, axis=-1, separator=" ")
    text = tf.strings.strip(tf.strings.regex_replace(text, r"\s+", " "))
    return tf.strings.regex_replace(text, _BLANK_BESIDE_THEM, r"\1")
