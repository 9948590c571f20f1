"""BERT's WordPiece tokenizer in TensorFlow's own string operations: the same graph trains and serves."""

import tensorflow as tf

from kerasfusion.preprocessing.bert_characters import (
    HANGUL_END,
    HANGUL_START,
    KINDS,
    LETTER,
    PAGE,
    SEQUENCE,
    SINGLE,
    SPACE,
    character_tables,
)
from kerasfusion.schema import SPECIAL_TOKENS

PADDING, UNKNOWN, START, END = range(len(SPECIAL_TOKENS))
# A longer word is unknown, as in BERT's own code: this bounds the loop over a word's pieces.
MOST_CHARACTERS = 100
CONTINUED = "##"
# Texts that are cut at a time outside a graph: memory for their characters is bounded.
CHUNK = 256


class WordPieceVectorizer(tf.Module):
    """Turn strings into ids of subword tokens, longest match first (WordPiece, arXiv 1810.04805, 1609.08144).

    BERT's basic tokenizer (clean, split ideographs and punctuation; lower-case and strip accents where the vocabulary
    is of such words), then for each word the longest piece of the vocabulary that it begins with, again for the rest.
    A word that cannot be composed, or has more than 100 characters, is one unknown token. Bytes that are not UTF-8
    are dropped. A special token's name in a text, such as `[MASK]`, is text like any other.

    Args:
        feature: A text `Feature` with `tokenizer="wordpiece"` or `"wordpiece_cased"`. Its vocabulary are the pieces
            of ids 4, 5, …, those that continue a word beginning with `##`; ids 1, 2 and 3 are BERT's `[UNK]`,
            `[CLS]` and `[SEP]`.
        name: Name of the module.

    Call arguments:
        texts: tf.string `(B,)`, UTF-8.

    Returns:
        int64 `(B, feature.length)`: start, tokens, end, zeros. Text that is too long is cut before the end token.
        A text without tokens is all zeros, which is a missing text.

    Example:

    ```python
    pieces = ("un", "##aff", "##able")
    feature = kf.Feature("text", "text", ("a",), length=8, vocabulary=pieces, tokenizer="wordpiece")
    WordPieceVectorizer(feature)(["Unaffable!"])  # [[2, 4, 5, 6, 1, 3, 0, 0]]
    ```
    """

    def __init__(self, feature, name=None):
        super().__init__(name=name)
        self.length = feature.length
        self.lowercase = feature.tokenizer == "wordpiece"
        self.tables = character_tables(self.lowercase)
        pieces = list(feature.vocabulary)
        ids = tf.range(len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + len(pieces), dtype=tf.int64)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(pieces, ids), PADDING)
        self.longest = max((len(piece.removeprefix(CONTINUED)) for piece in pieces), default=1)
        self._ids = tf.function(self._ids, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)

    def __call__(self, texts):
        texts = tf.convert_to_tensor(texts, tf.string)
        if not tf.executing_eagerly() or len(texts) <= CHUNK:
            return self._ids(texts)
        return tf.concat([self._ids(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)], axis=0)

    def _ids(self, texts):
        count = tf.size(texts, tf.int64)
        words, rows = self._words(*self._characters(texts))
        distinct, places = tf.unique(words)
        pieces = tf.gather(self._pieces(distinct), places)
        ids = pieces.flat_values
        rows = tf.gather(rows, row_of_each(pieces.row_splits, tf.size(ids, tf.int64)))
        # At a token's place in its text; what is behind the last place is cut.
        ends = tf.searchsorted(rows, tf.range(count + 1), out_type=tf.int64)
        place = tf.range(tf.size(ids, tf.int64)) - tf.gather(ends, rows)
        kept = place < self.length - 2
        index = tf.stack([rows, place + 1], axis=1)
        found = tf.scatter_nd(tf.boolean_mask(index, kept), tf.boolean_mask(ids, kept), [count, self.length])
        tokens = tf.minimum(ends[1:] - ends[:-1], self.length - 2)[:, None]
        column = tf.range(self.length, dtype=tf.int64)
        found += tf.where((tokens > 0) & (column == 0), tf.constant(START, tf.int64), 0)
        found += tf.where((tokens > 0) & (column == tokens + 1), tf.constant(END, tf.int64), 0)
        return tf.ensure_shape(found, (None, self.length))

    def _words(self, characters, rows):
        """Split into words: tf.string `(W,)`, and the row of each; no more of a text than `length` has room for."""
        kinds = characters % KINDS
        # A word ends where the text does, before and after a single character, and at a space.
        before = tf.concat([[SPACE], kinds[:-1]], axis=0)
        other_row = tf.concat([[True], rows[1:] != rows[:-1]], axis=0)[: tf.size(rows)]
        before = before[: tf.size(rows)]
        starts = (kinds != SPACE) & (other_row | (kinds == SINGLE) | (before != LETTER))
        at = tf.where(starts)[:, 0]
        word_rows = tf.gather(rows, at)
        # How many words of the same text are before each: those that the length cuts off are not looked up.
        first = tf.searchsorted(word_rows, word_rows, out_type=tf.int64)
        kept = tf.range(tf.size(word_rows, tf.int64)) - first < self.length
        # Of each character the word, and its place in the word. One character too many makes a word unknown.
        words = tf.maximum(tf.cumsum(tf.cast(starts, tf.int64)) - 1, 0)
        used = kinds != SPACE
        words, codes = tf.boolean_mask(words, used), tf.boolean_mask(characters // KINDS, used)
        place = tf.boolean_mask(tf.range(tf.size(rows, tf.int64)), used) - tf.gather(at, words)
        used = tf.gather(kept, words) & (place <= MOST_CHARACTERS)
        words = tf.gather(tf.cumsum(tf.cast(kept, tf.int64)) - 1, tf.boolean_mask(words, used))
        word_rows = tf.boolean_mask(word_rows, kept)
        splits = tf.searchsorted(words, tf.range(tf.size(word_rows, tf.int64) + 1), out_type=tf.int64)
        spelled = tf.RaggedTensor.from_row_splits(tf.boolean_mask(codes, used), splits, validate=False)
        return tf.strings.unicode_encode(spelled, "UTF-8"), word_rows

    def _characters(self, texts):
        """Characters after cleaning, int32 `(N,)` as in the tables' sequences, and the row of each, int64 `(N,)`."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        codes = decoded.flat_values
        rows = row_of_each(decoded.row_splits, tf.size(codes, tf.int64))
        pages, entries, sequences = map(tf.constant, self.tables)
        entry = tf.gather_nd(entries, tf.stack([tf.gather(pages, codes // PAGE), codes % PAGE], axis=1))
        several = entry % KINDS == SEQUENCE
        found = tf.gather(sequences, tf.where(several, entry // KINDS, 0))
        # Of a single character the difference is stored, so that most pages are the same.
        one = tf.pad((entry + codes * KINDS)[:, None], ((0, 0), (0, sequences.shape[1] - 1)), constant_values=-1)
        found = tf.where(several[:, None], found, one)
        if self.lowercase:
            syllable = (codes >= HANGUL_START) & (codes < HANGUL_END)
            jamo = tf.pad(_jamo(codes), ((0, 0), (0, sequences.shape[1] - 3)), constant_values=-1)
            found = tf.where(syllable[:, None], jamo, found)
        there = found >= 0
        rows = tf.broadcast_to(rows[:, None], tf.shape(found, tf.int64))
        return tf.boolean_mask(found, there), tf.boolean_mask(rows, there)

    def _pieces(self, words):
        """Ids of the pieces of each word, int64 `(W, None)` ragged."""
        lengths = tf.strings.length(words, unit="UTF8_CHAR")
        whole = self.table.lookup(words)
        # Most words are pieces themselves.
        bad = lengths > MOST_CHARACTERS
        active = tf.where((whole == PADDING) & ~bad)[:, 0]
        sizes = tf.range(self.longest, 0, -1)

        def step(active, position, owners, ids, failed):
            word, left = tf.gather(words, active), tf.gather(lengths, active) - position
            parts = tf.strings.substr(
                tf.tile(word[:, None], [1, self.longest]),
                tf.tile(position[:, None], [1, self.longest]),
                tf.minimum(sizes[None], left[:, None]),
                unit="UTF8_CHAR",
            )
            parts = tf.where(position[:, None] > 0, tf.strings.join([CONTINUED, parts]), parts)
            looked_up = self.table.lookup(parts)
            longest = tf.argmax(tf.cast(looked_up != PADDING, tf.int32), axis=1)
            piece = tf.gather(looked_up, longest, batch_dims=1)
            found = piece != PADDING
            position += tf.minimum(tf.gather(sizes, longest), left)
            owners = tf.concat([owners, tf.boolean_mask(active, found)], axis=0)
            ids = tf.concat([ids, tf.boolean_mask(piece, found)], axis=0)
            failed = tf.concat([failed, tf.boolean_mask(active, ~found)], axis=0)
            more = found & (position < tf.gather(lengths, active))
            return tf.boolean_mask(active, more), tf.boolean_mask(position, more), owners, ids, failed

        none = tf.zeros((0,), tf.int64)
        *_, owners, ids, failed = tf.while_loop(
            lambda active, *_: tf.size(active) > 0,
            step,
            (active, tf.zeros_like(active, tf.int32), none, none, none),
            shape_invariants=(tf.TensorShape((None,)),) * 5,
            maximum_iterations=MOST_CHARACTERS,
        )
        count = tf.size(words, tf.int64)
        bad |= tf.scatter_nd(failed[:, None], tf.ones_like(failed), count[None]) > 0
        composed = ~tf.gather(bad, owners)
        known = tf.where((whole != PADDING) & ~bad)[:, 0]
        unknown = tf.where(bad)[:, 0]
        owners = tf.concat([known, unknown, tf.boolean_mask(owners, composed)], axis=0)
        ids = tf.concat(
            [
                tf.gather(whole, known),
                tf.fill(tf.shape(unknown), tf.constant(UNKNOWN, tf.int64)),
                tf.boolean_mask(ids, composed),
            ],
            axis=0,
        )
        # A word's pieces were found in order: a stable sort keeps it.
        order = tf.argsort(owners, stable=True)
        splits = tf.searchsorted(tf.gather(owners, order), tf.range(count + 1), out_type=tf.int64)
        return tf.RaggedTensor.from_row_splits(tf.gather(ids, order), splits, validate=False)


def row_of_each(splits, size):
    """The row of each of `size` flat values: int64. Not `value_rowids`, which makes a matrix of rows and values."""
    inner = tf.boolean_mask(splits[1:-1], splits[1:-1] < size)
    return tf.cumsum(tf.scatter_nd(inner[:, None], tf.ones_like(inner), size[None]))


def _jamo(codes):
    """The two or three letters of each Hangul syllable, packed as in the tables: int32 `(N, 3)`."""
    index = codes - HANGUL_START
    tail = index % 28
    letters = tf.stack([0x1100 + index // 588, 0x1161 + index % 588 // 28, 0x11A7 + tail], axis=1)
    packed = letters * KINDS + LETTER
    return tf.where(tf.stack([tail >= 0, tail >= 0, tail > 0], axis=1), packed, -1)
