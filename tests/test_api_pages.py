"""The API pages are built from the docstrings (extra [docs]): pytest -m docs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kerasfusion as kf

pytestmark = pytest.mark.docs
ROOT = Path(__file__).parents[1]


def test_every_public_name_has_its_place(tmp_path):
    pytest.importorskip("pdoc", reason="needs the extra [docs]")
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    built = subprocess.run(
        [sys.executable, "-m", "pdoc", "kerasfusion", "-o", str(tmp_path)],
        env={**os.environ, "EAGER_IMPORT": "1", "PYTHONPATH": search},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    assert "does not resolve" not in built.stderr and "Couldn't import" not in built.stderr
    for package in kf._PACKAGES:
        page = (tmp_path / "kerasfusion" / f"{package}.html").read_text(encoding="utf-8")
        for name in getattr(kf, package).__all__:
            assert f'id="{name}"' in page, f"kf.{package}.{name}"
