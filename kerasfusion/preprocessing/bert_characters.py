"""What BERT's basic tokenizer makes of every Unicode character, as small tables that fit into a graph."""

import functools
import typing
import unicodedata

import numpy as np

# Kinds of a character that is left after cleaning.
LETTER, SPACE, SINGLE = range(3)
# In place of a kind: a row of the table of sequences.
SEQUENCE = 3
# An entry is a number times this, plus the kind.
KINDS = 4
PAGE = 128
UNICODE_END = 0x110000
REPLACEMENT = 0xFFFD
# Characters that BERT takes for words of their own: the ideographs, but neither kana nor Hangul.
CJK = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
# Hangul syllables are decomposed by arithmetic: a table of them would be larger than all else.
HANGUL_START, HANGUL_END = 0xAC00, 0xD7A4
PRIVATE = ((0xE000, 0xF900), (0xF0000, UNICODE_END))
_ASCII_SYMBOLS = frozenset("$+<=>^`|~")


class CharacterTables(typing.NamedTuple):
    """Two-level lookup of what stands for a code point `c`.

    Args:
        pages: int32 `(0x110000 / 128,)`, the row of `entries` for `c // 128`.
        entries: int32 `(n, 128)`: `4 (o - c) + kind` where one character `o` stands for `c`, else
            `4 row + SEQUENCE`.
        sequences: int32 `(m, 3)`: `4 o + kind` of several characters, -1 behind the last; row 0 is empty: characters
            that are dropped.
    """

    pages: np.ndarray
    entries: np.ndarray
    sequences: np.ndarray


@functools.lru_cache
def character_tables(lowercase):
    """The tables of BERT's cleaning, accent stripping, lower-casing and splitting.

    As in the tokenizers library: control characters are dropped, white space is one kind, ideographs and punctuation
    are words of their own; with `lowercase`, characters are decomposed (NFD), lose their non-spacing marks and are
    lower-cased one by one.

    Args:
        lowercase: bool, whether the vocabulary is of lower-cased words without accents.

    Returns:
        `CharacterTables`.
    """
    entries = np.zeros((UNICODE_END,), "int32")
    for start, end in (*PRIVATE, (0xD800, 0xE000)):
        entries[start:end] = SEQUENCE
    sequences = {(): 0}
    for code in _described():
        found = _cleaned(chr(code), lowercase)
        if len(found) == 1:
            ((other, kind),) = found
            entries[code] = (other - code) * KINDS + kind
        else:
            entries[code] = sequences.setdefault(found, len(sequences)) * KINDS + SEQUENCE
    for start, end in CJK:
        plain = entries[start : end + 1]
        plain[plain == LETTER] = SINGLE
    rows = {}
    pages = [rows.setdefault(page.tobytes(), len(rows)) for page in entries.reshape(-1, PAGE)]
    # Hangul syllables have up to three letters.
    packed = np.full((len(sequences), max(3, *map(len, sequences))), -1, "int32")
    for row, found in zip(packed, sequences, strict=True):
        row[: len(found)] = [code * KINDS + kind for code, kind in found]
    distinct = np.frombuffer(b"".join(rows), "int32").reshape(-1, PAGE)
    return CharacterTables(np.array(pages, "int32"), distinct, packed)


def _described():
    """Code points whose entry may be of its own: not ideographs, Hangul, private use and what is unassigned."""
    inside = [(0x3400, 0x4DC0), (0x4E00, 0xA000), (HANGUL_START, HANGUL_END), (0xD800, 0xF900)]
    start = 0
    for begin, end in (*inside, (0x20000, 0x2F800), (0x2FA20, 0xE0000)):
        yield from range(start, begin)
        start = end
    yield from range(start, 0xE0200)


def _cleaned(character, lowercase):
    """The characters, as `(code point, kind)`, that stand for one."""
    if character in "\t\n\r":
        return ((ord(" "), SPACE),)
    category = unicodedata.category(character)
    # Not those without a category: an emoji that is newer than the table is still a word.
    if category in ("Cc", "Cf", "Cs", "Co") or ord(character) == REPLACEMENT:
        return ()
    if character.isspace():
        return ((ord(" "), SPACE),)
    single = any(start <= ord(character) <= end for start, end in CJK)
    if lowercase:
        decomposed = unicodedata.normalize("NFD", character)
        character = "".join(c.lower() for c in decomposed if unicodedata.category(c) != "Mn")
    return tuple((ord(c), SINGLE if single or is_punctuation(c) else LETTER) for c in character)


def is_punctuation(character):
    """Whether BERT takes a character for punctuation: Unicode's, and every ASCII symbol."""
    return character in _ASCII_SYMBOLS or unicodedata.category(character).startswith("P")
