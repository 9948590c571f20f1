"""Atomic writes and locks, for everything that writes files."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
import uuid
from pathlib import Path

LOCK = ".kerasfusion.lock"
_TEMPORARY = ".tmp-"
# Only names that this module makes: another program's files may begin alike.
_TEMPORARIES = _TEMPORARY + 12 * "[0-9a-f]"


class FolderInUseError(OSError):
    """Another process holds the lock of a folder."""


@contextlib.contextmanager
def atomic_write(path):
    """Write a file under a temporary name, then rename it: readers see the old file or the whole new one.

    Args:
        path: The file. Its folder must exist.

    Yields:
        `pathlib.Path` in the same folder, with the same suffix, to write to. It replaces `path` when the block ends,
        and is deleted when the block raises.

    Example:

    ```python
    with atomic_write("metrics.json") as temporary:
        temporary.write_text("{}")
    ```
    """
    path = Path(path)
    temporary = path.with_name(f"{_temporary_name()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text, errors="strict"):
    """Write a UTF-8 text file atomically, with the line ends that the text has.

    Args:
        path: The file.
        text: Its contents.
        errors: What to do with characters that UTF-8 lacks, as for `str.encode`.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors, newline="")


def write_json(path, content):
    """Write a JSON file atomically. Values that JSON lacks, such as paths, are written as strings."""
    # UTF-8 lacks only single surrogates, whose backslash escape is JSON's own.
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=str), errors="backslashreplace")


def remove_temporaries(folder):
    """Delete what `atomic_write` of killed processes has left in a folder whose lock is held."""
    for path in Path(folder).glob(f"{_TEMPORARIES}*"):
        if path.is_file() and path.suffix != ".lock":
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(folder, wait=False):
    """Hold the exclusive lock of a folder; the kernel releases it when the process dies.

    Args:
        folder: An existing folder. The lock is the file `.kerasfusion.lock` in it, removed on release.
        wait: Wait until the lock is free instead of raising: for steps that take moments.

    Raises:
        FolderInUseError: Another process holds it. The message names the process, its host and start.
    """
    path = Path(folder) / LOCK
    handle = _locked(path, wait)
    if handle is None:
        raise FolderInUseError(f"{folder} is in use by {_holder(path)}. Wait for it, or choose another folder.")
    try:
        yield
    finally:
        # Removed before it is released: whoever opened it in between finds it gone and tries again.
        path.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def temporary_folder(parent):
    """A folder to write to before it is renamed; deleted when the block ends, unless it was renamed.

    What writers that died have left in `parent` is deleted first. Writers on other machines or in other containers
    that share the volume are recognised by the lock that each holds in its folder.

    Args:
        parent: An existing folder.

    Yields:
        `pathlib.Path` of a new, empty folder in `parent`.
    """
    parent = Path(parent)
    _remove_abandoned(parent)
    folder = parent / _temporary_name()
    # Locked beside the folder and not in it: what is renamed must hold nothing but its contents.
    lock = folder.with_name(f"{folder.name}.lock")
    handle = _locked(lock, wait=True)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(handle)


def _temporary_name():
    return f"{_TEMPORARY}{uuid.uuid4().hex[:12]}"


def _remove_abandoned(parent):
    for lock in parent.glob(f"{_TEMPORARIES}.lock"):
        # Another user's must not keep this one from writing.
        with contextlib.suppress(PermissionError):
            _remove_if_abandoned(lock)


def _remove_if_abandoned(lock):
    handle = _locked(lock)
    if handle is not None:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(path, wait=False):
    """A file descriptor that holds the lock; None where another process has it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_file(handle, path):
                _write_holder(handle)
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        # Its holder removed the file between our opening and locking it.
        os.close(handle)


def _is_file(handle, path):
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), found)


def _write_holder(handle):
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    os.truncate(handle, 0)
    os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started}).encode(), 0)


def _holder(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']}, started {found['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
