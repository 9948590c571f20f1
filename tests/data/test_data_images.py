"""The image column: each image once, and the broken ones named."""

import base64
import io
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasfusion.data import load
from kerasfusion.data.errors import DataError
from kerasfusion.data.images import resolve_images
from kerasfusion.data.table import read_table


def encoded(size=(5, 3), kind="PNG"):
    """An encoded image, `size` being (width, height)."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind)
    return file.getvalue()


def png_header(width, height):
    """A PNG that claims a size, without pixels."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def table(folder, cells):
    """A table read from `pets.csv` in `folder`, its images being `cells`."""
    frame = read_table(pd.DataFrame({"photo": cells}))
    frame.attrs.update(source="pets.csv", folder=str(folder), line_offset=1)
    return frame


def test_each_image_once(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(encoded())
    (tmp_path / "sub/b c.png").write_bytes(encoded((4, 3)))
    a, b = str(tmp_path / "a.png"), str(tmp_path / "sub" / "b c.png")
    cells = [
        "a.png",
        "sub/b c.png",
        "./a.png",
        None,
        a,
        (tmp_path / "sub" / "b c.png").as_uri(),
        "sub\\b c.png",
    ]
    images = resolve_images(table(tmp_path, cells), "photo")
    assert images.keys == [a, b]
    assert images.row_index.dtype == np.int32
    assert images.row_index.tolist() == [0, 1, 0, -1, 0, 1, 1]
    check = images.check()
    assert not check.problems
    assert check.sizes.tolist() == [[3, 5], [3, 4]]
    assert check.bad.tolist() == [False, False]


def test_images_in_the_cells(tmp_path):
    one, two = encoded((5, 3)), encoded((2, 7), "JPEG")
    inline = "data:image/png;base64," + base64.b64encode(one).decode()
    cells = [
        one,
        {"bytes": two, "path": None},
        inline,
        bytearray(two),
        b"",
        {"bytes": None, "path": None},
        None,
    ]
    images = resolve_images(table(tmp_path, cells), "photo")
    assert images.keys == [one, two]
    assert images.row_index.tolist() == [0, 1, 0, 1, -1, -1, -1]
    assert images.check().sizes.tolist() == [[3, 5], [7, 2]]


def test_image_dir_and_paths_in_dicts(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(encoded())
    frame = table(tmp_path, [{"path": "a.png", "bytes": None}, "a.png"])
    images = resolve_images(frame, "photo", image_dir=tmp_path / "photos")
    assert images.keys == [str(tmp_path / "photos" / "a.png")]
    assert images.row_index.tolist() == [0, 0]


def test_problems_name_row_column_and_file(tmp_path):
    files = {
        "good.png": encoded(),
        "empty.png": b"",
        "text.png": b"hello",
        "scan.tif": encoded(kind="TIFF"),
        "large.png": png_header(10_001, 10_000),
        "huge.png": png_header(60_000, 60_000),
        "allowed.png": png_header(9_999, 10_000),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    cells = [
        *files,
        "gone.png",
        "gone.png",
        "http://x.org/a.png",
        "data:image/png;base64,!",
        "sub/../text.png",
    ]
    images = resolve_images(table(tmp_path, cells), "photo")
    check = images.check()
    assert check.problems.counts == {
        "a web address, not a file (download it first)": 1,
        "broken base64": 1,
        "empty file (0 bytes)": 1,
        "not a readable image": 2,
        "TIFF images are not supported (save as PNG or JPEG)": 1,
        "over 100 megapixels": 2,
        "file does not exist": 2,
    }
    gone = str(tmp_path / "gone.png")
    assert check.problems.examples["file does not exist"] == [(8, "photo", gone), (9, "photo", gone)]
    assert check.problems.examples["a web address, not a file (download it first)"] == [
        (10, "photo", "http://x.org/a.png")
    ]
    assert check.problems.total == 10
    assert check.bad.tolist() == [False, True, True, True, True, True, False, True]
    assert check.sizes[[0, 1, 6]].tolist() == [[3, 5], [0, 0], [10_000, 9_999]]
    assert images.row_index.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, -1, -1, 2]
    assert np.flatnonzero(images.unusable_rows).tolist() == [9, 10]


def test_broken_bytes_are_reported_by_length(tmp_path):
    check = resolve_images(table(tmp_path, [encoded(), b"hello"]), "photo").check()
    assert check.problems.examples == {"not a readable image": [(2, "photo", "5 bytes")]}


def test_rows_are_the_tables_after_filtering(tmp_path):
    frame = table(tmp_path, [encoded(), encoded((1, 1)), b"hello"])[1:]
    assert resolve_images(frame, "photo").check().problems.examples["not a readable image"][0][0] == 3


def test_sample_looks_at_some(tmp_path):
    images = resolve_images(table(tmp_path, [encoded((i, 1)) for i in range(1, 8)]), "photo")
    assert images.check(sample=3).sizes[:, 1].tolist() == [1, 0, 0, 4, 0, 0, 7]
    assert images.check(sample=99).sizes[:, 1].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_paths_that_lead_out_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "x.png").write_bytes(encoded())
    (tmp_path / "in" / "y.png").write_bytes(encoded((4, 3)))
    frame = table(tmp_path / "in", ["y.png", "../x.png"])
    message = r"pets\.csv, row 2 \(line 3\), column 'photo': '\.\./x\.png' leads out of the image folder .*in\."
    with pytest.raises(DataError, match=message):
        resolve_images(frame, "photo")
    assert resolve_images(frame, "photo", allow_external_paths=True).keys[1] == str(tmp_path / "x.png")


def test_all_missing_says_where_it_looked(tmp_path):
    with pytest.raises(DataError) as caught:
        resolve_images(table(tmp_path, ["a.png", "b.png"]), "photo")
    assert str(caught.value) == (
        f"pets.csv: not one image of column 'photo' exists. Searched {tmp_path}; the first would be "
        f"{tmp_path / 'a.png'}. Say where the images are (image_dir=…, --image-dir)."
    )
    with pytest.raises(DataError, match=r"(?s)not one image .* 1 x a web address.*row 1, column 'photo'"):
        resolve_images(table(tmp_path, ["https://x.org/a.png"]), "photo")
    with pytest.raises(DataError, match=r"pets\.csv: every cell of the image column 'photo' is empty"):
        resolve_images(table(tmp_path, [None, None]), "photo")


def test_wrong_folder_and_wrong_cells(tmp_path):
    with pytest.raises(DataError, match=r"The image folder .*nowhere does not exist \(image_dir=…, --image-dir\)"):
        resolve_images(table(tmp_path, ["a.png"]), "photo", image_dir=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"pets\.csv, row 2 \(line 3\), column 'photo': an image is .* not int"):
        resolve_images(table(tmp_path, ["a.png", 7]), "photo")


def test_files_of_equal_bytes_are_one_image(tmp_path):
    one, two = encoded((5, 3)), encoded((3, 5))
    assert len(one) == len(two)
    for name, data in {
        "a.png": one,
        "copy.png": one,
        "b.png": two,
        "bad.png": b"hello",
        "bad2.png": b"hello",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    (tmp_path / "soft.png").symlink_to(tmp_path / "a.png")
    cells = ["a.png", "b.png", "copy.png", "hard.png", "soft.png", {"bytes": one}, None, "gone.png", "gone2.png"]
    cells += ["bad.png", "bad2.png"]
    images = resolve_images(table(tmp_path, cells), "photo")
    assert images.row_index.tolist() == [0, 1, 0, 0, 0, 0, -1, 2, 3, 4, 4]
    assert images.keys[:2] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    # Each row is named as its own cell names it.
    examples = images.check().problems.examples
    assert [name for *_, name in examples["not a readable image"]] == [
        str(tmp_path / "bad.png"),
        str(tmp_path / "bad2.png"),
    ]
    assert [row for row, *_ in examples["file does not exist"]] == [8, 9]


def test_copies_of_an_image_do_not_cross_splits(tmp_path):
    for i in range(40):
        Image.new("RGB", (8, 8), (i // 2 * 6, 9, 9)).save(tmp_path / f"{i}.png")
    frame = pd.DataFrame({"photo": [f"{i}.png" for i in range(40)], "label": ["a", "a", "b", "b"] * 10})
    data = load(frame, image="photo", label="label", image_dir=tmp_path)
    images = {name: set(part.arrays["image"].tolist()) for name, part in data.splits.items()}
    assert sum(map(len, images.values())) == len(set.union(*images.values())) == 20
