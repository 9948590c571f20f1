"""TFDS sets, and those that the package makes, as a table: one row per text, images as encoded bytes."""

import importlib
import importlib.util
import os

import numpy as np
import pandas as pd

from kerasfusion.data.column_roles import SPLITS
from kerasfusion.data.errors import DataError, nearest
from kerasfusion.feature_kinds import FEATURE_KINDS

# Name of a set that the package makes -> the module that has its `prepare`.
OWN = {"shapes": "kerasfusion.data.shapes_world", "sort_of_clevr": "kerasfusion.data.sort_of_clevr"}
_OWN_ROLES = {
    "image": "image",
    "text": "questions/question",
    "label": "questions/answer",
    "slice_by": "questions/type",
}


def is_tfds(source):
    """Whether a source names a set of the package (`shapes`, `sort_of_clevr:quick`) or a TFDS set (`tfds:name`)."""
    return isinstance(source, str) and (source.split(":")[0] in (*OWN, "tfds"))


def read_tfds(source, roles):
    """Read all splits of a TFDS set into one frame.

    Args:
        source: `"tfds:clevr"`, `"tfds:name/config:1.0.0"`, `"shapes"`, `"sort_of_clevr"` or, with a config,
            `"shapes:quick"`.
        roles: Role -> path of a feature, `"image"` or `"question_answer/question"`, or several of them. A path
            into a sequence gives one row per element; scalars are repeated. The package's own sets know their roles.

    Returns:
        tuple: the frame, with a `split` column, columns named by the last part of each path; and the roles by
        those names.

    Raises:
        DataError: There is no such set or feature, it has to be downloaded and cannot be, or no image, text or
            label was named.
        ImportError: TFDS, the extra `[tfds]`, is not installed.
    """
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise ImportError(
            f"{source} is read by tensorflow-datasets: pip install 'kerasfusion[tfds]'. Tables need no extra."
        )
    builder = _builder(source)
    if source.split(":")[0] in OWN:
        own = _own_roles(roles["label"])
        roles = {role: value if value is not None else own.get(role) for role, value in roles.items()}
    paths = {role: _as_list(value) for role, value in roles.items() if role != "split" and value}
    if "label" not in paths or paths.keys().isdisjoint(FEATURE_KINDS):
        raise DataError(
            f"{source}: say which features are image, text and label (--image, --text, --label). "
            f"It has {', '.join(_paths(builder.info.features))}."
        )
    wanted = [path for listed in paths.values() for path in listed]
    known = _paths(builder.info.features)
    for path in wanted:
        if path not in known:
            near = nearest(path, known)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise DataError(f"{source}: there is no feature {path!r}; it has {', '.join(known)}.{hint}")
    frames = [
        _read_split(builder, split, wanted).assign(split=SPLITS[split])
        for split in builder.info.splits
        if split in SPLITS
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame.attrs.update(source=source, folder=".")
    if unused := [split for split in builder.info.splits if split not in SPLITS]:
        frame.attrs["notes"] = [f"Not read from {source}: the split(s) {', '.join(unused)}."]
    named = {role: [path.split("/")[-1] for path in listed] for role, listed in paths.items()}
    named["slice_by"] = named["slice_by"][0] if "slice_by" in named else None
    return frame, {**dict.fromkeys(roles), **named, "split": "split"}


def _own_roles(label):
    """What is known of the package's sets; questions go with answers, not with what is said of the whole image."""
    if label is None or any(path.startswith("questions/") for path in _as_list(label)):
        return _OWN_ROLES
    return {"image": _OWN_ROLES["image"]}


def _builder(source):
    kind, _, rest = source.partition(":")
    if kind in OWN:
        return importlib.import_module(OWN[kind]).prepare(rest or "default", data_dir=_data_dir())
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(rest, data_dir=_data_dir())
    except tfds.core.registered.DatasetNotFoundError as error:
        raise DataError(f"{source}: TFDS has no set of that name. {str(error).splitlines()[0]}") from error
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its downloader meets
        raise DataError(f"{source}: could not be downloaded or prepared: {error}") from error
    return builder


def _data_dir():
    """Where sets are kept: `KERASFUSION_DATA`; None leaves it to TFDS (`TFDS_DATA_DIR`, or the home directory)."""
    return os.environ.get("KERASFUSION_DATA")


def _as_list(value):
    return [value] if isinstance(value, str) else list(value)


def _paths(features, prefix=""):
    """Every leaf of a feature tree as `a/b`."""
    inner = getattr(features, "feature", features)  # a Sequence holds a feature
    if hasattr(inner, "items"):
        return [path for name, item in inner.items() for path in _paths(item, f"{prefix}{name}/")]
    return [prefix.rstrip("/")]


def _leaf(features, path):
    for part in path.split("/"):
        features = getattr(features, "feature", features)[part]
    return getattr(features, "feature", features)


def _read_split(builder, split, wanted):
    import tensorflow_datasets as tfds

    leaves = {path: _leaf(builder.info.features, path) for path in wanted}
    decoders = {
        path: tfds.decode.SkipDecoding() for path, leaf in leaves.items() if isinstance(leaf, tfds.features.Image)
    }
    columns = {path: [] for path in wanted}
    lengths = []
    for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)):
        values = {}
        for path in wanted:
            value = example
            for part in path.split("/"):
                value = value[part]
            values[path] = value
        count = max((len(v) for path, v in values.items() if "/" in path), default=1)
        lengths.append(count)
        for path, value in values.items():
            columns[path].append(value)
    table = {}
    for path, values in columns.items():
        if "/" in path:
            flat = np.concatenate([np.asarray(value) for value in values])
        else:
            repeated = np.empty(len(values), object)
            repeated[:] = values
            flat = np.repeat(repeated, lengths)
        table[path.split("/")[-1]] = _readable(flat, leaves[path], path in decoders)
    return pd.DataFrame(table)


def _readable(values, leaf, is_image):
    if is_image:
        return values
    if hasattr(leaf, "int2str"):
        names = np.array(leaf.names, object)
        return names[values.astype(int)]
    if len(values) and isinstance(values[0], bytes):
        return np.array([value.decode("utf-8", "replace") for value in values], object)
    return values
