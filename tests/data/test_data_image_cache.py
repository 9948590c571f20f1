"""Images decoded once, kept as TFRecords and read by number."""

import errno
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset, DataError, ImageStore, image_cache, image_decoding, image_shards

SIZE = (8, 12)
RECORD = image_shards.record_layout(SIZE)["record_bytes"]


def encoded(pixels):
    return tf.io.encode_png(pixels).numpy()


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (10, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def keys(tmp_path_factory, pixels):
    """Files and bytes in turn; image 3 is broken."""
    folder = tmp_path_factory.mktemp("images")
    keys = [encoded(p) for p in pixels]
    keys[3] = b"\x89PNG broken"
    for i in range(0, 10, 2):
        (folder / f"{i}.png").write_bytes(keys[i])
        keys[i] = str(folder / f"{i}.png")
    return tuple(keys)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(image_shards, "SHARD_BYTES", 4 * RECORD)
    monkeypatch.setattr(image_decoding, "CHUNK", 3)


@pytest.fixture(scope="module")
def written(tmp_path_factory, keys):
    """A cache of three files."""
    folder = tmp_path_factory.mktemp("written") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_shards, "SHARD_BYTES", 4 * RECORD)
        patch.setattr(image_decoding, "CHUNK", 3)
        assert ImageStore(keys, SIZE, cache_dir=folder).cache.state == "written"
    return folder


@pytest.fixture
def folder(tmp_path, written):
    """A copy of it, with the times of its files."""
    return shutil.copytree(written, tmp_path / "cache")


def no_decoding(*_, **__):
    raise AssertionError("an image is decoded again")


def flip(file, at):
    changed = file.stat()
    with open(file, "r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 0xFF]))
    return changed


def test_it_gives_what_memory_gives_in_any_order(folder, keys, pixels):
    bank = ImageStore(keys, SIZE, cache_dir=folder)
    assert not bank.in_memory and bank.cache.state == "reused"
    index = np.int32([9, -1, 0, 3, 9, 4, 1])
    found, ok = bank.fetch(index)
    expected, expected_ok = ImageStore(keys, SIZE).fetch(index)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[0], pixels[9])
    assert found.dtype == np.uint8 and ok.numpy().tolist() == [True, False, True, False, True, True, True]
    assert (ok == expected_ok).numpy().all() and bank.failed.tolist() == [i == 3 for i in range(10)]
    assert bank.encoded(0) == encoded(pixels[0])


def test_the_files_are_tfrecords_of_examples(folder, pixels):
    files = sorted(map(str, folder.glob("*.tfrecord")))
    assert [os.path.basename(file) for file in files] == [f"images-0000{i}-of-00003.tfrecord" for i in range(3)]
    features = {
        "image": tf.io.FixedLenFeature((), tf.string),
        **{name: tf.io.FixedLenFeature((), tf.int64) for name in ("height", "width", "present")},
    }
    examples = [tf.io.parse_single_example(record, features) for record in tf.data.TFRecordDataset(files)]
    assert [int(example["present"]) for example in examples] == [i != 3 for i in range(10)]
    for example, expected in zip(examples, pixels, strict=True):
        assert (int(example["height"]), int(example["width"])) == SIZE
        own = np.frombuffer(example["image"].numpy(), np.uint8).reshape(*SIZE, 3)
        np.testing.assert_array_equal(own, expected * np.uint8(example["present"]))


def test_a_second_load_decodes_nothing(folder, keys, monkeypatch):
    monkeypatch.setattr(image_decoding, "decode_images", no_decoding)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert ImageStore(keys, SIZE, cache_dir=folder).cache.state == "reused"
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_changed_source_is_decoded_again(folder, keys, pixels):
    keys = [*keys[:5], encoded(pixels[9])]
    bank = ImageStore(keys, SIZE, cache_dir=folder)
    assert bank.cache.state == "rewritten" and len(list(folder.glob("*.tfrecord"))) == 2
    np.testing.assert_array_equal(bank.fetch(np.int32([5, 4]))[0], pixels[[9, 4]])
    assert ImageStore(keys, SIZE, cache_dir=folder).cache.state == "reused"


@pytest.mark.parametrize("change", ["contents", "time", "bytes", "size", "fewer", "order", "gone"])
def test_what_the_fingerprint_sees(tmp_path, change):
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_bytes(b"1234")
        os.utime(file, ns=(0, 10**9))
    keys, size = [*map(str, files), b"bytes"], (8, 8)
    before = image_cache._fingerprint(keys, size)
    assert image_cache._fingerprint(list(keys), size) == before
    if change == "contents":
        files[0].write_bytes(b"12345")
        os.utime(files[0], ns=(0, 10**9))
    elif change == "time":
        os.utime(files[0], ns=(0, 10**9 + 1))
    elif change == "gone":
        files[0].unlink()
    keys = {"bytes": [*keys[:2], b"other"], "fewer": keys[:2], "order": keys[::-1]}.get(change, keys)
    assert image_cache._fingerprint(keys, (8, 9) if change == "size" else size) != before


def test_a_killed_build_leaves_no_cache(tmp_path, keys, monkeypatch):
    """What is left of it is not taken for a cache, and is removed by the next build."""
    whole, written = image_shards._example, []

    def killed(pixels, fingerprint, present):
        if len(written) == 7:
            # The dead clean up nothing; their locks are released.
            monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
            monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
            raise SystemExit
        written.append(present)
        return whole(pixels, fingerprint, present)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(image_shards, "_example", killed)
        ImageStore(keys, SIZE, cache_dir=tmp_path / "cache")
    monkeypatch.undo()
    part, _ = sorted(tmp_path.glob(".tmp-*"))  # and its lock
    assert (part / "images-00000-of-00003.tfrecord").exists() and not (tmp_path / "cache").exists()
    assert ImageStore(keys[:1], SIZE, cache_dir=tmp_path / "cache").cache.state == "written"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_damaged_record_is_named_before_training(folder, keys):
    file = folder / "images-00001-of-00003.tfrecord"
    flip(file, RECORD + 100)
    with pytest.raises(DataError, match=rf"damaged: {file}: .*corrupted record.* Delete the folder {folder}"):
        ImageStore(keys, SIZE, cache_dir=folder)


@pytest.mark.parametrize("wrong", ["short", "gone"])
def test_a_file_that_is_cut_off_is_named(folder, keys, wrong):
    file = folder / "images-00002-of-00003.tfrecord"
    if wrong == "short":
        os.truncate(file, RECORD)
    else:
        file.unlink()
    size = RECORD if wrong == "short" else 0
    with pytest.raises(DataError, match=rf"{file}: it has {size:,} bytes instead of {2 * RECORD:,}"):
        ImageStore(keys, SIZE, cache_dir=folder)


def test_bits_that_rot_unseen_stop_the_batch(folder, keys):
    file = folder / "images-00001-of-00003.tfrecord"
    changed = flip(file, RECORD + 100)
    os.utime(file, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    bank = ImageStore(keys, SIZE, cache_dir=folder)
    bank.fetch(np.int32([4, 6, -1]))
    said = r"(?s)Delete the folder .*cache and load again.*images-00001-of-00003"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        bank.fetch(np.int32([0, 5]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        list(tf.data.Dataset.from_tensors(np.int32([0, 5])).map(bank.fetch))


def test_a_full_disk_leaves_nothing_and_says_what_is_needed(tmp_path, keys, monkeypatch):
    class FullDisk(tf.io.TFRecordWriter):
        records = 0

        def write(self, record):
            FullDisk.records += 1
            if FullDisk.records > 6:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write(record)

    monkeypatch.setattr(tf.io, "TFRecordWriter", FullDisk)
    said = rf"{tmp_path}/cache cannot be written: .*No space.* It takes {10 * RECORD:,} bytes"
    with pytest.raises(DataError, match=said):
        ImageStore(keys, SIZE, cache_dir=tmp_path / "cache")
    assert FullDisk.records == 7 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("index", [None, "{}", "[]", '{"source": 1}', '{"source": "a", "shards": [1]}'])
def test_a_folder_with_something_else_is_not_replaced(tmp_path, keys, index):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.txt").write_text("mine")
    if index is not None:
        (tmp_path / "cache" / "index.json").write_text(index)
    with pytest.raises(DataError, match="is no image cache"):
        ImageStore(keys, SIZE, cache_dir=tmp_path / "cache")
    assert (tmp_path / "cache" / "thesis.txt").read_text() == "mine"


def test_a_file_beside_a_cache_of_other_images_is_named_and_stays(folder, keys):
    (folder / "thesis.txt").write_text("mine")
    assert ImageStore(keys, SIZE, cache_dir=folder).cache.state == "reused"
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(DataError, match=r"holds other files too: thesis\.txt"):
        ImageStore(keys[:4], SIZE, cache_dir=folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_no_array_of_all_pixels_is_held(tmp_path, monkeypatch):
    """Writing images and reading a batch takes the memory of a chunk and a batch (traced: all NumPy arrays)."""
    monkeypatch.setattr(image_decoding, "CHUNK", 10)
    monkeypatch.setattr(image_shards, "SHARD_BYTES", 2**20)
    one = np.zeros((160, 160, 3), np.uint8)
    keys = [encoded(one + np.uint8(i)) for i in range(250)]
    tracemalloc.start()
    bank = ImageStore(keys, (160, 160), cache_dir=tmp_path / "cache")
    bank.fetch(np.arange(0, 250, 25))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = 250 * one.nbytes
    assert bank.cache.bytes > whole and peak < whole / 4
    assert isinstance(bank.cache._shards[0], np.memmap)


def test_load_trains_from_the_cache_as_from_memory(tmp_path, monkeypatch):
    monkeypatch.undo()
    color_table(tmp_path).drop(columns="tags").to_csv(tmp_path / "pets.csv", index=False)
    roles = {"image": "photo", "text": "description", "label": "color"}

    def load(**options):
        data = kf.data.load(tmp_path / "pets.csv", **roles, **options)
        line = next((line for line in data.settings if line[0].startswith("image cache")), None)
        return data.splits["train"], line

    expected, line = load()
    assert line is None
    train, line = load(cache_dir=tmp_path / "cache")
    assert line[0] == "image cache (photo)" and "60 images" in line[1] and line[3] == "--cache-dir"
    assert "decoded and written now" in line[2]
    assert "unchanged" in load(cache_dir=tmp_path / "cache")[1][2]
    for image_major in (False, True):
        own, other = (
            BatchedDataset(part, 8, image_major, shuffle=True, seed=5).dataset() for part in (train, expected)
        )
        for (x, y, _), (x_other, y_other, _) in zip(own, other, strict=True):
            np.testing.assert_array_equal(x["image"], x_other["image"])
            np.testing.assert_array_equal(y["label"], y_other["label"])
    (tmp_path / "photos" / "0.png").write_bytes((tmp_path / "photos" / "1.png").read_bytes())
    assert "REWRITTEN" in load(cache_dir=tmp_path / "cache")[1][2]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["photo-16x16"]
    manifest = json.loads((tmp_path / "cache" / "photo-16x16" / image_cache.MANIFEST).read_text())
    assert len(manifest["shards"]) == 1
