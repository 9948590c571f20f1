"""Chinese, Japanese and Korean text in figures, with and without a font that has it."""

import dataclasses
import warnings

import matplotlib
import pytest
from matplotlib import font_manager

from kerasfusion.evaluation import figures, fonts


@dataclasses.dataclass
class Score:
    value: float = 0.5
    low: float = 0.4
    high: float = 0.6
    name: str = "accuracy"
    is_share: bool = True


@pytest.fixture(autouse=True)
def fresh():
    fonts._fallbacks.cache_clear()
    fonts._warned.clear()
    yield
    fonts._fallbacks.cache_clear()
    fonts._warned.clear()


def draw(path):
    figures.comparison({"黑猫 $x$": Score(), "こんにちは 안녕": Score()}, path)


def test_one_warning_names_the_package_where_no_font_has_a_character(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_fallbacks", lambda: [])
    with pytest.warns(UserWarning) as caught:
        draw(tmp_path / "one.png")
        draw(tmp_path / "two.png")
    assert len(caught) == 1 and "fonts-noto-cjk" in str(caught[0].message)
    assert (tmp_path / "two.png").exists()


def test_other_warnings_are_kept():
    with pytest.warns(UserWarning, match="something else"), fonts.one_warning():
        warnings.warn("something else", stacklevel=1)


def test_installed_fonts_follow_the_default_in_order_of_preference(monkeypatch):
    names = ["WenQuanYi Zen Hei", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Mono CJK SC", "Comic Sans"]
    entries = [font_manager.FontEntry(name=name, weight=400) for name in names]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    before = list(matplotlib.rcParams["font.family"])
    assert fonts.families() == [*before, "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei"]


def test_a_font_that_was_installed_after_the_cache_was_made_is_found(tmp_path, monkeypatch):
    added, entries = [], []
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/fonts/Arial.ttf", "/fonts/wqy-zenhei.ttc"])

    def add(path):
        added.append(path)
        entries.append(font_manager.FontEntry(name="WenQuanYi Zen Hei", weight=400))

    monkeypatch.setattr(font_manager.fontManager, "addfont", add)
    assert fonts.families()[-1] == "WenQuanYi Zen Hei" and added == ["/fonts/wqy-zenhei.ttc"]


def test_no_warning_with_such_a_font(tmp_path):
    if not fonts._fallbacks():
        pytest.skip("no font with Chinese glyphs is installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tmp_path / "one.png")
