"""Clean text, as TensorFlow ops: what stays of a string before it is split into words."""

import tensorflow as tf

# Scripts without spaces, and pictographs.
SINGLE_CHARACTERS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{So}]"
_APOSTROPHES = r"['’]"
# Word separators: punctuation, control characters, and emoji modifiers (joiners, variants, skin tones).
_SEPARATORS = r"[\p{P}\p{C}\x{FE00}-\x{FE0F}\x{1F3FB}-\x{1F3FF}]+"


def clean(text):
    """Lowercase text and remove punctuation.

    Args:
        text: tf.string of any shape, in UTF-8. Invalid bytes and control characters are separators.

    Returns:
        tf.string of the same shape.
    """
    # Control characters are replaced too: `lower` treats a null byte as the end of the text.
    text = tf.strings.unicode_transcode(
        text, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(" "), replace_control_characters=True
    )
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, _APOSTROPHES, "")
    return tf.strings.regex_replace(text, _SEPARATORS, " ")
