"""What `verify` found: rows, the report of one version of TensorFlow, and that of several."""

from dataclasses import dataclass, field

MARKS = {True: "ok", False: "FAIL", None: "info"}


class Failure(Exception):
    """A check that did not pass, with the sentence for its row."""


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
        tensorflow: Version of the TensorFlow whose C library ran the checks; empty where none was loaded.

    Example:
    >>> VerifyReport("vqa/1", [Check("loads", False, "no variables")]).ok
    False
    """

    path: str
    rows: list = field(default_factory=list)
    tensorflow: str = ""

    @property
    def ok(self):
        """Whether something was checked and nothing failed."""
        return any(row.ok for row in self.rows) and all(row.ok is not False for row in self.rows)

    @property
    def title(self):
        """One line: the folder, the verdict and the version of TensorFlow."""
        failed = sum(row.ok is False for row in self.rows)
        verdict = "verified" if self.ok else f"{failed} checks failed" if failed != 1 else "1 check failed"
        return f"{self.path}: {verdict}" + (f" in TensorFlow {self.tensorflow}" if self.tensorflow else "")

    def to_dict(self):
        """Gives the report as plain dicts and lists, ready for JSON."""
        rows = [{"name": row.name, "ok": row.ok, "detail": row.detail} for row in self.rows]
        return {"path": self.path, "ok": self.ok, "tensorflow": self.tensorflow, "rows": rows}

    def __str__(self):
        width = max((len(row.name) for row in self.rows), default=0)
        lines = [f"{MARKS[row.ok]:<4}  {row.name:<{width}}  {row.detail}".rstrip() for row in self.rows]
        return "\n".join([self.title, *lines])


@dataclass(frozen=True)
class VersionsReport:
    """What `verify()` found in several versions of TensorFlow.

    Args:
        reports: dict version -> `VerifyReport`, in the order in which the versions were asked for.

    Example:
    >>> VersionsReport({"2.20.0": VerifyReport("vqa/1", [Check("loads", True)], "2.20.0")}).ok
    True
    """

    reports: dict

    @property
    def ok(self):
        """Whether the export passed in every version."""
        return bool(self.reports) and all(report.ok for report in self.reports.values())

    def to_dict(self):
        """Gives the reports as plain dicts and lists, ready for JSON."""
        return {"ok": self.ok, "versions": {name: report.to_dict() for name, report in self.reports.items()}}

    def __str__(self):
        return "\n\n".join(map(str, self.reports.values()))
