"""Checks an export the way TF Serving would meet it: in a process without Keras and Python TensorFlow."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.serving.capi import NOT_FOUND, ServingError

_WORKER = "kerasfusion.serving.verify_worker"


@dataclass(frozen=True)
class Check:
    """One row of a report.

    Args:
        name: What was checked.
        ok: Whether it passed; `None` for a row that only informs.
        detail: What was found.

    Example:
    >>> Check("loads", True, "1 signature").ok
    True
    """

    name: str
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """What `verify()` found.

    Args:
        path: Folder of the version that was checked.
        rows: List of `Check`.

    Example:
    >>> VerifyReport("vqa/1", [Check("loads", False, "no variables")]).ok
    False
    """

    path: str
    rows: list = field(default_factory=list)

    @property
    def ok(self):
        """Whether something was checked and nothing failed."""
        return any(row.ok for row in self.rows) and all(row.ok is not False for row in self.rows)

    def to_dict(self):
        """Gives the report as plain dicts and lists, ready for JSON."""
        rows = [{"name": row.name, "ok": row.ok, "detail": row.detail} for row in self.rows]
        return {"path": self.path, "ok": self.ok, "rows": rows}

    def __str__(self):
        marks = {True: "ok", False: "FAIL", None: "info"}
        width = max((len(row.name) for row in self.rows), default=0)
        lines = [f"{marks[row.ok]:<4}  {row.name:<{width}}  {row.detail}".rstrip() for row in self.rows]
        failed = sum(row.ok is False for row in self.rows)
        verdict = "verified" if self.ok else f"{failed} checks failed" if failed != 1 else "1 check failed"
        return "\n".join([f"{self.path}: {verdict}", *lines])


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


def verify(path: str | Path, tolerance: float | None = None, timeout: float = 300.0) -> VerifyReport:
    """Loads an export through TensorFlow's C API in a process of its own and compares it with Keras.

    Every signature is run on the inputs stored by the export and has to give Keras's own outputs, in batches
    of 1, 3 and 32, with unreadable images among readable ones; the warm-up records are replayed; types and
    size are checked. The process is kept off the GPU, which a training run may be holding. A crash or a hang
    of the process is a failed row.

    Args:
        path: Folder of a version, or the folder above (then the highest number).
        tolerance: Largest difference of a probability; other floats may differ by it times one plus their
            value. A name that is decided by less than twice as much may be another. None takes the export's own:
            1e-5, or 2e-2 for weights in bfloat16.
        timeout: Seconds the process may take.

    Returns:
        A `VerifyReport`.

    Raises:
        ServingError: There is no version at `path`.

    Example:
    ```python
    report = verify("saved_models/vqa")
    print(report)
    assert report.ok
    ```
    """
    version = version_directory(path)
    command = [sys.executable, "-m", _WORKER, str(version.resolve())]
    if tolerance is not None:
        command += ["--tolerance", repr(float(tolerance))]
    try:
        done = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as expired:
        rows, current = _parse(expired.stdout or b"")
        rows.append(Check(current or "worker", False, f"No answer within {timeout:g} s"))
        return VerifyReport(str(version), rows)
    rows, current = _parse(done.stdout)
    if current != "":
        rows.append(Check(current or "worker", False, _death(done)))
    return VerifyReport(str(version), rows)


def _environment():
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1")
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The package may have been found through sys.path rather than installed.
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in paths if part)
    return environment


def _parse(output):
    """Reads the worker's lines: rows, and the check it was at (`""` after the last, `None` before any)."""
    rows, current = [], None
    for line in output.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            # The process died within a line.
            break
        current = message["at"]
        if "row" in message:
            rows.append(Check(*message["row"]))
    return rows, current


def _death(done):
    reason = f"ended with code {done.returncode}"
    if done.returncode < 0:
        reason = f"was killed by {signal.Signals(-done.returncode).name}"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
    return " | ".join([f"The process {reason}.", *last])
