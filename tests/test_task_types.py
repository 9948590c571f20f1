"""Task types are registry entries: every layer has one for each, and nothing else in the package asks for a type."""

import importlib
import json
import re
from pathlib import Path

import pytest

import kerasfusion
from kerasfusion.problem_types import TASK_TYPES
from kerasfusion.serving.metadata import FILE, read_metadata

PACKAGE = Path(kerasfusion.__file__).parent
REGISTRIES = ("heads", "data", "training", "evaluation", "evaluation.html_report", "explain", "serving")
# A task's type compared with, or looked for among, names of types.
COMPARED = re.compile(
    r"""\b(\w*task\w*|tags|item|ours|theirs|new|was|t)\.type\s*(==|!=|\bin\b|\bnot in\b)\s*[("'\[{]"""
)
_TYPES = "|".join(TASK_TYPES)
NAMED = re.compile(
    rf"""\b(type_?|kinds?|label_type)\b["'\])]*\s*(==|!=|\bin\b|\bnot in\b)\s*[(\[{{]?["']({_TYPES})["']"""
)


@pytest.mark.parametrize("layer", REGISTRIES)
def test_every_layer_knows_every_type(layer):
    assert tuple(importlib.import_module(f"kerasfusion.{layer}.tasks").TASKS) == TASK_TYPES


def test_no_layer_asks_for_a_type():
    found = []
    for path in PACKAGE.rglob("*.py"):
        if "tasks" in path.relative_to(PACKAGE).parts or path.name in ("tasks.py", "problem_types.py"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if COMPARED.search(line) or NAMED.search(line):
                found.append(f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        'if task.type == "binary":',
        "x if self.task.type in (BINARY,)",
        'if report.get("type") != "multilabel":',
        'kind in ("binary", "multiclass")',
    ],
)
def test_a_comparison_is_found(line):
    assert COMPARED.search(line) or NAMED.search(line)


def test_exports_of_version_0_1_are_read_by_todays_names(tmp_path):
    old = {"kinds": {"label": "classes", "marks": "tags"}, "features": {"text": "text", "numbers": "numbers"}}
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(json.dumps(old))
    assert read_metadata(tmp_path) == {
        "types": {"label": "multiclass", "marks": "multilabel"},
        "features": {"text": "text", "numbers": "numeric"},
    }
