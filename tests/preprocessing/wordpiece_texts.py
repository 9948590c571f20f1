"""10,000 strings for the WordPiece tokenizer, the same wherever they are made: the reference's ids are stored."""

import random

COUNT = 10_000
ACCENTED = "éèüñçåøšžőİıßÅÉÜÑΣςάώЙйЁёếộ가각힣ạ̃"
COMBINING = "\u0301\u0308\u0323\u0327"
CHINESE = "红色的方块在圆圈左边漢字豈更侮㐀𠀀東京カタカナひらがな"
EMOJI = "😀🎉👩🏽‍🚀❤️🇩🇪🦄🫠✂☎"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~。，、「」！？…–—“”„‹›¿¡§¶·;"
SPACES = " \t\n\r\u00a0\u2003\u3000  "
CONTROL = "\x00\x01\x1f\x7f\u200b\u200d\ufeff\u00ad\ufffd\ue000"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
OTHER = "АБвгДежאבגدعربيहिन्दीไทยภาษาქართულიԱԲǅﬁ①²½™ℌⅣ"


def texts(words):
    """The strings, as bytes: most are UTF-8, some are not.

    Args:
        words: list of str, words to compose texts of.
    """
    draw = random.Random(20)
    return [_text(draw, words, index) for index in range(COUNT)]


def _text(draw, words, index):
    parts = [_part(draw, words) for _ in range(draw.choice((0, 1, 2, 5, 10, 30)))]
    text = "".join(part + draw.choice(("", " ", " ", " ", draw.choice(SPACES))) for part in parts).encode()
    if index % 10 == 0:
        # Bytes that are no UTF-8: lone ones, and characters cut off.
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(text) + 1)
            broken = draw.choice(
                (b"\xff", b"\x80", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf")
            )
            text = text[:at] + broken + text[at:]
    return text


def _part(draw, words):
    kind = draw.randrange(12)
    if kind < 4:
        return draw.choice(words)
    if kind == 4:
        return draw.choice(words) + draw.choice(words)
    if kind == 5:
        return draw.choice(words).capitalize() + draw.choice(PUNCTUATION)
    if kind == 6:
        return "".join(draw.choice(ACCENTED + LETTERS) for _ in range(draw.randrange(1, 8)))
    if kind == 7:
        return draw.choice(words) + draw.choice(COMBINING) + draw.choice(CONTROL) + draw.choice(LETTERS)
    if kind == 8:
        return "".join(draw.choice(CHINESE) for _ in range(draw.randrange(1, 6)))
    if kind == 9:
        return "".join(draw.choice(EMOJI) for _ in range(draw.randrange(1, 4)))
    if kind == 10:
        return "".join(draw.choice(OTHER + PUNCTUATION) for _ in range(draw.randrange(1, 6)))
    # Around the 100 characters that a word may have.
    letter = draw.choice("aé红x")
    return "".join(draw.choice((letter, "e", "s")) for _ in range(draw.choice((3, 20, 99, 100, 101, 102, 150))))
