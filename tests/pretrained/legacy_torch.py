"""Write what `torch.save` wrote before PyTorch 1.6, without PyTorch."""

import collections
import pickle
import sys
import types

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class _Tensor:
    def __init__(self, rebuild, storage, offset, shape, strides):
        self.arguments = rebuild, (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return self.arguments


class _Storage:
    def __init__(self, kind, key, values):
        self.kind, self.key, self.values = kind, key, values


class _Pickler(pickle.Pickler):
    def persistent_id(self, found):
        if isinstance(found, _Storage):
            return ("storage", found.kind, found.key, "cpu", found.values.size, None)
        return None


def save(path, arrays, monkeypatch, magic=MAGIC, more=None, truncate=0, offset=0):
    """Write arrays, float32 and int64, as tensors; those with axes reversed keep their strides."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for module, name in ((torch, "FloatStorage"), (torch, "LongStorage"), (utils, "_rebuild_tensor_v2")):
        setattr(module, name, type(name, (), {"__module__": module.__name__, "__qualname__": name}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    storages, tensors = {}, collections.OrderedDict(more or {})
    for name, array in arrays.items():
        flat = array.T.ravel() if array.flags.f_contiguous else array.ravel()
        kind = torch.LongStorage if array.dtype == np.int64 else torch.FloatStorage
        storages[name] = _Storage(kind, name, flat)
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tensors[name] = _Tensor(utils._rebuild_tensor_v2, storages[name], offset, array.shape, strides)
    with open(path, "wb") as file:
        for part in (magic, PROTOCOL, SYSTEM):
            pickle.dump(part, file, protocol=2)
        _Pickler(file, protocol=2).dump(tensors)
        pickle.dump(sorted(storages), file, protocol=2)
        for key in sorted(storages):
            values = storages[key].values
            file.write(values.size.to_bytes(8, "little") + values.tobytes())
        if truncate:
            file.truncate(file.tell() - truncate)
