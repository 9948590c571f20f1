"""The Chinese tutorial's helpers: read and drawn captions, the ceiling of repeated ones, paired gains, figures."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasfusion.data import DataError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def chinese():
    sys.path.insert(0, str(EXPERIMENTS))
    try:
        spec = importlib.util.spec_from_file_location("_chinese", EXPERIMENTS / "_chinese.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXPERIMENTS))
    return module


@pytest.fixture
def folders(tmp_path):
    rows = [
        {"image": "images/a.jpg", "captions_zh": ["狗", "跑的狗"], "split": "train", "split_published": "test"},
        {"image": "images/b.jpg", "captions_zh": ["人"], "split": "dev", "split_published": None},
        {"image": "images/c.jpg", "captions_zh": ["船"], "split": "test", "split_published": "val"},
    ]
    rows[0]["translations_zh"] = ["一只狗"]
    for name, part in (("flickr8k_cn", rows), ("flickr8k_128", [{**r, "captions": []} for r in rows])):
        (tmp_path / name).mkdir()
        text = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / name / "data.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_splits_are_read_apart(chinese, folders):
    ours, published = (chinese.flickr8k_cn(folders, split) for split in ("ours", "published"))
    assert ours["split"].tolist() == ["train", "validation", "test"]
    assert published["split"].tolist() == ["test", "validation"]
    assert published["image"].str[-5:].tolist() == ["a.jpg", "c.jpg"]
    assert chinese.one_row_each(ours)["caption"].tolist() == ["狗", "跑的狗", "人", "船"]
    assert chinese.one_row_each(published, "translations")["caption"].tolist() == ["一只狗"]


def test_missing_folders_and_photos_are_named(chinese, folders):
    with pytest.raises(DataError, match=r"flickr8k_cn.data\.jsonl is missing: put the folder flickr8k_cn into"):
        chinese.flickr8k_cn(folders / "nowhere", "ours")
    lines = (folders / "flickr8k_128" / "data.jsonl").read_text().splitlines()
    (folders / "flickr8k_128" / "data.jsonl").write_text("\n".join(lines[:2]))
    with pytest.raises(DataError, match=r"flickr8k_cn/data\.jsonl, row 3, column 'image': .* has no 'c\.jpg'"):
        chinese.flickr8k_cn(folders, "ours")


def test_drawn_captions_say_where_things_are(chinese, tmp_path):
    table = chinese.draw_chinese(tmp_path, {"train": 12, "test": 2})
    assert table["split"].value_counts().to_dict() == {"train": 12, "test": 2}
    for row in table.itertuples():
        pixels = np.asarray(Image.open(row.image), float)
        first, second, third = row.captions
        here = third[:2]
        assert first.endswith(here) and here in ("左边", "上面")
        assert second.endswith({"左边": "右边", "上面": "下面"}[here])
        # Where the first is red and the other is not, that half is redder.
        red = pixels[..., 0] - pixels[..., 1:].mean(axis=-1)
        halves = (red[:, :16], red[:, 16:]) if here == "左边" else (red[:16], red[16:])
        if first.startswith("红色") and not second.startswith("红色"):
            assert halves[0].max() > halves[1].max()


def test_the_ceiling_of_repeated_captions(chinese):
    # Image 0 says one thing twice, which image 1 says once; images 1 and 2 have captions of their own.
    captions = ["狗跑。", "狗跑", "狗跑", "人", "船"]
    found = chinese.ceiling(captions, np.array([0, 0, 1, 1, 2]))
    # Of five captions, the one of image 1 that image 0 says more often finds image 0 first.
    assert found["text to image"].recall[1] == pytest.approx(4 / 5)
    assert found["text to image"].recall[5] == 1 and found["text to image"].gallery == 3
    # Image 0 has no caption of its own: one wrong copy stands half before and half behind.
    assert found["image to text"].recall[1] == pytest.approx(2 / 3)
    assert found["image to text"].median_rank == 1 and found["image to text"].gallery == 5


def test_the_gain_is_paired_by_image(chinese):
    image_of_text = np.repeat(np.arange(40), 5)
    better, worse = np.ones(200), np.ones(200)
    worse[:100] = 7
    gain = chinese.gain_of_recall([better, better], [worse, better], image_of_text)
    assert gain.value == pytest.approx(0.25) and 0 < gain.low < 0.25 < gain.high


def test_simple_captions(chinese):
    known = [["狗", "一只狗"], ["狗", "人"]]
    found = chinese.simple_captions(known, np.eye(2), np.array([[0.1, 1.0], [1.0, 0.2], [0.0, 1.0]]))
    assert found["most frequent caption"] == ["狗"] * 3
    assert found["nearest photo's caption"] == ["狗", "狗", "狗"]
    assert set(found["random caption"]) <= {"狗", "一只狗", "人"} and len(found["random caption"]) == 3


def test_a_figure_without_glyphs_is_not_drawn(chinese, tmp_path, monkeypatch):
    monkeypatch.setattr(chinese.fonts, "_fallbacks", list)
    with pytest.warns(UserWarning, match=r"captions\.png is not drawn: .* fonts-noto-cjk"):
        assert not chinese.save_captions(tmp_path / "captions.png", {"a person": ["狗"]})
    assert not (tmp_path / "captions.png").exists()
    monkeypatch.setattr(chinese.fonts, "_fallbacks", lambda: ["DejaVu Sans"])
    assert chinese.save_captions(tmp_path / "captions.png", {"a person": ["dog"], "model": ["a dog " * 9]})
    with Image.open(tmp_path / "captions.png") as figure:
        assert figure.width > 300


def test_odd_texts_differ_from_the_query(chinese):
    found = chinese.odd_texts("红色的圆")
    assert found["traditional"] == "紅色的圓" and found["ASCII in between"] == "红色 dog 的圆"
    assert pd.Series(found).is_unique
