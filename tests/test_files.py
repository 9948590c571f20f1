"""Atomic writes, locks and temporary folders."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from kerasfusion import files


def full_disk():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `tmp_path`, and a temporary folder in it."""
    code = (
        "import sys, time; from kerasfusion.files import *\n"
        "with folder_lock(sys.argv[1]), temporary_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'half').touch(); print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("before", [None, "old"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, before):
    path = tmp_path / "metrics.json"
    if before is not None:
        path.write_text(before)
    with pytest.raises(OSError, match="No space left"), files.atomic_write(path) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".json" and temporary.parent == tmp_path
        raise full_disk()
    assert names(tmp_path) == ([] if before is None else ["metrics.json"])
    assert before is None or path.read_text() == before


def test_a_rename_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    files.write_json(path, {"a": 1})

    def failing(*_):
        raise full_disk()

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(path, {"a": 2})
    assert names(tmp_path) == ["metrics.json"] and json.loads(path.read_text()) == {"a": 1}


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / f"{'n' * 250}.json"
    files.write_text(path, "a\r\nb\n")
    assert path.read_bytes() == b"a\r\nb\n" and names(tmp_path) == [path.name]


@pytest.mark.parametrize("text", ["größe", "中文", "\U0001f600", "\ud800", "a\udcff", "line\u2028", "\0", "$\\frac{"])
def test_json_keeps_every_string(tmp_path, text):
    files.write_json(tmp_path / "a.json", {text: [text]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {text: [text]}


def test_leftovers_of_atomic_writes_are_removed_and_nothing_else(tmp_path):
    kept = [".tmp-mine", ".tmp-0123456789ab.lock", "a.json", ".tmp-0123456789aZ.json"]
    for name in [*kept, ".tmp-0123456789ab.json", ".tmp-ba9876543210"]:
        (tmp_path / name).touch()
    (tmp_path / ".tmp-111111111111").mkdir()
    files.remove_temporaries(tmp_path)
    assert names(tmp_path) == sorted([*kept, ".tmp-111111111111"])


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path, holder):
    in_use = rf"{tmp_path} is in use by process {holder.pid} on .*, started 2"
    with pytest.raises(files.FolderInUseError, match=in_use), files.folder_lock(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with files.folder_lock(tmp_path):
        assert files.LOCK in names(tmp_path)
        with pytest.raises(files.FolderInUseError, match=f"process {os.getpid()}"), files.folder_lock(tmp_path):
            pass
    assert files.LOCK not in names(tmp_path)


def test_a_temporary_folder_of_a_dead_writer_is_removed_and_of_a_living_one_kept(tmp_path, holder):
    (theirs,) = tmp_path.glob(".tmp-*/half")
    (tmp_path / ".tmp-mine").mkdir()
    with files.temporary_folder(tmp_path) as folder:
        assert theirs.exists() and names(folder) == []
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with files.temporary_folder(tmp_path) as folder:
        (folder / "a").touch()
        assert not theirs.parent.exists()
        folder.rename(tmp_path / "published")
    assert names(tmp_path) == [files.LOCK, ".tmp-mine", "published"]


def test_a_temporary_folder_is_removed_when_its_writer_fails(tmp_path):
    with pytest.raises(OSError, match="No space left"), files.temporary_folder(tmp_path) as folder:
        (folder / "half").touch()
        raise full_disk()
    assert names(tmp_path) == []
