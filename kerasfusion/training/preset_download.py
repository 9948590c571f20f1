"""Download presets, each file checked by its SHA-256."""

import os
import re
from pathlib import Path

import keras

from kerasfusion.files import temporary_folder
from kerasfusion.presets import FILE, FILES, parse_preset

REMOTE = ("hf://", "https://", "http://")
_DIGEST = re.compile("sha256=([0-9a-fA-F]{64})")
_HUGGING_FACE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")


def download(address, cache_dir=None):
    """Download a preset, unless it was downloaded before.

    Args:
        address: `https://…#sha256=DIGEST` or `hf://owner/repository[@revision]`.
        cache_dir: Folder for downloaded presets; None means `presets` in Keras's home.

    Returns:
        pathlib.Path: its folder.

    Raises:
        ImportError: `hf://` without the extra `[huggingface]`.
        OSError: The address cannot be reached.
        ValueError: An address without a digest, or a file with another one.
    """
    cache_dir = Path(cache_dir or Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "presets")
    if address.startswith("hf://"):
        return _hugging_face(address, cache_dir)
    base, _, fragment = address.partition("#")
    digest = _DIGEST.fullmatch(fragment)
    if digest is None:
        raise ValueError(
            f"{address} names no SHA-256. Add that of its {FILE}, as its publisher gives it: "
            f"{base}#sha256=…  (sha256sum {FILE} prints it)."
        )
    folder = cache_dir / digest[1].lower()
    if folder.is_dir():
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    with temporary_folder(cache_dir) as temporary:
        path = _fetch(base, FILE, digest[1], temporary)
        for name, file in parse_preset(path.read_bytes(), f"{base}/{FILE}")["files"].items():
            _fetch(base, name, file["sha256"], temporary)
        temporary.rename(folder)
    return folder


def _fetch(base, name, digest, folder):
    """Download one file of a preset into a folder and check it."""
    origin = f"{base.rstrip('/')}/{name}"
    try:
        path = keras.utils.get_file(
            name, origin, file_hash=digest.lower(), hash_algorithm="sha256", cache_dir=str(folder), cache_subdir="."
        )
    except ValueError as error:
        raise ValueError(
            f"{origin} has another SHA-256 than {digest.lower()}, so nothing was kept. Ask the "
            "publisher of the preset for its digest."
        ) from error
    except Exception as error:
        # Keras raises plain exceptions for HTTP and network errors.
        raise OSError(f"{origin} cannot be downloaded: {error}") from error
    return Path(path)


def _hugging_face(address, cache_dir):
    found = _HUGGING_FACE.fullmatch(address)
    if found is None:
        raise ValueError(f"{address} is no address of a repository: hf://owner/repository or …@revision.")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{address} needs the extra [huggingface]: pip install 'kerasfusion[huggingface]'."
        ) from error
    repository, revision = found.groups()
    return Path(snapshot_download(repository, revision=revision, allow_patterns=[FILE, *FILES], cache_dir=cache_dir))
