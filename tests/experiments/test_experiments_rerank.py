"""Section 6 of tutorial 05: a fused model learns hard pairs and reorders what the dual encoder found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasfusion.evaluation.results import read_results

SCRIPT = Path(__file__).parents[2] / "experiments" / "05_contrastive_retrieval.py"


@pytest.mark.slow
def test_a_fused_model_reranks(tmp_path):
    options = ["--quick", "--rerank", "--out", str(tmp_path / "out"), "--results", str(tmp_path / "results.csv")]
    command = [sys.executable, str(SCRIPT), *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = {(row["model"], row["metric"]): float(row["value"]) for row in read_results(tmp_path / "results.csv")}
    # It tells pairs apart that the dual encoder takes for right, and finds more than chance.
    assert rows["classifier_film, hard pairs", "accuracy"] > rows["majority, hard pairs", "accuracy"]
    for direction in ("image to text", "text to image"):
        assert rows["first 10 reordered", f"R@1 {direction}"] > rows["chance, info_nce", f"R@1 {direction}"]
