"""Pictures and labels as NumPy arrays in one `.npz` file -> a table."""

import io
import re
import zipfile

import numpy as np
import pandas as pd
from PIL import Image

from kerasfusion.data.errors import DataError

# `x_train` or `train_images`: the split is in the array's name.
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_SPLIT_NAME = re.compile(rf"(?:(?P<first>{'|'.join(_SPLITS)})_(?P<a>.+)|(?P<b>.+)_(?P<last>{'|'.join(_SPLITS)}))")


def read_arrays(path):
    """Read an `.npz` file as a table: a column for each array, a row for each entry of its first axis.

    Pictures, uint8 `(n, H, W, 3)` or grey `(n, H, W)` or `(n, H, W, 1)`, become PNG bytes; zeros and ones `(n, C)`
    become lists of the numbers of the ones (tags). Arrays of several splits, named `x_train` or `train_x`, become one
    column `x`, with a column `split` beside it. Arrays of Python objects are refused: to read them is to run them.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        pandas.DataFrame

    Raises:
        DataError: The file is broken, or an array is of objects, of another length or of another shape.
    """
    try:
        # Opened here: of a broken file, np.load leaves its own open.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: _array(path, file, name) for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} cannot be read as npz: {error}") from None
    if not arrays:
        raise DataError(f"{path.name} holds no arrays.")
    found = {name: _SPLIT_NAME.fullmatch(name) for name in arrays}
    if not all(found.values()):
        return _frame(path, arrays)
    splits = {}
    for name, match in found.items():
        split = _SPLITS[match["first"] or match["last"]]
        splits.setdefault(split, {})[match["a"] or match["b"]] = arrays[name]
    names = {split: sorted(columns) for split, columns in splits.items()}
    if len({tuple(columns) for columns in names.values()}) > 1:
        raise DataError(f"{path.name}: every split needs the same arrays; it has {names}.")
    return pd.concat(
        [_frame(path, columns).assign(split=split) for split, columns in splits.items()], ignore_index=True
    )


def _array(path, file, name):
    try:
        return file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path.name}, array {name!r}: it holds Python objects, which are not read because that would run code "
            "of the file. Save it as numbers or strings (array.astype(str))."
        ) from None


def _frame(path, arrays):
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path.name}: every array needs one entry a row, but their lengths are {lengths}.")
    return pd.DataFrame({name: _cells(path, name, array) for name, array in arrays.items()})


def _cells(path, name, array):
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return array.astype(object) if array.dtype.kind in "US" else array
    if array.ndim == 2 and np.isin(array, (0, 1)).all():
        return [[str(place) for place in np.flatnonzero(row)] for row in array]
    if array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))):
        return [_png(picture) for picture in array]
    raise DataError(
        f"{path.name}, array {name!r}: {array.dtype} {array.shape} is neither pictures (uint8 (n, H, W, 3), 0..255) "
        "nor one value a row nor tags (zeros and ones (n, C))."
    )


def _png(picture):
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture).save(file, "PNG", compress_level=1)
    return file.getvalue()
