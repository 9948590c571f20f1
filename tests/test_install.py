"""What the package costs before anything is done with it."""

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement


def test_importing_is_quick_and_loads_no_framework():
    code = (
        "import sys, time; start = time.perf_counter(); import kerasfusion; seconds = time.perf_counter() - start;"
        "print(seconds, [name for name in ('tensorflow', 'keras', 'numpy', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
    seconds, loaded = zip(*(run.split(" ", 1) for run in runs), strict=True)
    assert set(loaded) == {"[]\n"}
    assert min(map(float, seconds)) < 0.3


def test_the_core_needs_no_extra():
    """Every module but those that extend an extra's classes is imported without the extras' packages."""
    code = """
import importlib, pkgutil, sys
extras = ("ai_edge_litert", "keras_tuner", "pyarrow", "starlette", "tensorboard", "tensorflow_datasets", "uvicorn")
extras += ("av", "faiss", "onnx", "onnxruntime", "pycocoevalcap", "pysat", "sacrebleu", "tf2onnx")
for extra in extras:
    sys.modules[extra] = None
import kerasfusion
modules = pkgutil.walk_packages(kerasfusion.__path__, "kerasfusion.", onerror=lambda _: None)
names = [module.name for module in modules]
for name in names:
    if not any(part in name for part in ("shapes_world.builder", "sort_of_clevr", "http_connection")):
        importlib.import_module(name)
print(len(names))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]
    assert int(found.stdout) > 100


def outdated(lines, version_of=importlib.metadata.version):
    """Requirements that what is installed does not meet; what is not installed counts nothing."""
    found = []
    for requirement in map(Requirement, lines):
        try:
            version = version_of(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement} (installed: {version})")
    return found


def test_nothing_installed_is_older_than_its_floor():
    """The part of pip-audit that needs no connection: the floors are versions without known holes."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    floors = {Requirement(line).name: Requirement(line).specifier for line in lines}
    assert {"keras", "pillow", "starlette", "h11"} <= set(floors)
    assert not floors["keras"].contains("3.13.0")
    assert outdated(["keras>=3.15.1"], {"keras": "3.13.0"}.get) == ["keras>=3.15.1 (installed: 3.13.0)"]
    assert outdated(lines) == []


def test_the_core_is_at_most_50_distributions():
    found, todo = set(), ["kerasfusion"]
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    assert "tensorflow" in found and "tensorflow-datasets" not in found
    assert len(found) <= 50, sorted(found)
