"""Presets: folders with a trained model, found by name and checked before they are used.

A preset is the folder of a run, or the part of one that predicts and exports: `model.keras`, `schema.json`,
`config.json`, `metrics.json`, `reference_inputs.npz`, `example.json` (a row to try it with), and `preset.json`, which
describes it and holds the SHA-256 of every other file.
"""

import collections
import difflib
import fnmatch
import hashlib
import json
import re
from pathlib import Path

from kerasfusion.files import write_json

FILE = "preset.json"
FORMAT = 1
# The files of a preset, `preset.json` aside. Those that a preset may lack come last.
REQUIRED = ("model.keras", "schema.json", "config.json", "metrics.json")
EXAMPLE = "example.json"
FILES = (*REQUIRED, "reference_inputs.npz", EXAMPLE)
FOLDER = Path(__file__).parent / "zoo" / "presets"
_DIGEST = re.compile("[0-9a-f]{64}")


def list_presets(pattern: str = "*") -> list[str]:
    """Names of the presets that come with the package and match a shell pattern, sorted.

    Args:
        pattern: A shell pattern such as `"*vqa*"`.

    Returns:
        list of str

    Example:

    >>> "shapes_vqa" in kf.list_presets("*vqa*")
    True
    """
    return sorted(fnmatch.filter((path.parent.name for path in FOLDER.glob(f"*/{FILE}")), pattern))


def presets_by_model() -> dict[str, list[str]]:
    """The presets that come with the package, by the model of the zoo that they hold weights of.

    Returns:
        collections.defaultdict: name of a model -> list of names of presets, sorted.
    """
    found = collections.defaultdict(list)
    for name in list_presets():
        found[read_preset(FOLDER / name)["model"]].append(name)
    return found


def find_preset(name: str | Path) -> Path:
    """The folder of a preset: one that comes with the package, by its name, or any other by its path.

    A folder of that name wins over a preset.

    Args:
        name: A name from `list_presets()`, or the path of a preset or of a run.

    Returns:
        pathlib.Path

    Raises:
        ValueError: There is no such preset; the message has the nearest names.
    """
    path = Path(name)
    # What has a folder in it is a path, there or not: `kf.load` says what it lacks.
    if _is_folder(path) or len(path.parts) > 1:
        return path
    known = list_presets()
    if str(name) in known:
        return FOLDER / str(name)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"There are {', '.join(known)}."
    raise ValueError(f"{str(name)!r} holds no trained model, and there is no preset of that name. {hint}")


def _is_folder(path):
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # Parts that are too long, or hold a null byte.
        return False


def read_preset(folder: str | Path) -> dict:
    """The description of a preset, from its `preset.json`; empty for the folder of a run, which has none.

    Args:
        folder: The folder.

    Returns:
        dict with `name`, `summary`, `model` (a name in the zoo, or None), `tasks` (name -> type), `inputs` (column ->
        kind), `data`, `license`, `metrics` (a list of dicts with `metric`, `value` and, where known, `low`, `high`,
        `n`), `command`, `kerasfusion` and `keras` (versions), and `files` (name -> `sha256` and `bytes`).

    Raises:
        ValueError: The file is damaged, or was written by a newer version of kerasfusion.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return {}
    return parse_preset(path.read_bytes(), path)


def parse_preset(content: bytes, source) -> dict:
    """Check the bytes of a `preset.json` and return its description; see `read_preset`.

    Args:
        content: The bytes.
        source: Its path or address, for messages.

    Raises:
        ValueError: It is damaged, lists other files than a preset has, or is of a newer format.
    """
    try:
        found = json.loads(content.decode("utf-8"))
        # Before all else: a newer format may look different.
        number = found["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{source} describes no preset ({type(error).__name__}: {error}).") from error
    if not isinstance(number, int) or number > FORMAT:
        raise ValueError(
            f"{source} is of format {number!r}, of kerasfusion {found.get('kerasfusion')}; this version reads format "
            f"{FORMAT} and older. Install a newer one: pip install -U kerasfusion."
        )
    files = found.get("files")
    if not isinstance(files, dict) or not set(REQUIRED) <= set(files) <= set(FILES):
        raise ValueError(
            f"{source} must list {', '.join(REQUIRED)} under `files`, and nothing but {', '.join(FILES)}."
        )
    for name, file in files.items():
        if not isinstance(file, dict) or not _DIGEST.fullmatch(str(file.get("sha256"))):
            raise ValueError(f"{source}: {name} has no SHA-256 of 64 hexadecimal digits.")
    return found


def write_preset(folder: str | Path, description: dict) -> None:
    """Write `preset.json` for the files in a folder, with their SHA-256.

    Args:
        folder: The folder, which holds the files of the preset.
        description: What `read_preset` returns, without `format` and `files`.
    """
    folder = Path(folder)
    files = {
        name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in FILES
        if (folder / name).is_file()
    }
    write_json(folder / FILE, {"format": FORMAT, **description, "files": files})


def check_files(folder: str | Path) -> None:
    """Check that the files of a preset are those that its `preset.json` lists; a run's folder has no such list.

    Args:
        folder: The folder.

    Raises:
        ValueError: A file is missing or has another SHA-256. The message names it.
    """
    folder = Path(folder)
    for name, file in read_preset(folder).get("files", {}).items():
        path = folder / name
        if not path.is_file():
            raise ValueError(
                f"{path} is missing, which {FILE} beside it lists. Copy the preset again from its source."
            )
        found = sha256(path)
        if found != file["sha256"]:
            raise ValueError(
                f"{path} is not the file that {FILE} beside it lists: its SHA-256 is {found}, not {file['sha256']}. "
                "Copy the preset again from its source."
            )


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
