"""Output folders of others, two trainings at once, reports that fail, exports that race."""

import contextlib
import json
import multiprocessing
import os
import shutil
import time
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.evaluation import figures, results
from kerasfusion.files import LOCK, FolderInUseError
from kerasfusion.serving.exporting import write_version
from kerasfusion.training.callbacks import save_whole
from kerasfusion.workflows import report, run_folder
from kerasfusion.workflows.run_folder import COMPARISON, MARKER, RUN, SEARCH, open_folder

CLASSES = (r"$\frac{", "$$")
KINDS = {kind.name: kind for kind in (RUN, COMPARISON, SEARCH)}


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if path.suffix == ".json" else "mine")


def contents(folder):
    """Path -> bytes of all files, and the folders."""
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "texts.csv"
    rows = [(f"{word} {i % 7}", name) for i in range(30) for word, name in zip("ab", CLASSES, strict=True)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def data(table):
    return kf.data.load(table, text="text", label="label")


def train(data, out, **settings):
    config = kf.training.TrainingConfig(epochs=1, batch_size=32)
    return kf.train(data, "text_only", out, config, units=4, text_encoder="bag_of_words", **settings)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run during which another was begun in its folder, and whose confusion matrix and page failed."""
    out, second = tmp_path_factory.mktemp("trained") / "run", []

    def begin_another(logs):
        with pytest.raises(FolderInUseError) as refused:
            train(data, out, resume=True)
        second.append(str(refused.value))

    def failing(*_, **__):
        raise ValueError("cannot be drawn")

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(figures, "confusion", failing)
        patch.setattr(report, "write_run_report", failing)
        train(data, out, callbacks=[keras.callbacks.LambdaCallback(on_train_begin=begin_another)])
    return SimpleNamespace(
        out=out, second=second, said=[str(w.message) for w in caught if "Not written" in str(w.message)]
    )


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained.out, tmp_path / "run")


FOREIGN = {
    "issue": ("config.json", "src/thesis.tex"),
    "model": ("model.keras", "metrics.json", "schema.json", "config.json"),
    "runs": ("runs/2019/notes.txt", "comparison.csv"),
    "search": ("search/search.json", "run/diary.txt"),
    "hidden": (".git/config",),
    "marker": (MARKER, "thesis.tex"),
    "lock": (LOCK, ".lock", "thesis.tex"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", FOREIGN.values(), ids=FOREIGN)
def test_a_folder_without_our_marker_is_not_touched(tmp_path, kind, names):
    write(tmp_path, *names)
    before = contents(tmp_path)
    for settings in ({}, {"overwrite": True}, {"resume": True}):
        refused = pytest.raises(FileExistsError, match=f"is no {kind} .*, so it is not touched")
        with refused, open_folder(tmp_path, KINDS[kind], **settings):
            pass
        assert contents(tmp_path) == before


@pytest.mark.parametrize("marker", ["", "[]", "{", '"run"', '{"kind": 3}', '{"kind": "thesis"}'])
def test_a_marker_that_is_not_ours_marks_nothing(tmp_path, marker):
    write(tmp_path, "thesis.tex")
    (tmp_path / MARKER).write_text(marker)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError), open_folder(tmp_path, RUN, overwrite=True):
        pass
    assert contents(tmp_path) == before


def test_commands_that_train_leave_foreign_folders_alone(table, data, tmp_path, monkeypatch):
    write(tmp_path, "config.json", "src/thesis.tex", "runs/old/thesis.tex", "search/search.json")
    before = contents(tmp_path)
    roles = ["--text", "text", "--label", "label", "--output-dir", tmp_path]
    for command in (("train",), ("train", "--overwrite"), ("train", "--resume"), ("compare", "--overwrite")):
        done = run(command[0], table, *roles, *command[1:])
        assert done.exit_code != 0 and "is not touched" in str(done.exception), (command, done.output)
    monkeypatch.setattr(kf.data, "load", lambda *_, **__: data)
    assert "is not touched" in str(run("demo", "--output-dir", tmp_path).exception)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("out", ["file", "file/below", "link"])
def test_an_output_folder_that_cannot_be_one(tmp_path, out):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError), open_folder(tmp_path / out, RUN, overwrite=True):
        pass
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "link").is_symlink()


def test_a_run_is_replaced_file_by_file(copy, tmp_path):
    ours = set(contents(copy))
    foreign = ("notes.txt", "figures/mine.png", "figures/comparison_paper.png", "saved_model/1/saved_model.pb")
    write(copy, *foreign, "baselines/text_only/thesis.tex", "checkpoints/last.npz", "robustness/curves.csv")
    (copy / "checkpoints" / ".tmp-0123456789ab.npz").touch()
    write(tmp_path / "elsewhere", "metrics.json", "curves.csv", "report.html")
    shutil.rmtree(copy / "robustness")
    (copy / "robustness").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="--overwrite to replace the run in it"), open_folder(copy, RUN):
        pass
    with open_folder(copy, RUN, overwrite=True):
        left = {name for name, found in contents(copy).items() if found is not False}
    assert left == {*foreign, "baselines/text_only/thesis.tex", MARKER, LOCK} and ours - left
    assert len(contents(tmp_path / "elsewhere")) == 3


def test_a_comparison_and_a_search_are_replaced_run_by_run(copy, tmp_path):
    for kind, place in ((COMPARISON, "runs/a-seed0"), (SEARCH, "run")):
        out = tmp_path / kind.name
        with open_folder(out, kind):
            write(out, "search/search.json", "search/trials/trial_0/result.json", "comparison.csv", "seeds.csv")
        shutil.copytree(copy, out / place)
        shutil.copytree(copy, out / "runs" / "b-seed0")
        write(out, "runs/b-seed0/thesis.tex", "runs/mine/metrics.json", "search/trials/mine/result.json")
        with pytest.raises(FileExistsError, match=f"holds a {kind.name}"), open_folder(out, RUN, overwrite=True):
            pass
        with open_folder(out, kind, overwrite=True):
            pass
        left = {name for name, found in contents(out).items() if found is not False}
        assert {MARKER, "runs/b-seed0/thesis.tex", "runs/mine/metrics.json", "search/trials/mine/result.json"} <= left
        assert not (out / place).exists() and (out / "search" / "search.json").exists() == (kind is COMPARISON)
        assert (out / "comparison.csv").exists() == (kind is SEARCH)


def test_a_second_training_in_the_same_folder_fails_at_once(trained):
    (said,) = trained.second
    assert f"{trained.out} is in use by process {os.getpid()} on " in said
    assert not (trained.out / LOCK).exists()


def test_a_report_that_fails_costs_no_scores(trained):
    (said,) = trained.said
    assert "figures/confusion.png (ValueError: cannot be drawn); report.html (ValueError: cannot be drawn)" in said
    assert f"`kerasfusion report {trained.out}` makes the report again" in said and "\n" not in said
    metrics = json.loads((trained.out / "metrics.json").read_text())
    assert metrics["tasks"]["label"]["scores"]["text_only"]["n"] > 0
    drawn = {path.name for path in (trained.out / "figures").iterdir()}
    assert drawn == {"learning_curves.png", "comparison.png", "reliability.png"}
    assert kf.load(trained.out).metrics == metrics


def test_the_report_is_made_again(data, copy, monkeypatch, messages):
    before = contents(copy)
    with monkeypatch.context() as gone:  # the table was moved since
        gone.setattr(report, "load_run_data", lambda _: (_ for _ in ()).throw(FileNotFoundError("texts.csv is gone")))
        with pytest.warns(UserWarning, match=r"figures \(texts.csv is gone\)"):
            assert kf.workflows.rebuild_report(copy)
    assert (copy / "report.html").exists() and not (copy / "figures" / "confusion.png").exists()
    done = run("report", copy)
    assert done.exit_code == 0, done.output
    after = contents(copy)
    assert after.keys() - before.keys() == {"report.html", "figures/confusion.png"}
    assert {name for name in before if after[name] != before[name]} == set()
    (copy / "report.html").unlink()
    train(data, copy, resume=True)
    assert "Its report is missing and made now." in messages and contents(copy) == after
    other = kf.data.load(pd.DataFrame({"text": ["a"] * 30, "label": ["x", "y"] * 15}), text="text", label="label")
    with pytest.raises(kf.data.DataError, match=r"is not what .* was trained on"):
        kf.workflows.rebuild_report(copy, other)
    (copy / "metrics.json").unlink()
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(ValueError, match="it is not finished"):
        kf.workflows.rebuild_report(copy)


HOSTILE = [
    *CLASSES,
    "\\",
    "a\nb",
    "_hidden",
    "x" * 100_000,
    "\ud800",
    "a\0b",
    "\x1b[31m",
    "",
    " ",
    "{}",
    "%s",
    "\u202eab",
]


def test_figures_of_hostile_names(tmp_path):
    count = len(HOSTILE)
    task = SimpleNamespace(name=HOSTILE[5], title=HOSTILE[5], column=HOSTILE[5], classes=HOSTILE)
    figures.confusion(task, np.arange(count), np.arange(count)[::-1], tmp_path / "confusion.png")
    image = np.zeros((8, 8, 3), np.uint8)
    figures.example_grid(
        [image] * count, [f"{name}\n{name}" for name in HOSTILE], ["black"] * count, tmp_path / "a.png"
    )
    maps = [{"pixels": image, "said": "label", "class": name, "word": name, "probability": 1.0} for name in HOSTILE]
    figures.looked_at([{"pixels": image, "maps": maps}], tmp_path / "looked_at.png", [HOSTILE[5]])
    figures.words_looked_at([{"pixels": image, "maps": maps}], tmp_path / "words.png")
    queries = {"text to image": [(i, [0], [True]) for i in range(count)]}
    figures.retrieval_grid(queries, lambda places: image[None], HOSTILE, tmp_path / "retrieval.png")
    assert len(list(tmp_path.iterdir())) == 5 and all(path.stat().st_size < 10**6 for path in tmp_path.iterdir())


def in_processes(count, function, *arguments):
    """Call a function in forked processes, all with the same process id, as in containers."""

    def child(number):
        os.getpid = lambda: 7
        function(number, *arguments)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks, which here touch no TensorFlow
        processes = [multiprocessing.get_context("fork").Process(target=child, args=(i,)) for i in range(count)]
        for process in processes:
            process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * count


def export_some(number, base):
    def write_slowly(folder):
        (folder / "variables").mkdir(parents=True)
        for part in ("saved_model.pb", "variables/variables.index", "variables/variables.data"):
            time.sleep(0.002)
            (folder / part).write_text(str(number))
        return {"process": number}

    for _ in range(5):
        write_version(base, write_slowly)


def test_concurrent_exports_with_one_pid_are_complete(tmp_path):
    in_processes(4, export_some, tmp_path / "base")
    versions = sorted((tmp_path / "base").iterdir(), key=lambda path: path.name)
    assert {path.name for path in versions} == {str(i) for i in range(1, 21)}
    written = []
    for version in versions:
        found = {path.read_text() for path in version.rglob("*") if path.is_file() and path.suffix != ".json"}
        card = json.loads((version / "assets.extra" / "kerasfusion.json").read_text())
        assert found == {str(card["process"])} and len(list(version.rglob("variables.*"))) == 2
        written.append(card["process"])
    assert sorted(written) == sorted(5 * [0, 1, 2, 3])


def test_a_version_is_published_above_everything_with_a_number(tmp_path):
    (tmp_path / "3").mkdir()
    (tmp_path / "7").write_text("mine")
    (tmp_path / "9").symlink_to(tmp_path / "nowhere")
    for name in ("²", "٣", "12a", "-5"):
        (tmp_path / name).mkdir()
    before = set(os.listdir(tmp_path))
    version = write_version(tmp_path, lambda folder: folder.joinpath("saved_model.pb").write_text("x") and {})
    assert version.name == "10" and set(os.listdir(tmp_path)) == {*before, "10"}
    assert list((tmp_path / "3").iterdir()) == [] and (tmp_path / "7").read_text() == "mine"


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_a_number_taken_by_a_writer_without_the_lock(tmp_path, monkeypatch, taken):
    replace = os.replace

    def taken_first(source, target):
        if os.path.basename(target) == "1" and not os.path.lexists(target):
            if taken == "folder":
                write(tmp_path, "1/saved_model.pb")
            elif taken == "file":
                write(tmp_path, "1")
            else:
                os.symlink(tmp_path / "nowhere", target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", taken_first)
    assert write_version(tmp_path, lambda folder: {}).name == "2"
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def record_some(number, path):
    for i in range(5):
        results.append_results(
            path, [{"model": "m", "metric": "accuracy", "value": i}], f"experiment {number}", "command"
        )


def test_concurrent_experiments_keep_each_other_s_results(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "commit", lambda: "abc")
    in_processes(4, record_some, tmp_path / "results.csv")
    found = results.read_results(tmp_path / "results.csv")
    assert sorted((row["experiment"], row["value"]) for row in found) == [(f"experiment {i}", "4") for i in range(4)]
    assert os.listdir(tmp_path) == ["results.csv"]


@pytest.mark.parametrize("part", ["model", "figure", "table"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, part):
    def half(path, *_, **__):
        with open(path, "w") as file:
            file.write("half")
        raise OSError(28, "No space left on device")

    path = tmp_path / {"model": "model.keras", "figure": "curves.png", "table": "results.csv"}[part]
    old = ",".join(results.FIELDS) + "\n"
    path.write_text(old)
    with pytest.raises(OSError, match="No space left"), contextlib.ExitStack() as stack:
        if part == "model":
            save_whole(SimpleNamespace(save=half), path)
        elif part == "figure":
            figures.save_figure(SimpleNamespace(savefig=half), path)
        else:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(results.csv.DictWriter, "writerows", lambda *_: half(os.devnull))
            results.append_results(path, [], "experiment", "command")
    assert path.read_text() == old and os.listdir(tmp_path) == [path.name]


def test_every_pattern_of_a_kind_stays_inside_its_folder():
    for kind in KINDS.values():
        for pattern in (*kind.files, *kind.begun, *kind.runs):
            assert not pattern.startswith(("/", "*")) and ".." not in pattern and "**" not in pattern
    assert run_folder.RUN.files[0] == "metrics.json"  # deleted first: what is left is no finished run
