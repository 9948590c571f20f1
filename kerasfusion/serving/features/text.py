"""Texts as inputs of signatures."""

import tensorflow as tf

from kerasfusion.preprocessing.bert_characters import character_tables
from kerasfusion.serving.features.base import ServedFeature


class ServedText(ServedFeature):
    """`<name>`, string `(B,)`."""

    def spec(self, feature):
        return tf.TensorSpec((None,), tf.string, name=feature.name)

    def table_bytes(self, feature):
        words = words_bytes(feature.vocabulary)
        if not feature.tokenizer.startswith("wordpiece"):
            # A longest match has a second table, of the words to match.
            return words if feature.tokenizer == "words" else 2 * words
        # Of many pieces the ids count as well, and so do the tables of characters.
        tables = character_tables(feature.tokenizer == "wordpiece")
        return words + 8 * len(feature.vocabulary) + sum(table.nbytes for table in tables)


def words_bytes(words):
    """Bytes of a vocabulary, which is kept with a character between words."""
    return sum(len(word.encode()) + 1 for word in words)
