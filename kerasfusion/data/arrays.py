"""Images and labels as NumPy arrays in one `.npz` file -> a table."""

import math
import re
import tokenize
import zipfile
import zlib

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, short
from kerasfusion.data.pixel_bytes import pack_pixels

# `x_train` or `train_images`: the split is in the array's name.
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_SPLIT_NAME = re.compile(rf"(?:(?P<first>{'|'.join(_SPLITS)})_(?P<a>.+)|(?P<b>.+)_(?P<last>{'|'.join(_SPLITS)}))")
# What the arrays of a file of any size may unpack to; beyond, no more than so many times its size: a few megabytes
# can unpack to gigabytes of zeros.
MOST_UNPACKED = 2 * 1024**3
MOST_TIMES = 4
# What zipfile raises on a broken archive: cut off, damaged, encrypted, or packed in a way that it does not know.
_BROKEN_ARCHIVE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
# What NumPy's reader raises on a broken header, which it reads as a Python literal.
_BROKEN_HEADER = (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError, tokenize.TokenError)


def read_arrays(path):
    """Read an `.npz` file as a table: a column for each array, a row for each entry of its first axis.

    Images, uint8 `(n, H, W, 3)` or grey `(n, H, W)` or `(n, H, W, 1)`, become cells of `pack_pixels`; zeros and ones
    `(n, C)` become lists of the numbers of the ones (tags). Arrays of several splits, named `x_train` or `train_x`,
    become one column `x`, with a column `split` beside it. Arrays of Python objects are refused: to read them is to
    run them. What an array's header claims is compared with the file before anything is unpacked.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        pandas.DataFrame

    Raises:
        DataError: The file is broken, unpacks to over 2 GiB and four times its size, or an array is of objects, of
            another length or of another shape.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_unpacking(path, archive)
            arrays = _read_all(path, archive)
    except DataError:
        raise
    except _BROKEN_ARCHIVE as error:
        raise DataError(
            f"{path.name} cannot be read as npz: {short(str(error))}. It may be cut off or damaged: write it again "
            "with numpy.savez."
        ) from None
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


def _refuse_unpacking(path, archive):
    """Raise a `DataError` if the file is small and its arrays are many gigabytes."""
    size, packed = sum(member.file_size for member in archive.infolist()), path.stat().st_size
    if size > max(MOST_UNPACKED, MOST_TIMES * packed):
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        raise DataError(
            f"{path.name}: {packed / 1e6:,.1f} MB that unpack to {size / 1e9:,.1f} GB are not read; the largest is "
            f"array {_name(largest)!r}, {largest.file_size / 1e9:,.1f} GB. Save fewer rows or smaller images, or "
            "the images as files beside a table of their paths."
        )


def _read_all(path, archive):
    arrays = {}
    for member in archive.infolist():
        name = _name(member)
        if not member.filename.endswith(".npy"):
            raise DataError(f"{path.name} holds {member.filename!r}, which is no array (.npy). Take it out.")
        if name in arrays:
            raise DataError(f"{path.name} holds two arrays of the name {name!r}. Give each its own name.")
        with archive.open(member) as file:
            try:
                dtype, room = _read_header(file, member)
            except _BROKEN_HEADER as error:
                raise DataError(
                    f"{path.name}, array {name!r}: its header cannot be read ({short(str(error))}). Write it again "
                    "with numpy.savez."
                ) from None
            _check_type(path, name, dtype)
            if room < 0:
                raise DataError(
                    f"{path.name}, array {name!r}: its header claims {-room:,} bytes more than the file holds. It is "
                    "cut off or damaged: write it again with numpy.savez."
                )
        with archive.open(member) as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _name(member):
    return member.filename.removesuffix(".npy")


def _read_header(file, member):
    """The type of an array, and how many bytes its file has more than it needs."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"format {version[0]}.{version[1]} instead of 1.0 or 2.0")
    shape, _, dtype = readers[version](file)
    if any(type(side) is not int or not 0 <= side < 2**31 for side in shape) or len(shape) > 8:
        raise ValueError(f"shape {short(shape)}")
    if not dtype.itemsize:
        raise ValueError("values of 0 bytes")
    return dtype, member.file_size - file.tell() - math.prod(shape) * dtype.itemsize


def _check_type(path, name, dtype):
    if dtype.hasobject:
        raise DataError(
            f"{path.name}, array {name!r}: it holds Python objects, which are not read because that would run code "
            "of the file. Save it as numbers or strings (array.astype(str))."
        )
    if dtype.kind not in "biufUSmM":
        raise DataError(
            f"{path.name}, array {name!r}: values of type {short(str(dtype))} make no column. Save it as numbers or "
            "strings, each field of a record as an array of its own."
        )


def _frame(path, arrays):
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path.name}: every array needs one entry a row, but their lengths are {lengths}.")
    return pd.DataFrame({name: _cells(path, name, array) for name, array in arrays.items()})


def _cells(path, name, array):
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        # pandas takes numbers in the machine's own order of bytes.
        return array.astype(object) if array.dtype.kind in "US" else array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 2 and array.dtype.kind in "biuf" and np.isin(array, (0, 1)).all():
        return [[str(place) for place in np.flatnonzero(row)] for row in array]
    is_image = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
    if array.dtype == np.uint8 and is_image and array.size:
        return [pack_pixels(image) for image in array]
    raise DataError(
        f"{path.name}, array {name!r}: {array.dtype} {array.shape} is neither images (uint8 (n, H, W, 3), 0..255) "
        "nor one value a row nor tags (zeros and ones (n, C))."
    )
