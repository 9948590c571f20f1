"""Command lines that cannot work: each ends in one message and an exit code, never in a traceback."""

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import click
import pandas as pd
import pytest
from budget import examples
from hypothesis import given
from hypothesis import strategies as st
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.bounds import BOUNDS
from kerasfusion.cli import console, failures

# Cells that a terminal, rich, a CSV reader or a spreadsheet would change.
CELLS = [
    ":heart: a red thing",
    "a\tred\tthing",
    "a red\r\nthing",
    "a\rred thing",
    "[/text] [bold]red[/]",
    "=1+1",
    "-5",
]
CELLS += ["@red", "+1", '"red", he said', " red ", "\U0001f600 红色", "007", "1.50"]


class Bytes(io.TextIOWrapper):
    """A standard stream that keeps its bytes, in an encoding of choice."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="", write_through=True)

    def value(self):
        self.flush()
        return self.buffer.getvalue()


@pytest.fixture
def call(monkeypatch, tmp_path):
    """`call(*arguments)`: what `kerasfusion` exits with and writes, and the logs it leaves."""
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "logs"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, encoding="utf-8"):
        out, err = Bytes(encoding), Bytes(encoding)
        monkeypatch.setattr(sys, "argv", ["kerasfusion", *map(str, arguments)])
        showwarning = cli.warnings.showwarning
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            cli.main()
        cli.warnings.showwarning = showwarning
        return ended.value.code, out.value(), err.value().decode(encoding)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, a run of an untrained model for it, and paths that cannot be written to."""
    folder = tmp_path_factory.mktemp("hostile")
    frame = color_table(folder, rows=30).drop(columns="tags")
    frame.to_csv(folder / "pets.csv", index=False)
    data = kf.data.load(folder / "pets.csv", image="photo", text="description", label="fits", image_size=16)
    run = folder / "run"
    run.mkdir()
    data.schema.save(run / "schema.json")
    model = kf.create_model("classifier_concat", data.schema, image_encoder="small_cnn", units=4)
    model.save(run / "model.keras")
    config = {"model": "classifier_concat", "source": "pets.csv", "load": None, "data": {}, "slice_by": None}
    (run / "config.json").write_text(json.dumps(config))
    (run / "metrics.json").write_text("{}")
    (folder / "file").write_text("x")
    (folder / "folder").mkdir()
    (folder / "other.csv").write_text("a,b\n1,2\n")
    return folder


def ends_well(code, err, said="", expected=2):
    assert code == expected, err
    assert "Traceback" not in err and "Error" in err and said in err.replace("\n", " "), err


LONG = "n" * 300
TRAIN = ["train", "{f}/pets.csv", "--label", "fits"]
# Arguments, and what the message says.
LINES = [
    # Outputs that cannot be written.
    *(
        ([*command, option, place], said)
        for command, option in [
            (TRAIN, "--output-dir"),
            (["compare", "{f}/pets.csv"], "--output-dir"),
            (["tune", "{f}/pets.csv"], "--output-dir"),
            (["demo", "--quick"], "--output-dir"),
            (["demo", "--quick"], "--export-to"),
            (["robustness", "{f}/run"], "--output-dir"),
            (TRAIN, "--cache-dir"),
        ]
        for place, said in [
            ("{f}/file", "is a file, not a folder"),
            ("{f}/file/below", "is a file, not a folder"),
            ("{f}/" + LONG, "too long"),
            ("/proc/none/run", ""),
            ("", "empty"),
        ]
    ),
    *(
        ([*command, place], said)
        for command in (["export", "{f}/run"], ["index", "{f}/run", "{f}/photos"])
        for place, said in [("{f}/file", "not a folder"), ("{f}/file/below", "not a folder"), ("{f}/" + LONG, "long")]
    ),
    *(
        ([*command, option, place], said)
        for command, option in [
            (TRAIN, "--results"),
            (["compare", "{f}/pets.csv"], "--results"),
            (["demo"], "--results"),
            (["evaluate", "{f}/run", "{f}/pets.csv"], "--report"),
            (["predict", "{f}/run", "{f}/pets.csv"], "--output"),
        ]
        for place, said in [
            ("{f}/folder", "is a folder; name a file"),
            ("{f}/file/below.csv", "is a file, not a folder"),
            (f"{{f}}/{LONG}.csv", "too long"),
            ("/dev/null", "no regular file"),
            ("/proc/none/x.csv", ""),
            ("", "empty"),
        ]
    ),
    ([*TRAIN, "--results", "{f}/other.csv"], "other.csv"),
    # Numbers out of bounds.
    *(
        ([*TRAIN, f"--{name}", value], f"'--{name}'")
        for name, values in {
            "epochs": ["0", "-1", "1.5", "1e9", "x", "", "9" * 5000],
            "max-seconds": ["inf", "nan", "0", "-1", "1e300", "1e400"],
            "batch-size": ["0", "-64", "100000000000"],
            "learning-rate": ["-1", "0", "nan", "inf", "11"],
            "patience": ["-3", "0"],
            "max-tokens": ["-1", "0", "1e4"],
            "image-size": ["0", "7", "100000", "-8", "64x64"],
            "sequence-length": ["0", "-1", "10000000"],
            "modality-dropout": ["1", "-0.1", "nan", "2"],
            "seed": ["-1", "4294967296", "nan"],
            "lora": ["0", "-4", "100000"],
            "teacher-weight": ["0", "nan", "1.1"],
            "teacher-temperature": ["inf", "nan", "-1"],
        }.items()
        for value in values
    ),
    *((["compare", "{f}/pets.csv", "--seeds", value], "'--seeds'") for value in ("0", "1001", "x")),
    *((["tune", "{f}/pets.csv", "--minutes", value], "'--minutes'") for value in ("0", "inf", "nan", "-5")),
    *((["tune", "{f}/pets.csv", "--units", value], "'--units'") for value in ("x", "0", "64,-1", "64,1e9")),
    *((["robustness", "{f}/run", "--num-severities", value], "'--num-severities'") for value in ("1", "1000000000")),
    *((["index", "{f}/run", "{f}/photos", "{f}/x", "--k", value], "'--k'") for value in ("0", "10000000")),
    *((["serve", "{f}", "--port", value], "'--port'") for value in ("-1", "65536", "http")),
    *((["serve", "{f}", "--threads", value], "'--threads'") for value in ("0", "100000")),
    # Inputs that are not there or not what they should be.
    (["train", "{f}/folder"], "is a folder"),
    (["train", "{f}/file/below.csv"], "below.csv"),
    (["train", f"{{f}}/{LONG}.csv"], "too long"),
    (["train", ""], ""),
    (["train", "{f}/pets.csv", "--image", "[/text]", "--label", "[bold]"], "[/text]"),
    ([*TRAIN, "--text", "[/description]"], "[/description]"),
    ([*TRAIN, "--model", "[bold]x[/]:heart:"], "[bold]x[/]:heart:"),
    ([*TRAIN, "--model", "\x1b[31mred"], "red"),
    ([*TRAIN, "--init-from", "{f}/folder"], "holds no trained model"),
    ([*TRAIN, "--lora", "4"], "--init-from"),
    ([*TRAIN, "--teacher", "{f}/file"], "file"),
    ([*TRAIN, "--pretrained-embeddings", "{f}/folder"], "is a directory"),
    ([*TRAIN, "--problem-type", "[/x]"], "[/x]"),
    (["compare", "{f}/pets.csv", "--label", "fits", "--models", "none*"], "none*"),
    (["list", "[/x]*"], "[/x]*"),
    (["evaluate", "{f}/run", "{f}/none.csv"], "none.csv"),
    (["evaluate", "{f}/file", "{f}/pets.csv"], "holds no trained model"),
    (["evaluate", f"{{f}}/{LONG}", "{f}/pets.csv"], "too long"),
    (["evaluate", "{f}/run", "{f}/other.csv"], "other.csv"),
    (["predict", "{f}/run"], "--image"),
    (["predict", "{f}/run", "--text", "a", "--rules", "{f}/file"], "--rules"),
    (["predict", "{f}/run", "{f}/pets.csv", "--rules", "{f}/none.txt"], "none.txt"),
    (["predict", "{f}/run", "--image", "{f}/none.png"], "none.png"),
    (["predict", "{f}/run", "{f}/folder"], "is a folder"),
    (["predict", "{f}/folder", "{f}/pets.csv"], "holds no trained model"),
    (["export", "{f}/folder", "{f}/x"], "holds no trained model"),
    (["verify", "{f}/none"], "none"),
    (["verify", "{f}/file"], "file"),
    (["serve", "{f}/none"], "none"),
    (["serving-files", "{f}/none"], "none"),
    (["serving-files", "{f}/file"], "file"),
    # Command lines that are none.
    (["nothing"], "No such command"),
    (["train"], "Missing argument"),
    (["train", "a", "b"], "unexpected extra argument"),
    (["train", "{f}/pets.csv", "--nothing"], "No such option"),
    (["train", "{f}/pets.csv", "--epochs"], "requires an argument"),
]


def test_there_are_a_hundred_command_lines_and_more():
    assert len(LINES) > 150


def test_command_lines_that_cannot_work(folder, call):
    before = sorted(path for path in folder.rglob("*"))
    for arguments, said in LINES:
        code, out, err = call(*(argument.format(f=folder) if argument else "" for argument in arguments))
        assert (arguments, code) == (arguments, 2), err
        ends_well(code, err, said)
        assert b"Traceback" not in out and "\x1b" not in err
    assert sorted(path for path in folder.rglob("*")) == before


SPOILED = {
    "schema.json": [
        "",
        "{",
        "null",
        "[]",
        "3",
        '{"features": [], "tasks": []}',
        '{"features": 3, "tasks": 4}',
        '{"features": [{"name": "a"}], "tasks": []}',
        '{"features": [{"name": "a", "kind": "sound", "columns": ["a"]}], "tasks": []}',
        "[" * 100_000,
        '{"a": ' * 100_000,
        b"\xff\xfe\x00",
    ],
    "config.json": ["", "{", "[]", "{}", '{"model": 3}', '{"model": "a", "data": 3}', "\0" * 100, b"\xff"],
    "metrics.json": ["", "{", "[]", '"a"'],
    "model.keras": ["", "PK", "\0" * 1000, b"PK\x03\x04" + bytes(100)],
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_file_of_a_run_is_named(folder, call, tmp_path, name):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    for content in SPOILED[name]:
        (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        code, _, err = call("predict", run, "--text", "a red thing")
        ends_well(code, err, name)


def test_a_schema_of_another_kind_is_told_from_the_model(folder, call, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    whole = json.loads((run / "schema.json").read_text())
    text = next(place for place, f in enumerate(whole["features"]) if f["kind"] == "text")
    image = 1 - text

    def spoil(part, place, **changes):
        spoiled = json.loads(json.dumps(whole))
        spoiled[part][place].update(changes)
        return spoiled

    spoiled = [
        spoil("features", text, length=1000),
        spoil("features", text, length=None),
        spoil("features", text, length="8"),
        spoil("features", text, kind="image"),
        spoil("features", text, kind="numeric"),
        spoil("features", text, vocabulary=[1, 2]),
        spoil("features", text, vocabulary=None),
        spoil("features", text, columns=[]),
        spoil("features", text, columns=[3]),
        spoil("features", text, further=1),
        spoil("features", image, size=None),
        spoil("features", image, size=[16]),
        spoil("features", image, size=[32, 32]),
        spoil("features", image, size=["a", "b"]),
        spoil("features", image, size=[10**9, 10**9]),
        spoil("features", image, mean=["a"]),
        spoil("tasks", 0, classes=["yes"]),
        spoil("tasks", 0, classes=[None, None]),
        spoil("tasks", 0, type="multiclass", classes=["a", "b", "c"]),
        spoil("tasks", 0, type="multilabel", classes=["a", "b", "c"]),
        spoil("tasks", 0, type="regression", std=None),
        spoil("tasks", 0, type="captioning"),
        {**whole, "tasks": [], "features": []},
    ]
    for schema in spoiled:
        (run / "schema.json").write_text(json.dumps(schema))
        code, _, err = call("predict", run, "--text", "a red thing")
        ends_well(code, err, "schema.json")


def test_a_model_with_damaged_parts_is_named(folder, call, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    whole = (folder / "run" / "model.keras").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in [
        ("config.json", b"{}"),
        ("config.json", b"{"),
        ("model.weights.h5", b"x"),
        ("config.json", None),
    ]:
        changed = {**parts, name: content}
        with zipfile.ZipFile(run / "model.keras", "w") as archive:
            for part, inside in changed.items():
                if inside is not None:
                    archive.writestr(part, inside)
        ends_well(*(call("predict", run, "--text", "a red thing")[::2]), "model.keras")
    (run / "model.keras").write_bytes(whole[: len(whole) // 2])
    ends_well(*(call("predict", run, "--text", "a red thing")[::2]), "model.keras")


def hostile_table(folder):
    frame = pd.read_csv(folder / "pets.csv").head(len(CELLS))
    frame["description"] = CELLS
    frame["[/text]"] = "[bold]:heart:[/]"
    frame["code"] = "1.50"
    frame.loc[0, "code"] = "007"
    path = folder / "hostile.csv"
    frame.to_csv(path, index=False, quoting=1)
    return path, frame


def test_predictions_leave_the_data_as_they_are(folder, call, tmp_path):
    path, frame = hostile_table(folder)
    code, out, err = call("predict", folder / "run", path, encoding="ascii")
    assert code == 0, err
    read = pd.read_csv(io.BytesIO(out), dtype=str, keep_default_na=False, lineterminator="\n")
    for column in frame:
        assert read[column].tolist() == frame[column].astype(str).tolist()
    # A link is written through, and nothing temporary is left.
    (tmp_path / "old.csv").write_text("old")
    written = tmp_path / "new" / "out.csv"
    written.parent.mkdir()
    written.symlink_to(tmp_path / "old.csv")
    code, said, err = call("predict", folder / "run", path, "--output", written)
    assert code == 0 and (tmp_path / "old.csv").read_bytes() == out and b"rows written" in said
    assert written.is_symlink() and sorted(p.name for p in tmp_path.iterdir()) == ["logs", "new", "old.csv"]


def test_formulas_are_escaped_on_request_alone():
    frame = pd.DataFrame({"=text": CELLS, "n": -1.5})
    for escape, expected in [
        (False, CELLS),
        (True, [f"'{cell}" if cell in ("=1+1", "@red") else cell for cell in CELLS]),
    ]:
        content = kf.workflows.predictions_csv(frame, escape)
        read = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, lineterminator="\n")
        assert read.columns[0] == ("'=text" if escape else "=text") and set(read["n"]) == {"-1.5"}
        assert read.iloc[:, 0].tolist() == expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_list_is_whole_in_a_pipe_and_every_terminal_prints_everything(call, encoding):
    code, out, _ = call("list", encoding=encoding)
    assert code == 0
    assert [line.split()[0] for line in out.decode(encoding).splitlines()[1:]] == list(kf.list_models("*"))
    code, _, err = call("list", "…中文", encoding=encoding)
    ends_well(code, err)


def test_markup_and_control_characters_in_data_are_printed_as_they_are(capsys):
    console.say("[bold]a[/] :heart: [/text] \x1b[31m")
    console.show(("[/text]", "b"), [("[bold]x[/]", ":smile:" * 100)], title="[red]t[/]")
    out = capsys.readouterr().out
    for said in ("[bold]a[/] :heart: [/text] \\x1b[31m", "[/text]", "[bold]x[/]", ":smile:" * 100, "[red]t[/]"):
        assert said in out


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/run"), 1, "/data/run: No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "/data/run"), 2, "/data/run: Permission denied"),
        (MemoryError(), 1, "Out of memory"),
        (RecursionError("maximum recursion depth exceeded"), 1, "nested too deeply"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
        (KeyError("x"), 1, "KeyError: 'x'"),
        (ValueError(), 1, "ValueError"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_any_error_is_one_message_and_an_unexpected_one_a_log(capsys, tmp_path, monkeypatch, error, code, said):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @click.command()
    def fail():
        raise error

    monkeypatch.setattr(sys, "argv", ["kerasfusion"])
    assert failures.exit_code(fail) == code
    err = capsys.readouterr().err
    assert said in err and err.strip().count("\n") == 0 and "Traceback (most" not in err
    logs = list(tmp_path.glob("kerasfusion-error-*.log"))
    assert len(logs) == (code == 1)
    if logs:
        assert str(logs[0]) in err and "Traceback (most recent call last)" in logs[0].read_text()


def test_a_log_that_cannot_be_written_is_no_second_error(capsys, monkeypatch):
    @click.command()
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "argv", ["kerasfusion"])
    monkeypatch.setattr("tempfile.mkstemp", full)
    assert failures.exit_code(fail) == 1 and "No log could be written" in capsys.readouterr().err


def test_a_pipe_that_closes_a_full_disk_and_an_ascii_terminal():
    """The three that need a real process, side by side: TensorFlow is not imported by `list`."""
    command = f"{sys.executable} -m kerasfusion.cli"
    lines = {
        f"{command} list | head -1": (0, ""),
        f"PYTHONIOENCODING=ascii LC_ALL=C {command} list '…'": (2, "no model matches"),
        f"{command} list >&-": (0, ""),
        f"{command} nothing 2>&-": (2, ""),
    }
    if os.path.exists("/dev/full"):
        lines[f"{command} list > /dev/full"] = (1, "No space left on device")
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "shell": True}
    running = {line: subprocess.Popen(line, **kept) for line in lines}
    for line, process in running.items():
        _, err = process.communicate(timeout=120)
        code, said = lines[line]
        assert process.returncode == code and said in err, (line, err)
        assert "Traceback (most" not in err and "Exception ignored" not in err and bool(err) == bool(said), (
            line,
            err,
        )


NUMBERS = st.one_of(st.integers().map(str), st.floats().map(str), st.text(st.characters(codec="utf-8"), max_size=8))
TRAIN_OPTIONS = cli.app.commands["train"].params
OPTIONS = {param.opts[0]: param.type for param in TRAIN_OPTIONS if type(param.type).__name__ == "Number"}
COMMAND_LINES = st.lists(st.tuples(st.sampled_from(sorted(OPTIONS)), NUMBERS), min_size=1, max_size=4)


@pytest.mark.hostile
@examples(100, 5_000)
@given(COMMAND_LINES)
def test_any_number_is_taken_or_refused_before_the_data_are_read(pairs):
    values = {name: value for name, value in pairs}
    arguments = ["train", "none.csv", *(f"{name}={value}" for name, value in values.items())]
    allowed = all(_allowed(name, value) for name, value in values.items())
    try:
        with cli.app.make_context("kerasfusion", arguments.copy()) as context:
            command, rest = cli.app.commands["train"], arguments[1:]
            with command.make_context("train", rest, parent=context) as made:
                taken = made.params
    except click.BadParameter:
        assert not allowed
        return
    assert allowed
    settings = {name[2:].replace("-", "_"): taken[name[2:].replace("-", "_")] for name in values}
    kf.bounds.check_bounds(**{"lora" if name == "lora_budget" else name: v for name, v in settings.items()})


def _allowed(name, value):
    bound = OPTIONS[name].bound
    try:
        number = int(value) if bound.whole else float(value)
    except ValueError:
        return False
    above = number > bound.low if bound.above else number >= bound.low
    return above and (number < bound.high if bound.below else number <= bound.high)


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_python_refuses_what_the_command_line_refuses(name):
    bound = BOUNDS[name]
    for value in (bound.low - 1, bound.high + 1, float("nan"), float("inf"), "1", None, True, 10**400):
        with pytest.raises(ValueError, match=f"{name} must be a (whole )?number"):
            kf.bounds.check_bounds(**{name: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": 100_000},
        {"image_size": (8, 8, 8)},
        {"sequence_length": 10**7},
        {"max_tokens": -1},
        {"seed": -1},
    ],
)
def test_data_refuses_its_settings_before_it_reads_the_table(settings):
    with pytest.raises(kf.data.DataError, match=next(iter(settings))):
        kf.data.load("none.csv", **settings)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": -1}, {"patience": -3}, {"max_seconds": float("inf")}, {"epochs": 0}]
)
def test_a_config_refuses_its_settings(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        kf.training.TrainingConfig(**settings)
