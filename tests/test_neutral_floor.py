"""Layers and models know Keras alone, and nothing of what stands above them; importing stays quick."""

import ast
import pathlib
import subprocess
import sys

import pytest

import kerasfusion

ROOT = pathlib.Path(kerasfusion.__file__).parent
FLOOR = ("decoders", "encoders", "fusion", "heads", "layers", "losses", "metrics", "models", "pretrained")
BESIDE = ("keras_compat", "masking")
FILES = sorted(path for part in FLOOR for path in (ROOT / part).rglob("*.py"))
FILES += [ROOT / f"{name}.py" for name in BESIDE]
BACKENDS = {"tensorflow", "torch", "jax", "tensorflow_datasets"}
ALLOWED_OWN = {f"kerasfusion.{part}" for part in (*FLOOR, *BESIDE)}


def imports(tree):
    """Absolute dotted names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "kerasfusion":
                yield from (f"kerasfusion.{alias.name}" for alias in node.names)
            else:
                yield node.module


def offences(source):
    found = []
    for name in imports(ast.parse(source)):
        top = name.split(".")[0]
        own = ".".join(name.split(".")[:2])
        if top in BACKENDS or (top == "kerasfusion" and own not in ALLOWED_OWN):
            found.append(name)
    return found


def test_the_check_sees_what_it_should():
    assert len(FILES) > 20
    assert offences("import keras\nfrom keras import ops\nfrom kerasfusion.fusion.base import Fusion") == []
    assert offences("def f():\n    import tensorflow as tf") == ["tensorflow"]
    assert offences("from kerasfusion.schema import Task") == ["kerasfusion.schema"]
    assert offences("from kerasfusion import zoo, heads\nimport kerasfusion") == ["kerasfusion.zoo", "kerasfusion"]
    assert offences("from jax.numpy import sum\nimport torch.nn") == ["jax.numpy", "torch.nn"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_floor_imports_neither_backend_nor_upper_floors(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", ["kerasfusion", "kerasfusion.serving.capi"])
def test_import_waits_for_no_tensorflow(module):
    command = f"import sys, {module}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
