"""Read a `.keras` file from elsewhere: what it may name is checked before Keras builds anything."""

import json
import re
import zipfile
from pathlib import Path

import keras

# What the objects of a saved model are from. "builtins" stands for Keras's own functions, "None" for its values.
PACKAGES = {"None", "builtins", "keras", "keras_hub", "kerasfusion"}
# Layers that run a program which comes with the file.
PROGRAMS = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper", "__lambda__"}
# What Keras writes for values that are no objects of a class.
VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
MEMBERS = re.compile(r"metadata\.json|config\.json|model\.weights\.h5|model\.weights\.json|assets(/[\w.-]+)*/?")
MAX_CONFIG_BYTES = 64 * 2**20
# Keras does not compress; a file that somebody packed again is smaller, but not by this much.
MAX_RATIO = 100


def check_model_file(path):
    """Check that a `.keras` file holds layers of Keras, KerasHub and this package, and nothing else.

    Keras's safe mode refuses most other layers too. A program in a model file would run with the reader's rights, so
    that is not left to one version of Keras.

    Args:
        path: The file.

    Raises:
        ValueError: It is no `.keras` file, unpacks to far more than its size, or names a layer that runs a program or
            comes from another package. The message names the file and the layer.
    """
    path = Path(path)
    _check_objects(_read_config(path), path)


def load_model(path):
    """Load a `.keras` file in Keras's safe mode after `check_model_file`; what either raises."""
    check_model_file(path)
    return keras.saving.load_model(path)


def _read_config(path):
    """Parse the `config.json` of a `.keras` file, whose members are checked by name and size."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            for name in members:
                if not MEMBERS.fullmatch(name) or ".." in name:
                    raise ValueError(f"{path} has the member {name!r}, which a .keras file does not have.")
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_RATIO * path.stat().st_size or members["config.json"].file_size > MAX_CONFIG_BYTES:
                raise ValueError(f"{path} would unpack to {size:,} bytes, too many for a model of its size.")
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RecursionError, UnicodeDecodeError) as error:
        detail = str(error) or type(error).__name__
        raise ValueError(f"{path} is no complete .keras file ({detail}). Copy it again from its source.") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: its config.json is no JSON ({error}). Copy it again from its source.") from error


def _check_objects(config, path):
    """Refuse objects by their class, function and module, at any depth."""
    todo = [config]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            # Both, as Keras has it: a task may be called "class_name".
            if "class_name" in node and "config" in node:
                _check_object(node, path)
            todo += node.values()


def _check_object(node, path):
    name, module = node["class_name"], str(node.get("module"))
    package = module.split(".")[0]
    if name == "function":
        # Functions of Keras's API may load files; those that layers are made with are in one module.
        name = node["config"]
        fits = package != "keras" or module == "keras.activations"
    else:
        fits = name in VALUES if str(name).startswith("__") else str(name)[:1].isupper()
    name = str(name)
    if name in PROGRAMS:
        raise ValueError(
            f"{path} has a {name!r}, which runs a program that comes with the file. Models with such layers are not "
            "loaded."
        )
    packages = {package, *str(node.get("registered_name")).split(">")[:-1]}
    if not fits or not packages <= PACKAGES:
        raise ValueError(
            f"{path} has an object {name[:80]!r} of the module {module[:80]!r}. A run's model consists of layers of "
            "Keras, KerasHub and kerasfusion; a model with other code is not loaded."
        )
