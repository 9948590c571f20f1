"""The files that whoever runs TF Serving hands to it, written for a folder of models."""

from pathlib import Path

from kerasfusion.files import write_text
from kerasfusion.serving.errors import NOT_FOUND, ServingError
from kerasfusion.serving.model_config import (
    BATCHING_FILE,
    CONTAINER_FOLDER,
    MODELS_FILE,
    MONITORING_FILE,
    model_folders,
    versions_in,
)

_MODELS = """\
# What TensorFlow Serving serves (--model_config_file). {folder} is where the docker line mounts this folder.
# Every version on disk is served; requests that name none get the highest. `stable` stays where it is until its
# number here is changed, so a new version can be tried by its number first. Remove a version's folder to unload it.
model_config_list {{
{models}}}
"""
_MODEL = """\
  config {{
    name: '{name}'
    base_path: '{folder}/{name}'
    model_platform: 'tensorflow'
    model_version_policy {{ all {{}} }}
    version_labels {{ key: 'stable' value: {stable} }}
  }}
"""
_BATCHING = """\
# Batching between requests (--enable_batching --batching_parameters_file). Values to start from, not measured: set
# num_batch_threads to the number of cores, and raise batch_timeout_micros for throughput at the price of latency.
max_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 4 }
"""
_MONITORING = """\
# Request counts and latencies for Prometheus (--monitoring_config_file), on the REST port.
prometheus_config {
  enable: true
  path: '/monitoring/prometheus/metrics'
}
"""


def write_serving_config(folder, overwrite=False):
    """Writes `models.config`, `batching_parameters.txt` and `monitoring.config` for a folder of models.

    The label `stable` of every model is set to its highest version. Files that exist are kept, because somebody may
    have edited them: that is an error unless they say the same, and then none is written.

    Args:
        folder: Folder of models, `<folder>/<name>/<version>/`.
        overwrite: Replace files that exist; every `stable` is set to the highest version again.

    Returns:
        List of the paths of the three files.

    Raises:
        ServingError: The folder holds no model.
        FileExistsError: A file is there and differs.

    Example:
    ```python
    kf.serving.write_serving_config("saved_models")
    ```
    """
    folder = Path(folder)
    models = model_folders(folder) if folder.is_dir() else []
    if not models:
        raise ServingError(f"{folder} holds no model: no <name>/<version>/saved_model.pb.", NOT_FOUND)
    entries = [
        _MODEL.format(folder=CONTAINER_FOLDER, name=model.name, stable=max(versions_in(model))) for model in models
    ]
    contents = {
        folder / MODELS_FILE: _MODELS.format(folder=CONTAINER_FOLDER, models="".join(entries)),
        folder / BATCHING_FILE: _BATCHING,
        folder / MONITORING_FILE: _MONITORING,
    }
    different = [
        path.name for path, text in contents.items() if path.exists() and path.read_text(encoding="utf-8") != text
    ]
    if different and not overwrite:
        raise FileExistsError(
            f"{folder}: {', '.join(different)} would change and may have been edited by hand; nothing was written. "
            "Edit it yourself, or let it be replaced by --overwrite."
        )
    for path, text in contents.items():
        write_text(path, text)
    return list(contents)
