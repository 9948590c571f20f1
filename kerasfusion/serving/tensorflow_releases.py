"""The shared libraries of other TensorFlow releases, taken from their wheels."""

import importlib.metadata
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from kerasfusion.files import temporary_folder
from kerasfusion.serving.c_library import LIBRARIES, installed_folder
from kerasfusion.serving.errors import INTERNAL, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, ServingError

PACKAGE = "tensorflow-cpu"
# The libraries do not depend on Python's version, and every release that is asked for has a wheel of this one.
PYTHON = "3.11"
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")

logger = logging.getLogger(__name__)


def find_libraries(version, cache_dir=None):
    """Find the shared libraries of a TensorFlow release: installed, in the cache, or in a wheel that pip downloads.

    pip runs with its own configuration (index, proxy, certificates) and checks the wheel against the SHA-256 that
    the index states. Of the wheel (about 250 MB) the two libraries are kept (about 750 MB).

    Args:
        version: str, such as `"2.19"` (the newest 2.19 that is in the cache, else that pip finds) or `"2.19.1"`.
        cache_dir: Folder of the cache, one folder per release; None means `tensorflow` in Keras's home
            (`~/.keras`, or the environment variable `KERAS_HOME`).

    Returns:
        (str, `pathlib.Path`): the full version and the folder with the libraries.

    Raises:
        ServingError: `version` is none or does not exist, pip cannot reach an index, this platform has no wheel, or
            the wheel holds no such libraries.

    Example:

    ```python
    release, folder = find_libraries("2.19")  # "2.19.1", ~/.keras/tensorflow/2.19.1
    ```
    """
    if not _VERSION.fullmatch(version):
        raise ServingError(f"{version!r} is no version of TensorFlow: write it as 2.19 or 2.19.1.")
    installed = _installed_version()
    if _matches(installed, version):
        return installed, installed_folder()
    cache = Path(cache_dir or Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "tensorflow")
    cache.mkdir(parents=True, exist_ok=True)
    cached = [path for path in cache.iterdir() if _matches(path.name, version)]
    if cached:
        newest = max(cached, key=lambda path: int(path.name.split(".")[2]))
        return newest.name, newest
    with temporary_folder(cache) as temporary:
        wheel = _download(version, temporary)
        release = wheel.name.split("-")[1]
        _unpack(wheel, temporary / release)
        return release, _publish(temporary / release, cache / release)


def _installed_version():
    for name in ("tensorflow", PACKAGE):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _matches(found, wanted):
    """Whether a full version is the one that was asked for, or one of its patch releases."""
    return bool(re.fullmatch(r"\d+\.\d+\.\d+", found)) and f"{found}.".startswith(f"{wanted}.")


def _download(version, folder):
    """Have pip download the wheel into a folder."""
    wanted = f"{PACKAGE}=={version}" if version.count(".") == 2 else f"{PACKAGE}=={version}.*"
    logger.info("Downloading %s (about 250 MB)", wanted)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--python-version", PYTHON, "--dest", str(folder), wanted]
    # pip draws its progress bar where it writes to a terminal.
    watched = sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if watched else subprocess.DEVNULL,
            stderr=errors,
        )
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if done.returncode:
        raise _refusal(version, said)
    return next(folder.glob("*.whl"))


def _refusal(version, said):
    """The error for what pip said."""
    if "No module named pip" in said:
        return ServingError(f"Wheels are fetched by pip, which is not installed: {sys.executable} -m ensurepip")
    if "connection broken" in said:
        return ServingError(
            f"pip cannot reach an index that has {PACKAGE} {version}. A release in the cache needs no network.",
            UNAVAILABLE,
        )
    listed = re.search(r"\(from versions: (.*?)\)", said)
    releases = [] if listed is None else [name for name in listed[1].split(", ") if _VERSION.fullmatch(name)]
    if releases:
        return ServingError(
            f"pip finds no {PACKAGE} {version} for this platform; there are {', '.join(releases)}.", NOT_FOUND
        )
    if listed is not None:
        system = f"{platform.system()} {platform.machine()}"
        return ServingError(f"pip finds no wheel of {PACKAGE} for this platform ({system}).", UNIMPLEMENTED)
    last = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")][-1:]
    return ServingError(
        f"pip did not download {PACKAGE} {version}: {' '.join(last) or said.strip()[-500:]}", INTERNAL
    )


def _unpack(wheel, folder):
    """Unpack the libraries alone."""
    logger.info("Unpacking %s", wheel.name)
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        missing = [name for name in LIBRARIES if f"tensorflow/{name}" not in archive.namelist()]
        if missing:
            raise ServingError(
                f"{wheel.name} has no {' and no '.join(missing)}: the C API loader needs the wheel of Linux.",
                UNIMPLEMENTED,
            )
        for name in LIBRARIES:
            with archive.open(f"tensorflow/{name}") as packed, (folder / name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 2**20)


def _publish(folder, release):
    """Rename a finished folder; one that another process finished meanwhile is as good."""
    try:
        os.replace(folder, release)
    except OSError:
        if not release.is_dir():
            raise
    return release
