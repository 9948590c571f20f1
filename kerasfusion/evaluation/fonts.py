"""Fonts of figures: Chinese, Japanese and Korean text next to Matplotlib's default font."""

import contextlib
import functools
import re
import warnings
from pathlib import Path

import matplotlib
from matplotlib import font_manager

# Fonts with Chinese, Japanese or Korean glyphs, and how their files are called, the most complete first.
FAMILIES: tuple[str, ...] = (
    "Noto Sans CJK SC",
    "Noto Sans CJK",
    "Source Han Sans",
    "PingFang",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
)
FAMILIES += ("Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "WenQuanYi", "Nanum", "IPA")
FILES = re.compile(r"cjk|sourcehan|pingfang|hiragino|msyh|simhei|malgun|wqy|nanum|ipag", re.IGNORECASE)
_MISSING = re.compile(r"Glyph (\d+) .*missing from font")


def families():
    """Font families for `font.family`: the default first, then installed ones for the glyphs that it lacks."""
    return [*matplotlib.rcParams["font.family"], *_fallbacks()]


@contextlib.contextmanager
def one_warning():
    """Turn Matplotlib's warning for each glyph that no font has into one a process that names the remedy."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        glyph = _MISSING.match(str(warning.message))
        if glyph is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        else:
            _warn_of(int(glyph[1]))


def _warn_of(character):
    if _warned:
        return
    _warned.append(character)
    warnings.warn(
        f"No installed font has the character {chr(character)!r} and perhaps others: figures show boxes in their "
        "place. For Chinese, Japanese and Korean install a font such as the package fonts-noto-cjk; report.html "
        "shows them with the fonts of the browser.",
        stacklevel=2,
    )


_warned: list[str] = []


@functools.cache
def _fallbacks():
    """Installed families with Chinese, Japanese or Korean glyphs."""
    found = _known()
    if not found:
        # Matplotlib's list of fonts is kept in a cache, which fonts that were installed later are not in.
        for path in font_manager.findSystemFonts():
            if FILES.search(Path(path).name):
                with contextlib.suppress(OSError, RuntimeError):
                    font_manager.fontManager.addfont(path)
        found = _known()
    return found


def _known():
    names = sorted({entry.name for entry in font_manager.fontManager.ttflist if entry.weight == 400})
    chosen = (name for family in FAMILIES for name in names if name.startswith(family))
    return list(dict.fromkeys(chosen))
