"""Tutorials read like keras.io examples: a header, markdown cells, public imports."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import kerasfusion as kf

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SCRIPTS = [pytest.param(p, id=p.stem) for p in sorted(EXPERIMENTS.glob("[0-9]*.py"))]
HEADER = ("Article", "What you will learn", "Time", "Data")


@pytest.fixture
def common(monkeypatch):
    spec = importlib.util.spec_from_file_location("_common", EXPERIMENTS / "_common.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS)
def test_header(script):
    doc = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    title, header, commands, *_ = doc.split("\n\n")
    assert re.fullmatch(r"# \S.*", title)
    assert re.findall(r"^- ([A-Z][a-z ]+): \S", header, re.MULTILINE) == [*HEADER]
    assert commands.startswith("```shell\n") and f"python experiments/{script.name}" in commands
    assert "--quick" in commands


@pytest.mark.parametrize("script", SCRIPTS)
def test_cells(script):
    """Each cell is prose alone, or code that is complete by itself."""
    text = script.read_text(encoding="utf-8")
    start, *cells = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    assert start == "" and cells[0] == " [markdown]"
    for kind, body in zip(cells[::2], cells[1::2], strict=True):
        tree = ast.parse(body)
        if kind == " [markdown]":
            assert not tree.body or isinstance(tree.body[0].value, ast.Constant), body
            assert body.strip()
        else:
            assert kind == "" and tree.body, body


@pytest.mark.docs
def test_scripts_open_as_notebooks():
    """`jupytext --to notebook` turns the header and each markdown cell into prose, and every other cell into code."""
    jupytext = pytest.importorskip("jupytext")
    for script in sorted(EXPERIMENTS.glob("[0-9]*.py")):
        cells = jupytext.read(script).cells
        marks = re.findall(r"^# %%(.*)$", script.read_text(encoding="utf-8"), re.MULTILINE)
        assert [cell.cell_type for cell in cells] == ["markdown" if mark else "code" for mark in marks], script
        assert cells[0].source.startswith("# ") and '"""' not in cells[0].source, script


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_private_is_imported_and_arguments_are_shared(script):
    text = script.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasfusion"):
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            assert not any(part.startswith("_") for part in parts), parts
    assert "argparse" not in text and "append_results" not in text
    assert f'_common.tutorial_parser(__doc__, "{script.stem}"' in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_name_of_the_library_exists(script):
    """`kf.a.b` and what is imported from kerasfusion resolve, also where no quick run comes by."""
    helpers = [path for path in EXPERIMENTS.glob("_*.py") if path.stem in script.read_text(encoding="utf-8")]
    for path in (script, *helpers):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasfusion"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    getattr(module, alias.name)
            elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("kf."):
                resolve(ast.unparse(node))


def resolve(dotted):
    """The object that `kf.a.b` names; what a function returns, and attributes of objects, are not followed."""
    found = kf
    for name in dotted.split(".")[1:]:
        if not name.isidentifier() or not isinstance(found, type(kf)):
            break
        found = getattr(found, name)
    return found


def test_recorded_flags_still_parse(common, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFUSION_DATA", "")
    parser = common.tutorial_parser("# A tutorial\n\nmore", "01_a")
    assert parser.description == "A tutorial"
    for flag in ("--out", "--output-dir"):
        assert parser.parse_args([flag, "x", "--quick"]).output_dir == Path("x")
    monkeypatch.setattr(sys, "argv", ["01_a.py", "--out", str(tmp_path / "new"), "--data-dir", "DATA"])
    assert common.parse(parser).data_dir == "DATA" and (tmp_path / "new").is_dir()


def test_in_a_notebook_the_kernel_s_arguments_are_not_read(common, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher", "-f", "kernel.json"])
    assert common.parse(common.tutorial_parser("A", "01_a")).output_dir == Path("runs/01_a")
    assert common.parse(common.tutorial_parser("A", "01_a"), ["--quick"]).quick
    assert common.finish(False) is None


def test_the_exit_code_says_whether_the_export_was_verified(common):
    for ok, code in ((True, 0), (False, 1)):
        with pytest.raises(SystemExit) as end:
            common.finish(ok)
        assert end.value.code == code


def test_results_of_a_seed_are_recorded_and_restored_by_their_command(common, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = common.tutorial_parser("# A", "01_a", drawn=True, seeds=2)
    arguments = common.parse(parser, ["--results", "r.csv"])
    results = common.Results(arguments, "01_a", ["seeds", "on"], "a.csv")
    assert results.command == "python experiments/01_a.py --seeds 2 --on test --results experiments/results/a.csv"
    results.n = 10
    results.add("model", "accuracy", [0.5, 0.75])
    results.add("model", "labels", 7, n=3, seed=1)
    assert results.by_seed().loc[("model", "accuracy")].tolist() == [0.5, 0.75]
    for seed in results.seeds:
        results.record(f"01_a, {seed}", seed)
    again = common.Results(arguments, "01_a", ["seeds", "on"], "a.csv")
    assert again.restore("01_a, 1", 1) and [row["value"] for row in again.rows] == [0.75, 7]
    assert [row["n"] for row in again.rows] == ["10", "3"]
    other = common.Results(common.parse(parser, ["--results", "r.csv", "--seeds", "3"]), "01_a", ["seeds"], "a.csv")
    assert not other.restore("01_a, 1", 1)


def test_gains_are_paired_by_seed(common, capsys):
    values = pd.DataFrame([[0.5, 0.6, 0.7], [0.6, 0.7, 0.8001]], index=["base", "better"])
    common.print_gains(values, lambda name: "base")
    base, better = capsys.readouterr().out.splitlines()
    assert base.split() == ["base", "60.0%"] and "+10.0% [+10.0%, +10.0%]" in better
    common.print_gains(values[[0]], lambda name: "base")
    assert capsys.readouterr().out.rstrip().endswith("+10.0%")
