"""N-grams of token ids, hashed to rows of a table."""

from keras import ops

# Ids below are special tokens (padding, unknown, start, end), as in every vocabulary.
FIRST_WORD = 4


def hash_ngrams(ids, max_n, buckets):
    """Compute the row of every n-gram.

    Args:
        ids: int32 `(B, L)`, 0 is padding.
        max_n: int, tokens of the longest n-grams.
        buckets: int, number of rows.

    Returns:
        int32 `(B, G)` in `0 … buckets`; `buckets` for n-grams with a special token, which do not count.
    """
    # The factors keep every product and sum below 2**31.
    known, hashed, found = ids >= FIRST_WORD, ids, []
    for n in range(1, min(max_n, ids.shape[1]) + 1):
        if n > 1:
            following = ids[:, n - 1 :]
            hashed = (hashed[:, :-1] % 65521) * 16381 + (following % 32749) * 31357 + n
            known = ops.logical_and(known[:, :-1], following >= FIRST_WORD)
        found.append(ops.where(known, hashed % buckets, buckets))
    return ops.concatenate(found, axis=1)


def distinct_ngrams(ids, max_n, buckets):
    """Compute the row of every n-gram, and which of them count: each distinct row once.

    Args:
        ids: See `hash_ngrams`.
        max_n: See `hash_ngrams`.
        buckets: See `hash_ngrams`.

    Returns:
        tuple: int32 `(B, G)`, sorted rows; bool `(B, G)`, True at the first of equal rows below `buckets`.
    """
    rows = ops.sort(hash_ngrams(ids, max_n, buckets), axis=1)
    first = ops.concatenate([ops.ones_like(rows[:, :1], dtype="bool"), rows[:, 1:] != rows[:, :-1]], axis=1)
    return rows, ops.logical_and(first, rows < buckets)
