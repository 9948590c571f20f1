"""Split Chinese and other scripts without spaces into words of a vocabulary, as TensorFlow ops."""

import tensorflow as tf

from kerasfusion.preprocessing.cleaning import SINGLE_CHARACTERS, clean

# Longer ones are split further: this bounds the graph, which looks up every length.
LONGEST_WORD = 8


class LongestMatch(tf.Module):
    """Clean text and separate words by spaces, the longest word of a vocabulary first (forward maximum matching).

    From left to right, the longest word of the vocabulary that the rest of the text begins with is a word, else its
    first character. Other scripts keep their spaces. The graph needs no dictionary but the vocabulary, so a
    SavedModel splits text exactly as training did.

    Args:
        vocabulary: Sequence of str. Words of scripts without spaces that have 2 to 8 characters are matched; other
            entries do not matter.
        name: Name of the module.

    Call arguments:
        text: tf.string `(B,)`, in UTF-8, as for `kf.preprocessing.standardize`.

    Returns:
        tf.string `(B,)`; words are separated by whitespace.

    Example:

    >>> LongestMatch(["红色", "方块"])(tf.constant(["红色的方块!"]))
    [' 红色 的 方块 ']
    """

    def __init__(self, vocabulary, name=None):
        super().__init__(name=name)
        with tf.init_scope():
            words = [word for word in vocabulary if 1 < len(word) <= LONGEST_WORD]
            matched = tf.strings.regex_full_match(tf.constant(words, tf.string), f"{SINGLE_CHARACTERS}+").numpy()
            self.words = tuple(word for word, found in zip(words, matched, strict=True) if found)
            # A table must not be empty; an empty string is never looked up as a word.
            keys = tf.constant([*self.words, ""])
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, tf.ones_like(keys, tf.int64)), 0
            )
        self.longest = max(map(len, self.words), default=1)
        # An export holds it once, however many signatures split texts.
        self._separate = tf.function(self._separate_words, reduce_retracing=True)

    def __call__(self, text):
        return self._separate(text)

    def _separate_words(self, text):
        characters = tf.strings.unicode_split(clean(text), "UTF-8")
        flat, rows, ends = characters.flat_values, characters.value_rowids(), characters.row_limits()
        single = tf.strings.regex_full_match(flat, SINGLE_CHARACTERS)
        starts = self._starts(flat, rows, characters.row_starts(), ends)
        # A space on either side of each word, and none within words of other scripts.
        after_single = tf.concat([[False], single[:-1]], axis=0)[: tf.size(single)]
        separated = tf.where(starts & (single | after_single), " " + flat, flat)
        return tf.strings.reduce_join(characters.with_flat_values(separated), axis=-1)

    def _starts(self, flat, rows, first, ends):
        """Whether a word starts at each character, bool `(N,)`."""
        count, rounds = tf.size(flat, tf.int64), _doublings(ends - first)
        place, end = tf.range(count), tf.gather(ends, rows)
        longest, candidate = tf.ones_like(place), flat
        for length in range(2, self.longest + 1):
            candidate += tf.concat([flat[length - 1 :], tf.fill((length - 1,), "")], axis=0)[:count]
            matches = (self.table.lookup(candidate) > 0) & (place + length <= end)
            longest = tf.where(matches, tf.constant(length, tf.int64), longest)
        # Where the next word starts. The place behind the last character leads to itself.
        following = tf.concat([place + longest, [count]], axis=0)
        starts = tf.scatter_nd(first[:, None], tf.ones_like(first), [count + 1]) > 0

        def follow(number, starts, following):
            reached = tf.boolean_mask(following, starts)[:, None]
            reached = tf.scatter_nd(reached, tf.ones_like(reached[:, 0]), [count + 1]) > 0
            return number + 1, starts | reached, tf.gather(following, following)

        # Each round doubles the number of words that are followed from the first of a text.
        given = (tf.constant(0), starts, following)
        return tf.while_loop(lambda number, *_: number < rounds, follow, given)[1][:-1]


def _doublings(lengths):
    """How often 1 is doubled until it exceeds every length."""
    longest = tf.maximum(tf.reduce_max(tf.concat([lengths, [0]], axis=0)), 0)
    return tf.cast(tf.math.ceil(tf.math.log(tf.cast(longest, tf.float32) + 2) / tf.math.log(2.0)), tf.int32)
