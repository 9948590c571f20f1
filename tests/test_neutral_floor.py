"""What keeps the house in order: who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kerasfusion

PACKAGE = Path(kerasfusion.__file__).parent
NEUTRAL = ("encoders", "fusion", "heads", "losses", "models")
FOREIGN = {"tensorflow", "jax", "torch"}
ABOVE = {"data", "preprocessing", "training", "evaluation", "serving", "recipes", "zoo", "cli"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("room", NEUTRAL)
def test_the_neutral_floor_imports_keras_alone(room):
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] not in FOREIGN, f"{path} imports {name}"
            assert parts[0] != "kerasfusion" or parts[1] not in ABOVE, f"{path} imports {name}"


@pytest.mark.parametrize("module", ["kerasfusion", "kerasfusion.serving.capi", "kerasfusion.data.schema"])
def test_light_imports_load_no_framework(module):
    code = f"import {module}, sys; sys.exit(bool({{'tensorflow', 'keras'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_resolves():
    for name in kerasfusion.__all__:
        assert getattr(kerasfusion, name) is not None
    for package in ("data", "serving"):
        module = getattr(kerasfusion, package)
        for name in module.__all__:
            assert getattr(module, name) is not None
