"""The folder of a run while it is made: new, gone on with, or finished."""

import json
import os
import shutil
from pathlib import Path

# What must be the same for an interrupted run to go on, and how a user knows it.
SAME = ("model", "changes", "recipe", "baselines", "init_from", "lora", "lora_budget", "teacher")
SAME += ("type_column", "data")


def open_folder(out, config, overwrite=False, resume=False):
    """Make a run's folder and write its `config.json`, or find an interrupted run there to go on with.

    Args:
        out: The folder.
        config: What the run is made from, as it goes into `config.json`.
        overwrite: Replace a folder that holds a run.
        resume: Go on with the run in the folder; a new one is begun where there is none.

    Returns:
        Path: the folder. It holds `metrics.json` only if the run in it is finished.

    Raises:
        FileExistsError: the folder is in use and neither `overwrite` nor `resume` is given, or it is no run.
        ValueError: the interrupted run was made from something else; the message says what differs.
    """
    if overwrite and resume:
        raise ValueError("A run is either replaced (overwrite) or gone on with (resume), not both.")
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        if not (out / "config.json").exists():
            raise FileExistsError(f"{out} exists and is no run, so it is not touched. Choose another folder.")
        # A run that failed before its first checkpoint holds nothing.
        untouched = not (out / "checkpoints").exists() and not (out / "model.keras").exists()
        if resume and not untouched:
            _check_same(out, config)
            for left in out.rglob(".*.tmp-*"):
                left.unlink()
            return out
        if not (overwrite or untouched):
            raise FileExistsError(
                f"{out} exists and is not empty. Choose another folder, or pass --overwrite to replace the run in it "
                "or --resume to go on with it."
            )
        shutil.rmtree(out)
    (out / "figures").mkdir(parents=True)
    write_json(out / "config.json", config)
    return out


def write_json(path, content):
    """Write a JSON file under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_same(out, config):
    before = json.loads((out / "config.json").read_text(encoding="utf-8"))
    # Not every kind of run is made from all of these.
    now = {**dict.fromkeys(SAME), **json.loads(json.dumps(config, default=str))}
    differ = []
    for key in SAME:
        if before.get(key) == now[key]:
            continue
        if key == "data":
            differ.append("the data (other rows, labels, splits, pictures or settings of reading them)")
        elif isinstance(now[key], dict) and isinstance(before.get(key), dict):
            names = sorted(n for n in {*now[key], *before[key]} if before[key].get(n) != now[key].get(n))
            differ += [f"{n} (then {before[key].get(n)!r}, now {now[key].get(n)!r})" for n in names]
        else:
            differ.append(f"{key} (then {before.get(key)!r}, now {now[key]!r})")
    if differ:
        raise ValueError(
            f"{out} cannot be resumed, because this differs from the interrupted run: {'; '.join(differ)}. Pass the "
            "same as then, or --overwrite to start anew."
        )
