"""Every tutorial script runs, in quick mode, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "experiments").glob("[0-9]*.py"))

# Factors of views and ways to tag, compared and not served.
SERVE_NOTHING = ("07", "10")


@pytest.mark.slow
@pytest.mark.parametrize("script", [pytest.param(p, id=p.stem) for p in SCRIPTS])
def test_quick_mode(script, tmp_path):
    results = tmp_path / "results.csv"
    command = [sys.executable, str(script), "--quick", "--out", str(tmp_path / "out"), "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "verified" in done.stdout or script.stem.startswith(SERVE_NOTHING)
    assert results.read_text().startswith("experiment,model,metric,value")


def test_the_tables_of_the_readmes_agree_with_the_results():
    subprocess.run([sys.executable, str(ROOT / "experiments" / "tables.py"), "--check"], check=True)
