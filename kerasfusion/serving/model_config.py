"""Which models and which of their versions to serve: `models.config`, or the folders themselves."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from google.protobuf import text_format

from kerasfusion.serving import protos
from kerasfusion.serving.errors import NOT_FOUND, ServingError

MODELS_FILE = "models.config"
BATCHING_FILE = "batching_parameters.txt"
MONITORING_FILE = "monitoring.config"
# Where the docker line mounts the folder of models.
CONTAINER_FOLDER = PurePosixPath("/models")
_METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Args:
        name: Name in requests.
        base_path: Folder of its versions.
        latest: Serve so many of the highest versions; `None` for all of them.
        specific: Serve exactly these versions; `None` lets `latest` decide.
        labels: Label -> version, such as `{"stable": 3}`.

    Example:
    >>> ModelConfig("pets", Path("saved_models/pets"), latest=2).wanted([1, 2, 10])
    [2, 10]
    """

    name: str
    base_path: Path
    latest: int | None = 1
    specific: tuple | None = None
    labels: dict = field(default_factory=dict)

    def wanted(self, versions):
        """Those of the versions on disk that should be served, in rising order."""
        versions = sorted(versions)
        if self.specific is not None:
            return [version for version in versions if version in self.specific]
        return versions if self.latest is None else versions[-self.latest :]


def versions_in(base_path):
    """Finds the complete versions of a model.

    A version that is still being written is none: folders whose name is not a number (an export is written under
    a temporary name and renamed), and numbered ones without `saved_model.pb`.

    Args:
        base_path: Folder of the model.

    Returns:
        Version number -> its folder.
    """
    base_path = Path(base_path)
    if not base_path.is_dir():
        return {}
    return {
        int(folder.name): folder
        for folder in base_path.iterdir()
        if folder.name.isascii() and folder.name.isdigit() and (folder / "saved_model.pb").is_file()
    }


def read_models(folder):
    """Says which models a folder holds.

    Args:
        folder: A folder with `models.config`; or the folder of one model, with numbered versions; or a folder of such
            folders, of each of which the highest version is served (TF Serving's own default).

    Returns:
        List of `ModelConfig`, empty where there is no version.

    Raises:
        ServingError: There is no such folder, or `models.config` is not one that TF Serving would take.

    Example:
    ```python
    [model.name for model in read_models("saved_models")]  # ["shapes_vqa"]
    ```
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ServingError(f"{folder} is not a folder.", NOT_FOUND)
    if (folder / MODELS_FILE).is_file():
        config = read_text_proto(folder / MODELS_FILE, protos.ModelServerConfig())
        return [_model(folder, model) for model in config.model_config_list.config]
    if versions_in(folder):
        return [ModelConfig(folder.resolve().name, folder)]
    return [ModelConfig(model.name, model) for model in model_folders(folder)]


def model_folders(folder):
    """The folders below one that hold at least one complete version, by name; hidden ones are none."""
    return [path for path in sorted(Path(folder).iterdir()) if path.name[0] != "." and versions_in(path)]


def metrics_path(folder):
    """The address of the Prometheus page, as `monitoring.config` in the folder has it; `None` where it is off."""
    file = Path(folder) / MONITORING_FILE
    if not file.is_file():
        return None
    config = read_text_proto(file, protos.MonitoringConfig()).prometheus_config
    return (config.path or _METRICS_PATH) if config.enable else None


def read_text_proto(file, message):
    """Reads a protobuf message from its text form.

    Args:
        file: The file.
        message: The message to fill.

    Returns:
        The message.

    Raises:
        ServingError: The file cannot be read or does not say what the message can hold; file, line and column are
            named.
    """
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), message)
    except text_format.ParseError as error:
        raise ServingError(f"{file}:{error}") from None
    except UnicodeDecodeError as error:
        raise ServingError(f"{file} is not UTF-8 text ({error}); save it as UTF-8.") from None
    except OSError as error:
        raise ServingError(f"{file} cannot be read: {error.strerror}.") from None


def _model(folder, config):
    where = f"{folder / MODELS_FILE}: model {config.name!r}"
    if not config.name or config.model_platform != "tensorflow":
        raise ServingError(f"{where} needs a `name` and `model_platform: 'tensorflow'`.")
    path = PurePosixPath(config.base_path)
    if not path.is_absolute():
        raise ServingError(f"{where}: expected an absolute path; got base_path={config.base_path!r}.")
    # The file is written for the container, where the folder that holds it is mounted at /models.
    inside = path.is_relative_to(CONTAINER_FOLDER)
    base_path = folder / path.relative_to(CONTAINER_FOLDER) if inside else Path(path)
    policy = config.model_version_policy
    chosen = [name for name in ("latest", "all", "specific") if policy.HasField(name)]
    if len(chosen) > 1:
        raise ServingError(f"{where}: model_version_policy can be only one of {', '.join(chosen)}.")
    return ModelConfig(
        config.name,
        base_path,
        latest=None if policy.HasField("all") else max(policy.latest.num_versions, 1),
        specific=tuple(policy.specific.versions) if policy.HasField("specific") else None,
        labels=dict(config.version_labels),
    )
