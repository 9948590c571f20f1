"""TF-IDF of word and character n-grams in TensorFlow's own operations, as scikit-learn computes it."""

import tensorflow as tf

from kerasfusion.preprocessing.wordpiece import row_of_each

# All but the characters of a word: Python's `\W`.
_BETWEEN_WORDS = r"[^\pL\pN_]+"
# Python's white space.
_SPACE = r"[\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
# A null byte would end the text in `tf.strings.lower`: an unassigned character, of no word, stands for it.
_NULL, _INSTEAD = r"\x00", "\ue000"


class NgramVectorizer(tf.Module):
    """TF-IDF of the n-grams of strings, as of a fitted `TfidfVectorizer` with `sublinear_tf=True`.

        tfidf(t, s) = (1 + ln count(t, s)) · idf(t),   each row divided by its Euclidean norm

    It equals scikit-learn's up to characters that the Unicode versions of Python, RE2 and ICU classify or lower-case
    differently. Bytes that are not UTF-8 are read as U+FFFD.

    Args:
        analyzer: str, `"word"` for sequences of words (letters, digits and `_`) joined by a space, or `"char_wb"` for
            sequences of characters within words with a space before and after.
        ngram_range: tuple of int, the least and the greatest length of a sequence.
        terms: list of str, the n-grams of columns 0, 1, …, in lower case.
        idf: float `(len(terms),)`, their inverse document frequencies.
        name: Name of the module.

    Call arguments:
        texts: tf.string `(B,)`, UTF-8.

    Returns:
        tf.SparseTensor, float32 `(B, len(terms))`.

    Raises:
        ValueError: an unknown analyzer.

    Example:

    ```python
    vectorizer = kf.preprocessing.NgramVectorizer("word", (1, 2), ["red", "red circle"], [1.0, 1.0])
    tf.sparse.to_dense(vectorizer(tf.constant(["A RED circle"])))  # [[0.71, 0.71]]
    ```
    """

    def __init__(self, analyzer, ngram_range, terms, idf, name=None):
        super().__init__(name=name)
        if analyzer not in ("word", "char_wb"):
            raise ValueError(f"NgramVectorizer: analyzer is 'word' or 'char_wb', not {analyzer!r}.")
        self.analyzer = analyzer
        self.lengths = list(range(ngram_range[0], ngram_range[1] + 1))
        keys = [term.replace("\0", _INSTEAD).encode("utf-8", "replace") for term in terms]
        columns = tf.range(len(keys), dtype=tf.int64)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, columns), -1)
        self.idf = tf.Variable(tf.cast(idf, tf.float32), trainable=False, name="idf")

    def __call__(self, texts):
        found = self._ngrams(_lower(texts))
        rows, count = tf.size(texts, tf.int64), tf.size(self.idf, tf.int64)
        columns = self.table.lookup(found.flat_values)
        row = row_of_each(found.row_splits, tf.size(columns, tf.int64))
        cells = tf.sort(tf.boolean_mask(row * count + columns, columns >= 0))
        cells, _, counts = tf.unique_with_counts(cells)
        row, columns = cells // count, cells % count
        values = (1 + tf.math.log(tf.cast(counts, tf.float32))) * tf.gather(self.idf, columns)
        norms = tf.sqrt(tf.math.unsorted_segment_sum(values**2, row, rows))
        return tf.SparseTensor(tf.stack([row, columns], axis=1), values / tf.gather(norms, row), [rows, count])

    def _ngrams(self, texts):
        """All n-grams, those that are no terms included: ragged tf.string `(B, None)`."""
        if self.analyzer == "word":
            words = tf.strings.split(tf.strings.regex_replace(texts, _BETWEEN_WORDS, " "))
            return tf.strings.ngrams(words, self.lengths, separator=" ")
        # A space ends one word and begins the next: n-grams with one inside are no terms.
        spaced = tf.strings.join([" ", tf.strings.regex_replace(texts, _SPACE, " "), " "])
        return tf.strings.ngrams(tf.strings.unicode_split(spaced, "UTF-8"), self.lengths, separator="")


def _lower(texts):
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    return tf.strings.lower(tf.strings.regex_replace(texts, _NULL, _INSTEAD), encoding="utf-8")
