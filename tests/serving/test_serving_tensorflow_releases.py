"""Libraries of other TensorFlow releases: found, fetched, unpacked, refused. The wheels are made on the spot."""

import logging
import subprocess
import zipfile

import pytest

from kerasfusion.serving import c_library, tensorflow_releases
from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.tensorflow_releases import find_libraries

LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")


def write_wheel(folder, version, libraries=LIBRARIES):
    info = f"tensorflow_cpu-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tensorflow_cpu-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tensorflow-cpu\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tensorflow/__init__.py", "raise AssertionError('nothing of the wheel is to be run')")
        for name in libraries:
            wheel.writestr(f"tensorflow/{name}", f"{name} of {version}")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that is all that pip finds."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def refuse_pip(monkeypatch, said=""):
    """Let pip fail with these words; the command it was called with comes into the list that is returned."""
    calls = []

    def run(command, stderr, **_):
        calls.append(command)
        stderr.write(said.encode())
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(tensorflow_releases.subprocess, "run", run)
    return calls


def test_the_newest_patch_release_is_fetched_and_kept(wheels, tmp_path, messages, monkeypatch):
    cache = tmp_path / "new" / "cache"
    for version in ("2.19.2", "2.19.10", "2.20.3"):
        write_wheel(wheels, version)
    release, folder = find_libraries("2.19", cache)
    assert (release, folder) == ("2.19.10", cache / "2.19.10")
    contents = {path.name: path.read_text() for path in folder.iterdir()}
    assert contents == {name: f"{name} of 2.19.10" for name in LIBRARIES}
    assert [path.name for path in cache.iterdir()] == ["2.19.10"]
    assert messages[0] == "Downloading tensorflow-cpu==2.19.* (about 250 MB)"
    assert messages[1].startswith("Unpacking tensorflow_cpu-2.19.10-")

    calls = refuse_pip(monkeypatch)
    (cache / "2.19.9").mkdir()
    assert find_libraries("2.19", cache) == find_libraries("2.19.10", cache) == (release, folder)
    assert not calls
    with pytest.raises(ServingError):
        find_libraries("2.19.1", cache)
    assert calls[0][-1] == "tensorflow-cpu==2.19.1"


def test_a_wheel_without_the_libraries_leaves_nothing_behind(tmp_path, monkeypatch):
    def download(version, folder):
        write_wheel(folder, version, LIBRARIES[:1])
        return next(folder.glob("*.whl"))

    monkeypatch.setattr(tensorflow_releases, "_download", download)
    with pytest.raises(ServingError, match=r"2\.18\.0-py3-none-any\.whl has no libtensorflow_cc\.so\.2: .* of Linux"):
        find_libraries("2.18.0", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_installed_release_is_not_fetched(tmp_path, monkeypatch):
    import tensorflow as tf

    calls = refuse_pip(monkeypatch)
    expected = (tf.__version__, c_library.installed_folder())
    assert find_libraries(tf.__version__, tmp_path) == expected
    assert find_libraries(tf.__version__.rpartition(".")[0], tmp_path) == expected
    assert not calls


@pytest.mark.parametrize("version", ["newest", "2", "2.19.1.post1", "2.x", "", "../2.19"])
def test_what_is_no_version(version, tmp_path):
    with pytest.raises(ServingError, match=r"is no version of TensorFlow: write it as 2\.19 or 2\.19\.1"):
        find_libraries(version, tmp_path)


NONE = "ERROR: Could not find a version that satisfies the requirement tensorflow-cpu==2.9.* (from versions: {})\n"
LAST = "ERROR: No matching distribution found for tensorflow-cpu==2.9.*\n"
BROKEN = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError()': /simple/\n"


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        (
            NONE.format("2.12.0rc0, 2.12.0, 2.15.0.post1, 2.20.0") + LAST,
            "NOT_FOUND",
            r"pip finds no tensorflow-cpu 2\.9 for this platform; there are 2\.12\.0, 2\.20\.0\.",
        ),
        (
            BROKEN + NONE.format("none") + LAST,
            "UNAVAILABLE",
            r"pip cannot reach an index that has tensorflow-cpu 2\.9",
        ),
        (BROKEN + NONE.format("2.21.0") + LAST, "UNAVAILABLE", "pip cannot reach an index"),
        (NONE.format("none") + LAST, "UNIMPLEMENTED", r"no wheel of tensorflow-cpu for this platform \(\w+ \w+\)"),
        ("python: No module named pip\n", "INVALID_ARGUMENT", "not installed: .* -m ensurepip"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n", "INTERNAL", "did not download tensorflow-cpu 2.9: THESE"),
        ("killed\n", "INTERNAL", "did not download tensorflow-cpu 2.9: killed"),
    ],
)
def test_what_pip_refuses_is_said_clearly(said, status, message, tmp_path, monkeypatch):
    refuse_pip(monkeypatch, said)
    with pytest.raises(ServingError, match=message) as refused:
        find_libraries("2.9", tmp_path)
    assert refused.value.status == status
    assert not list(tmp_path.iterdir())


def test_pip_shows_its_progress_in_a_terminal_alone(tmp_path, monkeypatch, messages):
    streams = []

    def run(command, stdout, **_):
        streams.append(stdout)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(tensorflow_releases.subprocess, "run", run)
    for terminal, level in ((True, logging.INFO), (False, logging.INFO), (True, logging.WARNING)):
        monkeypatch.setattr(tensorflow_releases.sys.stderr, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(tensorflow_releases.sys.stderr, "fileno", lambda: 2, raising=False)
        logging.getLogger("kerasfusion").setLevel(level)
        with pytest.raises(ServingError):
            find_libraries("2.9", tmp_path)
    assert streams == [2, subprocess.DEVNULL, subprocess.DEVNULL]


def test_other_libraries_are_chosen_before_any_are_opened(monkeypatch, tmp_path):
    monkeypatch.setattr(c_library, "_chosen", None)
    c_library.library()
    with pytest.raises(RuntimeError, match="choose others in a process of their own"):
        c_library.use_libraries(tmp_path)
