"""Weights in a file of PyTorch before 1.6, read without PyTorch and without running anything that the file names."""

import collections
import pickle
from pathlib import Path

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_torch_file(path):
    """Read the tensors of a legacy (pre-zip) `.pth` file.

    Args:
        path: Path of a file written by `torch.save(model.state_dict(), path)`, little-endian.

    Returns:
        dict name -> array, float32 or int64.

    Raises:
        ValueError: another format, a truncated file, or a file that holds anything but plain tensors.
    """
    try:
        with Path(path).open("rb") as file:
            header = [_Unpickler(file).load() for _ in range(3)]
            if header[:2] != [MAGIC, PROTOCOL] or not header[2].get("little_endian"):
                raise ValueError("its header is another one")
            unpickler = _Unpickler(file)
            tensors = unpickler.load()
            for key in _Unpickler(file).load():
                _fill(unpickler.storages[key], file)
        return {name: tensor.array() for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is no legacy file of PyTorch tensors: {error}.") from error


class _Storage:
    """Numbers that tensors are views of; read after the pickle that names them."""

    def __init__(self, dtype, size):
        self.dtype, self.size, self.values = dtype, size, None


class _Tensor:
    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def array(self):
        last = self.offset + sum(
            (length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)
        )
        values, positive = self.storage.values, min((self.offset, *self.shape, *self.strides)) >= 0
        if not positive or last >= len(values):
            raise ValueError(f"a tensor of shape {self.shape} and strides {self.strides} exceeds its storage")
        strides = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides).copy()


_NAMES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    **{("torch", name): name for name in DTYPES},
}


class _Unpickler(pickle.Unpickler):
    """Knows three names. Any other, which might run code, is an error."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _NAMES[module, name]

    def persistent_load(self, found):
        kind, name, key, _, size, view = found
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"it has a {kind} that is no plain storage")
        if key not in self.storages:
            self.storages[key] = _Storage(DTYPES[name], size)
        return self.storages[key]


def _fill(storage, file):
    """Read a storage: the number of its values, 8 bytes, and the values."""
    size = int.from_bytes(file.read(8), "little")
    if size != storage.size:
        raise ValueError(f"a storage of {storage.size} values has {size}")
    read = file.read(size * storage.dtype.itemsize)
    if len(read) != size * storage.dtype.itemsize:
        raise ValueError("it is truncated")
    storage.values = np.frombuffer(read, storage.dtype)
