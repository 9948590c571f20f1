"""Output folders of runs, comparisons and searches: created, resumed, replaced, and locked while in use."""

import contextlib
import dataclasses
import glob
import json
from pathlib import Path

from kerasfusion.files import LOCK, folder_lock, remove_temporaries, write_json

# In every folder that is ours. Without it, nothing in a folder is deleted or replaced.
MARKER = ".kerasfusion.json"
_VERSION = 1
# What must be the same for an interrupted run to go on, and how a user knows it.
SAME: tuple[str, ...] = ("model", "changes", "training", "baselines", "init_from", "lora", "distillation")
SAME += ("slice_by", "data")


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a folder holds, and which of its files are ours.

    Args:
        name: `"run"`, `"comparison"` or `"search"`.
        files: Patterns of the files that are written, those first that say that it is finished; `{task}` stands for
            the name of each task in its `schema.json`.
        begun: Patterns of which one matches as soon as there is something to lose.
        runs: Patterns of folders in it that hold runs.
    """

    name: str
    files: tuple
    begun: tuple
    runs: tuple = ()


_TRAINING: tuple[str, ...] = (
    "training.json",
    "checkpoints/last.npz",
    "checkpoints/epochs.txt",
    "model.keras",
    "history.csv",
)
_TRAINING += ("logs/*/events.out.tfevents.*",)
_CLASSICAL = ("bag_of_words", "text_features", "image_features", "signal_statistics", "boosted_columns")
_FIGURES = ("comparison", "confusion", "reliability", "examples", "looked_at")

RUN = Kind(
    "run",
    (
        "metrics.json",
        *_TRAINING,
        *(f"baselines/{baseline}/{file}" for baseline in ("*_only", "without_teacher") for file in _TRAINING),
        *(f"baselines/{baseline}.npz" for baseline in _CLASSICAL),
        *("config.json", "schema.json", "reference_inputs.npz", "test_answers.npz", "details.json", "report.html"),
        *("figures/learning_curves.png", "figures/retrieval.png"),
        *(f"figures/{name}{end}.png" for name in _FIGURES for end in ("", "_{task}")),
        *(f"robustness/{name}" for name in ("curves.csv", "summary.csv", "robustness.png", "report.html")),
    ),
    begun=("checkpoints", "model.keras"),
)
COMPARISON = Kind(
    "comparison",
    (
        *("comparison.json", "comparison.csv", "seeds.csv", "comparison.html"),
        "figures/score_and_latency.png",
    ),
    begun=("runs/*",),
    runs=("runs/*",),
)
_TRIAL = "search/trials/trial_*"
SEARCH = Kind(
    "search",
    (
        *("search/search.json", "search/spent.json", "search/trials.csv"),
        *("search/trials/oracle.json", "search/trials/tuner*.json"),
        *(f"{_TRIAL}/{file}" for file in ("trial.json", "build_config.json", "result.json", *_TRAINING)),
    ),
    begun=("search/search.json",),
    runs=("run",),
)


@contextlib.contextmanager
def open_folder(folder, kind, overwrite=False, resume=False):
    """Hold the lock of an output folder, which is made, resumed or replaced.

    Only a folder with our marker file is replaced, and only files that we wrote are deleted: what a user put beside
    them stays.

    Args:
        folder: The folder. It is new, empty, or holds what an earlier call wrote.
        kind: A `Kind`.
        overwrite: Delete what an earlier call wrote.
        resume: Keep it.

    Yields:
        `pathlib.Path` of the folder. Nobody else trains into it until the block ends.

    Raises:
        FileExistsError: The folder is not ours, or in use and neither `overwrite` nor `resume` is given.
        FolderInUseError: Another process trains into it; the message says which.
        ValueError: Both `overwrite` and `resume`.
    """
    if overwrite and resume:
        raise ValueError(f"A {kind.name} is either replaced (overwrite) or resumed (resume), not both.")
    folder = Path(folder)
    # Before anything is written to it, the lock included.
    _check_ours(folder, kind)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        # Again: another process may have used it since.
        _check_ours(folder, kind)
        begun = any(any(folder.glob(pattern)) for pattern in kind.begun)
        if begun and not (overwrite or resume):
            raise FileExistsError(
                f"{folder} holds a {kind.name}. Choose another folder, or pass --overwrite to replace the "
                f"{kind.name} in it or --resume to go on with it."
            )
        if not (begun and resume):
            _remove_own(folder, kind)
        for parent in _folders(folder, kind):
            remove_temporaries(parent)
        write_json(folder / MARKER, {"kind": kind.name, "version": _VERSION})
        yield folder


@contextlib.contextmanager
def open_run(folder, config, overwrite=False, resume=False):
    """Hold the lock of a run's folder and write its `config.json`, or find an interrupted run there to resume.

    Args:
        folder: The folder.
        config: What the run is made from, as it goes into `config.json`.
        overwrite: Replace a run in it.
        resume: Go on with the run in it; a new one is begun where there is none.

    Yields:
        `pathlib.Path` of the folder. It holds `metrics.json` only if the run in it is finished.

    Raises:
        FileExistsError, FolderInUseError: As for `open_folder`.
        ValueError: The interrupted run was made from something else; the message says what differs.
    """
    with open_folder(folder, RUN, overwrite, resume) as folder:
        if (folder / "config.json").exists():
            _check_same(folder, config)
        else:
            write_json(folder / "config.json", config)
        yield folder


def _check_ours(folder, kind):
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file. Choose a folder for the {kind.name}.")
    if all(path.name == LOCK for path in folder.iterdir()):
        return
    found = _kind_of(folder)
    if found is None:
        raise FileExistsError(
            f"{folder} is not empty and is no {kind.name} (it has no {MARKER} of one), so it is not touched. Choose "
            "another folder."
        )
    if found != kind.name:
        raise FileExistsError(f"{folder} holds a {found}, so no {kind.name} is written to it. Choose another folder.")


def _kind_of(folder):
    """The name in a folder's marker; None where it has none."""
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove_own(folder, kind):
    for pattern in kind.runs:
        for run in folder.glob(pattern):
            if _is_inside(run, folder) and _kind_of(run) == RUN.name:
                _remove_own(run, RUN)
                if [path.name for path in run.iterdir()] == [MARKER]:
                    (run / MARKER).unlink()
                    _remove_empty(run, folder)
    for pattern in _patterns(folder, kind):
        for path in folder.glob(pattern):
            if _is_inside(path, folder) and path.is_file():
                path.unlink()
                _remove_empty(path.parent, folder)


def _patterns(folder, kind):
    try:
        schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
        tasks = [glob.escape(task["name"]) for task in schema["tasks"]]
    except (OSError, ValueError, KeyError, TypeError):
        tasks = []
    for pattern in kind.files:
        yield from [pattern.replace("{task}", task) for task in tasks] if "{task}" in pattern else [pattern]


def _folders(folder, kind):
    """The folders that a kind writes files to, the runs in it aside."""
    parents = {str(Path(pattern).parent) for pattern in kind.files} - {"."}
    found = [path for parent in parents for path in folder.glob(parent)]
    return [folder, *(path for path in found if _is_inside(path, folder) and path.is_dir())]


def _is_inside(path, folder):
    """Whether no part of a path below the folder is a link, which may lead anywhere."""
    below = path.relative_to(folder)
    return not any((folder / part).is_symlink() for part in (below, *list(below.parents)[:-1]))


def _remove_empty(path, folder):
    """Remove a folder below `folder`, and those above it, as far as they are empty."""
    while path != folder:
        try:
            path.rmdir()
        except OSError:
            return
        path = path.parent


def remove_checkpoints(folder):
    """Delete a finished training's checkpoints."""
    for name in ("last.npz", "epochs.txt"):
        (folder / "checkpoints" / name).unlink(missing_ok=True)
    _remove_empty(folder / "checkpoints", folder)


def _check_same(folder, config):
    before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # Not every kind of run is made from all of these.
    now = {**dict.fromkeys(SAME), **json.loads(json.dumps(config, default=str))}
    differ = []
    for key in SAME:
        if before.get(key) == now[key]:
            continue
        if key == "data":
            differ.append("the data (other rows, labels, splits, images or settings of reading them)")
        elif isinstance(now[key], dict) and isinstance(before.get(key), dict):
            names = sorted(n for n in {*now[key], *before[key]} if before[key].get(n) != now[key].get(n))
            differ += [f"{n} (then {before[key].get(n)!r}, now {now[key].get(n)!r})" for n in names]
        else:
            differ.append(f"{key} (then {before.get(key)!r}, now {now[key]!r})")
    if differ:
        raise ValueError(
            f"{folder} cannot be resumed, because this differs from the interrupted run: {'; '.join(differ)}. Pass "
            "the same as then, or --overwrite to start again."
        )
