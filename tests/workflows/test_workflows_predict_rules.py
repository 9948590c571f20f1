"""Predictions of a table that obey rules together."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.models import fusion_model
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.training import Run
from kerasfusion.workflows import predict


@pytest.fixture
def run(tmp_path):
    """It takes every row for P1 (0.6) and, by itself, for blue (0.8)."""
    numbers = Feature("numbers", "numeric", ("x",), length=1, mean=(0.0,), std=(1.0,))
    tasks = (
        Task("part", "multiclass", "part", classes=("P1", "P2")),
        Task("color", "multiclass", "color", classes=("blue", "red")),
    )
    model = fusion_model(Schema((numbers,), tasks), units=2)
    for task, shares in (("part", (0.6, 0.4)), ("color", (0.8, 0.2))):
        model.get_layer(f"head_{task}").set_weights([np.zeros((2, 2)), np.log(shares)])
    return Run(tmp_path, Schema((numbers,), tasks), model, {}, {})


def test_rules_of_a_table_and_of_a_file(run, tmp_path, monkeypatch):
    pd.DataFrame({"x": [1.0, 2.0]}).to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame({"part": ["P1", "P2"], "color": ["red", "blue"]}).to_csv(tmp_path / "parts.csv", index=False)
    (tmp_path / "rules.txt").write_text("# one rule\nP1 implies red\n")
    alone = predict(run, tmp_path / "rows.csv")
    assert alone[["part", "color"]].to_numpy().tolist() == [["P1", "blue"]] * 2
    np.testing.assert_allclose(alone[["part_probability", "color_probability"]], [[0.6, 0.8]] * 2, rtol=1e-5)
    for name in ("parts.csv", "rules.txt"):
        # P1 and red: 0.6 · 0.2; P2 and blue: 0.4 · 0.8.
        found = predict(run, tmp_path / "rows.csv", rules=tmp_path / name)
        assert found[["part", "color"]].to_numpy().tolist() == [["P2", "blue"]] * 2
        np.testing.assert_allclose(found[["part_probability", "color_probability"]], [[0.4, 0.8]] * 2, rtol=1e-5)
    (tmp_path / "wrong.txt").write_text("P1 implies green\n")
    with pytest.raises(
        ValueError, match=r"Rule P1 implies green \(wrong.txt, line 1\): there is no predicate 'green'"
    ):
        predict(run, tmp_path / "rows.csv", rules=tmp_path / "wrong.txt")
    monkeypatch.setattr(kf.training, "from_preset", lambda path: run)
    command = ["predict", "run", str(tmp_path / "rows.csv"), "--rules", str(tmp_path / "parts.csv")]
    answer = CliRunner().invoke(cli.app, command)
    assert answer.exit_code == 0 and "1.0,P2," in answer.stdout and ",blue,0.8" in answer.stdout
    alone = CliRunner().invoke(cli.app, ["predict", "run", "--text", "a", "--rules", "parts.csv"])
    assert alone.exit_code == 2 and "--rules goes with a table" in alone.output
