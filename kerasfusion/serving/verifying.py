"""Checks an export the way TF Serving would meet it: in a process without Keras and Python TensorFlow."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from kerasfusion.progress import progress
from kerasfusion.serving.capi import NOT_FOUND, ServingError
from kerasfusion.serving.tensorflow_releases import find_libraries
from kerasfusion.serving.verify_report import Check, VerifyReport, VersionsReport

_WORKER = "kerasfusion.serving.verify_worker"
# An error in TensorFlow's log, in the form of before and after its log is initialized: place in the source, message.
_LOGGED = re.compile(r"(?:E\d{4} \S+ +\d+ |\d{4}-\S+ \S+ E )(?:\S*/)?(\w+\.cc):\d+\] (.*)")
# What it says of the machine, and not of the graph: no GPU is to be used, and oneDNN lacks kernels for this CPU.
_OF_THE_MACHINE = re.compile(r"cuda|gpu|oneDNN supports", re.IGNORECASE)

logger = logging.getLogger(__name__)


def version_directory(path):
    """Finds the folder of the version to serve.

    Args:
        path: Folder of a version (it holds `saved_model.pb`), or the folder above, of which TF Serving takes
            the highest number.

    Returns:
        `pathlib.Path` of the version.

    Raises:
        ServingError: There is no version; the message lists what there is.

    Example:
    ```python
    version_directory("saved_models/vqa")  # saved_models/vqa/12
    ```
    """
    path = Path(path)
    if not path.is_dir():
        raise ServingError(f"{path} is not a folder.", NOT_FOUND)
    if (path / "saved_model.pb").is_file():
        return path
    entries = sorted(path.iterdir())
    versions = [entry for entry in entries if entry.is_dir() and entry.name.isascii() and entry.name.isdigit()]
    if not versions:
        found = ", ".join(entry.name for entry in entries[:20]) or "nothing"
        raise ServingError(f"{path} holds neither saved_model.pb nor a numbered version: {found}.", NOT_FOUND)
    return max(versions, key=lambda version: int(version.name))


@overload
def verify(path: str | Path, tolerance: float | None = None, timeout: float = 300.0) -> VerifyReport: ...


@overload
def verify(
    path: str | Path,
    tolerance: float | None = None,
    timeout: float = 300.0,
    *,
    tensorflow: str | Sequence[str],
    cache_dir: str | Path | None = None,
    verbose: int | bool = 1,
) -> VersionsReport: ...


def verify(path, tolerance=None, timeout=300.0, *, tensorflow=None, cache_dir=None, verbose=1):
    """Loads an export through TensorFlow's C API in a process of its own and compares it with Keras.

    Every signature is run on the inputs stored by the export and has to give Keras's own outputs, in batches
    of 1, 3 and 32, with unreadable images among readable ones; the warm-up records are replayed; types and
    size are checked. The process is kept off the GPU, which a training run may be holding. A crash or a hang
    of the process is a failed row. Errors that TensorFlow logs about the graph are the row `log`.

    With `tensorflow`, all of this is done in each of several releases of TensorFlow: pip downloads the wheel of
    `tensorflow-cpu`, of which the two shared libraries are kept in a cache. The export is not changed.

    Args:
        path: Folder of a version, or the folder above (then the highest number).
        tolerance: Largest difference of a probability; other floats may differ by it times one plus their
            value. A name that is decided by less than twice as much may be another. None takes the export's own:
            1e-5, or 2e-2 for weights in bfloat16.
        timeout: Seconds the process may take.
        tensorflow: Releases of TensorFlow, such as `["2.19", "2.20.0"]`; `"2.19"` is its newest patch release. None
            takes the installed TensorFlow.
        cache_dir: Folder where the libraries of other releases are kept (750 MB each). None means `tensorflow` in
            Keras's home, `~/.keras`.
        verbose: Whether to log downloads (0 or False: silent).

    Returns:
        A `VerifyReport`; with `tensorflow`, a `VersionsReport`, whose `reports` has one for each release.

    Raises:
        ServingError: There is no version at `path`, or a release's libraries cannot be had: it does not exist, pip
            reaches no index, or this platform has no wheel of it.

    Example:
    ```python
    report = verify("saved_models/vqa")
    print(report)
    assert report.ok
    assert verify("saved_models/vqa", tensorflow=["2.19", "2.20"]).ok
    ```
    """
    version = version_directory(path)
    if tensorflow is None:
        return _verify(version, tolerance, timeout)
    wanted = [tensorflow] if isinstance(tensorflow, str) else tensorflow
    reports = {}
    with progress(verbose):
        # Downloaded first: an unknown release is an error at once, and not after minutes of checks.
        releases = dict(find_libraries(release, cache_dir) for release in wanted)
        for release, folder in releases.items():
            logger.info("Verifying in TensorFlow %s", release)
            reports[release] = _verify(version, tolerance, timeout, folder)
    return VersionsReport(reports)


def _verify(version, tolerance, timeout, libraries=None):
    command = [sys.executable, "-m", _WORKER, str(version.resolve())]
    if tolerance is not None:
        command += ["--tolerance", repr(float(tolerance))]
    if libraries is not None:
        command += ["--libraries", str(libraries)]
    try:
        done = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as expired:
        rows, current, tensorflow = _parse(expired.stdout or b"")
        rows.append(Check(current or "worker", False, f"No answer within {timeout:g} s"))
        return VerifyReport(str(version), rows, tensorflow)
    rows, current, tensorflow = _parse(done.stdout)
    rows += _logged_errors(done.stderr)
    if current != "":
        rows.append(Check(current or "worker", False, _death(done)))
    return VerifyReport(str(version), rows, tensorflow)


def _environment():
    # From errors on, which are captured: the user's own level may hide them.
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="2")
    # The package may have been found through sys.path rather than installed.
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in paths if part)
    return environment


def _parse(output):
    """Reads the worker's lines: rows, the check it was at (`""` after the last, `None` before any), TensorFlow."""
    rows, current, tensorflow = [], None, ""
    for line in output.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            # The process died within a line.
            break
        current = message["at"]
        tensorflow = message.get("tensorflow", tensorflow)
        if "row" in message:
            rows.append(Check(*message["row"]))
    return rows, current, tensorflow


def _logged_errors(output):
    """A row of what TensorFlow logged as errors about the graph, each once; none where it logged nothing."""
    lines = map(_LOGGED.match, output.decode(errors="replace").splitlines())
    found = [f"{line[1]}: {line[2]}" for line in lines if line]
    found = [text for text in dict.fromkeys(found) if not _OF_THE_MACHINE.search(text)]
    return [Check("log", None, " | ".join(found))] if found else []


def _death(done):
    reason = f"ended with code {done.returncode}"
    if done.returncode < 0:
        reason = f"was killed by {signal.Signals(-done.returncode).name}"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
    return " | ".join([f"The process {reason}.", *last])
