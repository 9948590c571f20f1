"""Images and labels as arrays in an `.npz` file."""

import io

import numpy as np
import pytest
from PIL import Image

import kerasfusion as kf
from kerasfusion.data import DataError
from kerasfusion.data.image_store import ImageStore
from kerasfusion.data.pixel_bytes import as_encoded, pack_pixels, packed_shape
from kerasfusion.data.table import read_table

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(30) % 3


def write(folder, **arrays):
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def pixels_of(cell):
    return np.asarray(Image.open(io.BytesIO(as_encoded(cell))))


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_images_and_labels_without_a_word_said(tmp_path):
    data = kf.data.load(write(tmp_path, x=PIXELS, y=LABELS))
    assert data.columns.of_kind("image") == ("x",) and data.columns.labels == {"y": "multiclass"}
    assert data.source == "set.npz"
    assert data.columns.reasons["image"] == "inferred: the cells are encoded images"
    assert data.schema["label"].classes == ("0", "1", "2") and data.schema["image"].size == (16, 16)
    for split in data.splits.values():
        rows = split.frame.index.to_numpy()
        np.testing.assert_array_equal(split.banks["image"].fetch(split.arrays["image"])[0], PIXELS[rows])
        np.testing.assert_array_equal(split.labels["label"], LABELS[rows])


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_x", "train_y", "test_x", "test_y")],
    ids=["behind", "before"],
)
def test_splits_in_the_names(tmp_path, names):
    arrays = dict(zip(names, (PIXELS[:20], LABELS[:20, None], PIXELS[20:], LABELS[20:, None]), strict=True))
    frame = read_table(write(tmp_path, **arrays))
    assert list(frame.columns) == ["x", "y", "split"]
    assert frame["split"].tolist() == ["train"] * 20 + ["test"] * 10
    np.testing.assert_array_equal(frame["y"], LABELS)
    np.testing.assert_array_equal(pixels_of(frame["x"][25]), PIXELS[25])
    data = kf.data.load(tmp_path / "set.npz")
    assert data.columns.split == "split" and len(data.splits["test"]) == 10


@pytest.mark.parametrize("shape", [(30, 16, 16), (30, 16, 16, 1)])
def test_grey_images(tmp_path, shape):
    frame = read_table(write(tmp_path, images=PIXELS[..., 0].reshape(shape), labels=LABELS))
    np.testing.assert_array_equal(pixels_of(frame["images"][3]), PIXELS[3, ..., 0])


@pytest.mark.parametrize("memory_limit", [10**9, 0], ids=["in memory", "decoded again"])
@pytest.mark.parametrize("size", [(16, 16), (11, 24)], ids=["as they are", "resized"])
def test_pixels_are_those_that_png_would_give(size, memory_limit):
    images = [*PIXELS[:3], *PIXELS[3:6, ..., 0], PIXELS[6, :5]]
    index = np.array([6, 0, -1, 4])
    expected, ok = ImageStore([png(image) for image in images], size).fetch(index)
    # Also beside encoded ones and one that is broken.
    keys = [*map(pack_pixels, images), png(PIXELS[7]), b"no image", pack_pixels(PIXELS[8])[:-1]]
    store = ImageStore(keys, size, memory_limit)
    pixels, found = store.fetch(index)
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(found, ok)
    np.testing.assert_array_equal(store.fetch(np.array([6, 7, 8, 9]))[1], [True, True, False, False])
    np.testing.assert_array_equal(pixels_of(store.encoded(4)), images[4])


def test_neither_encoded_nor_decoded(tmp_path, monkeypatch):
    """Arrays reach the store as they are: no PNG is written or read on the way."""

    def refuse(*_, **__):
        raise AssertionError("an image was encoded")

    monkeypatch.setattr(Image.Image, "save", refuse)
    monkeypatch.setattr(Image, "open", refuse)
    data = kf.data.load(write(tmp_path, x=PIXELS, y=LABELS), cache_dir=tmp_path / "cache")
    train = data.splits["train"]
    np.testing.assert_array_equal(train.banks["image"].fetch(train.arrays["image"])[0], PIXELS[train.frame.index])


def test_what_is_no_packed_image():
    whole = pack_pixels(PIXELS[0])
    assert packed_shape(whole) == (16, 16, 3)
    cells = [
        b"",
        whole[:10],
        whole[:-1],
        whole + b"0",
        png(PIXELS[0]),
        whole.replace(b"\x03\0\0\0", b"\x02\0\0\0", 1),
    ]
    assert [packed_shape(cell) for cell in cells] == [None] * len(cells)


def test_names_numbers_and_tags(tmp_path):
    tags = np.eye(4, dtype=np.int64)[LABELS] + np.eye(4, dtype=np.int64)[3]
    words = np.array(["cat", "dog", "owl"])[LABELS]
    frame = read_table(write(tmp_path, x=PIXELS, species=words, age=LABELS / 2, tags=tags))
    assert frame["species"].tolist()[:3] == ["cat", "dog", "owl"] and frame["age"].tolist()[:3] == [0, 0.5, 1]
    assert frame["tags"].tolist()[:3] == [["0", "3"], ["1", "3"], ["2", "3"]]
    data = kf.data.load(tmp_path / "set.npz", label="tags")
    assert data.columns.labels == {"tags": "multilabel"} and data.schema["label"].classes == (
        "0",
        "1",
        "2",
        "3",
    )
    train = data.splits["train"]
    np.testing.assert_array_equal(train.labels["label"], tags[train.frame.index])


def test_objects_are_not_unpickled(tmp_path):
    path = write(tmp_path, x=PIXELS, y=np.array([{"a": 1}] * 30, object))
    with pytest.raises(DataError, match=r"set.npz, array 'y': it holds Python objects.*run code.*astype\(str\)"):
        read_table(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": PIXELS, "y": LABELS[:29]}, r"lengths are \{'x': 30, 'y': 29\}"),
        ({"x": PIXELS, "seed": np.array(3)}, r"lengths are \{'x': 30, 'seed': 0\}"),
        ({"x": PIXELS / 255.0, "y": LABELS}, r"array 'x': float64 \(30, 16, 16, 3\) is neither images"),
        ({"x": PIXELS[..., :2], "y": LABELS}, r"array 'x': uint8 \(30, 16, 16, 2\)"),
        ({"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS}, "every split needs the same arrays"),
        ({}, "holds no arrays"),
    ],
)
def test_what_makes_no_table_is_named(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, **arrays))


def test_a_broken_file(tmp_path):
    path = write(tmp_path, x=PIXELS, y=LABELS)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"set\.npz cannot be read as npz"):
        read_table(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(DataError, match=r"set\.npz cannot be read as npz"):
        read_table(path)
