"""Runs a SavedModel through TensorFlow's C API: the loader that TF Serving itself stands on.

`tf.saved_model.load()` rebuilds Python objects and restores them one by one, so it accepts exports that TF
Serving cannot run. `TF_LoadSessionFromSavedModel` is the call TF Serving makes. Nothing here imports
TensorFlow or Keras: `ctypes` opens the wheel's shared libraries, so a process that only serves starts sooner.
"""

import contextlib
import ctypes
import functools
import importlib.util
import math
import os
import threading
from pathlib import Path

import numpy as np

from kerasfusion.serving import protos

_LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
_STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
INVALID_ARGUMENT = 3
NOT_FOUND = 5
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12


class ServingError(ValueError):
    """A SavedModel that cannot be loaded, or a request it cannot answer.

    Args:
        message: What went wrong; TensorFlow's own message where the error is TensorFlow's.
        code: TensorFlow's status code (the same numbers as gRPC's).

    Attributes:
        message: As given.
        code: As given.
        status: Name of the code, such as `"NOT_FOUND"`.

    Example:
    >>> ServingError("no such signature", code=5).status
    'NOT_FOUND'
    """

    def __init__(self, message, code=INVALID_ARGUMENT):
        self.message = message
        self.code = code
        self.status = _STATUS_NAMES[code] if 0 <= code < len(_STATUS_NAMES) else str(code)
        super().__init__(f"[{self.status}] {message}")


class _Output(ctypes.Structure):
    """`TF_Output`: one output of one operation of the graph."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    """`TF_Buffer`: bytes with their length and a function that frees them."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))


_POINTER = ctypes.c_void_p
_POINTERS = ctypes.POINTER(ctypes.c_void_p)
_DIMS = ctypes.POINTER(ctypes.c_int64)
_OUTPUTS = ctypes.POINTER(_Output)
_BUFFER = ctypes.POINTER(_Buffer)
_STRINGS = ctypes.POINTER(ctypes.c_char_p)
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t

# Function -> (what it returns, what it takes). Without the types ctypes would cut pointers to 32 bits.
_FUNCTIONS = {
    "TF_NewStatus": (_POINTER, ()),
    "TF_DeleteStatus": (None, (_POINTER,)),
    "TF_GetCode": (_INT, (_POINTER,)),
    "TF_Message": (ctypes.c_char_p, (_POINTER,)),
    "TF_NewBuffer": (_BUFFER, ()),
    "TF_DeleteBuffer": (None, (_BUFFER,)),
    "TF_NewGraph": (_POINTER, ()),
    "TF_DeleteGraph": (None, (_POINTER,)),
    "TF_GraphOperationByName": (_POINTER, (_POINTER, ctypes.c_char_p)),
    "TF_NewSessionOptions": (_POINTER, ()),
    "TF_DeleteSessionOptions": (None, (_POINTER,)),
    "TF_SetConfig": (None, (_POINTER, ctypes.c_char_p, _SIZE, _POINTER)),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        (_POINTER, _BUFFER, ctypes.c_char_p, _STRINGS, _INT, _POINTER, _BUFFER, _POINTER),
    ),
    "TF_CloseSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteSession": (None, (_POINTER, _POINTER)),
    "TF_SessionRun": (
        None,
        (
            *(_POINTER, _BUFFER),
            *(_OUTPUTS, _POINTERS, _INT),
            *(_OUTPUTS, _POINTERS, _INT),
            *(_POINTERS, _INT),
            *(_BUFFER, _POINTER),
        ),
    ),
    "TF_AllocateTensor": (_POINTER, (_INT, _DIMS, _INT, _SIZE)),
    "TF_TensorFromProto": (None, (_BUFFER, _POINTER, _POINTER)),
    "TF_DeleteTensor": (None, (_POINTER,)),
    "TF_TensorType": (_INT, (_POINTER,)),
    "TF_NumDims": (_INT, (_POINTER,)),
    "TF_Dim": (ctypes.c_int64, (_POINTER, _INT)),
    "TF_TensorByteSize": (_SIZE, (_POINTER,)),
    "TF_TensorData": (_POINTER, (_POINTER,)),
    "TF_StringGetDataPointer": (_POINTER, (_POINTER,)),
    "TF_StringGetSize": (_SIZE, (_POINTER,)),
}
_STRING_BYTES = 24  # sizeof(TF_TString)

_memory_view = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_view.restype = ctypes.py_object
_memory_view.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_READ, _WRITE = 0x100, 0x200


@functools.cache
def _library():
    """Opens TensorFlow's shared libraries, once a process, without importing the package around them."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ServingError("TensorFlow is not installed: its C library is what runs a SavedModel.", UNIMPLEMENTED)
    folder = Path(next(iter(spec.submodule_search_locations)))
    missing = [name for name in _LIBRARIES if not (folder / name).is_file()]
    if missing:
        raise ServingError(
            f"The installed TensorFlow has no {' and no '.join(missing)}. The C API loader needs the Linux "
            "wheel of `tensorflow` or `tensorflow-cpu`.",
            UNIMPLEMENTED,
        )
    # In this order, and not RTLD_GLOBAL: globally visible symbols collide with other libraries' and crash.
    library = [ctypes.CDLL(str(folder / name)) for name in _LIBRARIES][-1]
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


@contextlib.contextmanager
def _checked():
    """Gives a `TF_Status` and raises what TensorFlow wrote into it."""
    tf = _library()
    status = tf.TF_NewStatus()
    try:
        yield status
        code = tf.TF_GetCode(status)
        if code:
            raise ServingError(tf.TF_Message(status).decode(errors="replace"), code)
    finally:
        tf.TF_DeleteStatus(status)


def _names(items):
    return ", ".join(f"`{name}`" for name in sorted(items)) or "none"


def _dtype_name(number):
    return protos.DTYPE_NAMES.get(number, f"DataType {number}")


def _shape(proto):
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


class _Endpoint:
    """A signature resolved in the graph: names, types and shapes, and the operations to feed and to fetch."""

    def __init__(self, graph, name, signature):
        self.name = name
        self.inputs, self._feeds = self._resolve(graph, signature.inputs)
        self.outputs, self._fetches = self._resolve(graph, signature.outputs)

    def _resolve(self, graph, infos):
        names = sorted(infos)
        described = {name: (_dtype_name(infos[name].dtype), _shape(infos[name].tensor_shape)) for name in names}
        array = (_Output * len(names))()
        for slot, name in zip(array, names, strict=True):
            operation, _, index = infos[name].name.partition(":")
            slot.operation = _library().TF_GraphOperationByName(graph, operation.encode())
            slot.index = int(index or 0)
            if not slot.operation:
                raise ServingError(
                    f"Signature `{self.name}`: the graph has no tensor {infos[name].name!r} for `{name}`.",
                    FAILED_PRECONDITION,
                )
        return described, array

    def check(self, inputs):
        """Turns the inputs into arrays of the declared type and rank, or says what is wrong with them."""
        where = f"Signature `{self.name}`"
        missing = set(self.inputs) - set(inputs)
        unknown = set(inputs) - set(self.inputs)
        if missing or unknown:
            parts = [f"missing {_names(missing)}"] if missing else []
            parts += [f"unknown {_names(unknown)}"] if unknown else []
            raise ServingError(f"{where}: {'; '.join(parts)}. Its inputs are {_names(self.inputs)}.")
        arrays = {}
        for name, (dtype, shape) in self.inputs.items():
            array = _to_array(f"{where}: input `{name}`", inputs[name], dtype)
            fits = shape is None or (
                array.ndim == len(shape)
                and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
            )
            if not fits:
                raise ServingError(f"{where}: input `{name}` has shape {shape}, received {array.shape}.")
            arrays[name] = array
        return arrays

    def run(self, session, arrays):
        tf = _library()
        feeds = (ctypes.c_void_p * len(self._feeds))()
        fetched = (ctypes.c_void_p * len(self._fetches))()
        try:
            for index, name in enumerate(self.inputs):
                feeds[index] = _new_tensor(arrays[name])
            with _checked() as status:
                tf.TF_SessionRun(
                    *(session, None),
                    *(self._feeds, feeds, len(feeds)),
                    *(self._fetches, fetched, len(fetched)),
                    *(None, 0),
                    *(None, status),
                )
            return {name: _read_tensor(name, tensor) for name, tensor in zip(self.outputs, fetched, strict=True)}
        finally:
            for tensor in (*feeds, *fetched):
                if tensor:
                    tf.TF_DeleteTensor(tensor)


def _to_array(where, value, dtype):
    if dtype == "string":
        try:
            return protos.as_bytes_array(value)
        except TypeError as error:
            raise ServingError(f"{where}: {error}") from None
    array = np.asarray(value)
    if array.dtype.name == dtype and array.dtype.isnative:
        return array
    # A plain list has no type of its own, so it takes the input's where no value changes its kind.
    plain = not isinstance(value, (np.ndarray, np.generic))
    if plain and array.dtype.kind in "biuf" and np.can_cast(array.dtype, dtype, "same_kind"):
        return array.astype(dtype)
    raise ServingError(f"{where} is {dtype}, received {array.dtype.name}.")


def _new_tensor(array):
    tf = _library()
    if protos.is_text(array):
        return _new_string_tensor(array)
    dims = (ctypes.c_int64 * array.ndim)(*array.shape)
    number = protos.DTYPE_NUMBERS[array.dtype.name]
    tensor = tf.TF_AllocateTensor(number, dims, array.ndim, array.nbytes)
    if not tensor:
        raise MemoryError(f"TensorFlow could not allocate {array.nbytes} bytes.")
    if array.nbytes:
        memory = _memory_view(tf.TF_TensorData(tensor), array.nbytes, _WRITE)
        # The only copy: from the caller's array, contiguous or not, into TensorFlow's (aligned) memory.
        np.frombuffer(memory, dtype=array.dtype).reshape(array.shape)[...] = array
    return tensor


def _new_string_tensor(array):
    # Through a TensorProto, so that TensorFlow owns the strings: a graph may hold on to an input after the
    # run, in a table or a tf.data iterator, and strings freed from here would be gone by then.
    tf = _library()
    content = protos.make_tensor_proto(array).SerializeToString()
    buffer = _Buffer(ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p), len(content), None)
    tensor = tf.TF_AllocateTensor(protos.DTYPE_NUMBERS["bool"], None, 0, 1)
    try:
        with _checked() as status:
            tf.TF_TensorFromProto(ctypes.byref(buffer), tensor, status)
    except ServingError:
        tf.TF_DeleteTensor(tensor)
        raise
    return tensor


def _read_tensor(name, tensor):
    tf = _library()
    dtype = _dtype_name(tf.TF_TensorType(tensor))
    shape = tuple(tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor)))
    address = tf.TF_TensorData(tensor)
    if dtype == "string":
        array = np.empty(shape, dtype=object)
        for index in range(math.prod(shape)):
            item = address + index * _STRING_BYTES
            array.flat[index] = ctypes.string_at(tf.TF_StringGetDataPointer(item), tf.TF_StringGetSize(item))
        return array
    if dtype == "bfloat16" or dtype not in protos.DTYPE_NUMBERS:
        raise ServingError(f"Output `{name}` is {dtype}, which NumPy cannot hold: cast it to float32.", UNIMPLEMENTED)
    size = tf.TF_TensorByteSize(tensor)
    if not size:
        return np.empty(shape, dtype=dtype)
    # Copied, because the memory goes with the tensor.
    return np.frombuffer(_memory_view(address, size, _READ), dtype=dtype).reshape(shape).copy()


class CApiSession:
    """A SavedModel loaded the way TF Serving loads it.

    `run()` may be called from many threads at once: TensorFlow's session is made for that, and every call has
    tensors and a status of its own.

    Args:
        path: Folder of one version: the one `saved_model.pb` lies in.
        intra_op_threads: Threads one operation may use; `None` leaves it to TensorFlow. The first session of
            a process decides for all of them.
        inter_op_threads: Operations that may run side by side in this session; `None` leaves it to
            TensorFlow.

    Attributes:
        signatures: Signature name -> `{"inputs": {name: (dtype, shape)}, "outputs": {name: (dtype, shape)}}`.
            A dtype is TensorFlow's name for it; a shape is a tuple with `None` for an open dimension, or
            `None` where even the rank is open.

    Raises:
        ServingError: There is no SavedModel at `path`, TensorFlow refuses it, or the platform has no C
            library.

    Example:
    ```python
    with CApiSession("saved_models/vqa/1") as session:
        outputs = session.run("serving_default", {"text": [b"what shape?"], "image_bytes": [png]})
    ```
    """

    def __init__(self, path, intra_op_threads=None, inter_op_threads=None):
        self.path = os.fspath(path)
        self._session = None
        self._graph = None
        self._running = 0
        self._idle = threading.Condition()
        config = protos.ConfigProto()
        if intra_op_threads is not None:
            config.intra_op_parallelism_threads = intra_op_threads
        if inter_op_threads is not None:
            config.inter_op_parallelism_threads = inter_op_threads
            # Else the first session of the process decides for this one too.
            config.use_per_session_threads = True
        try:
            self._endpoints = self._load(config.SerializeToString())
        except BaseException:
            self.close()
            raise
        self.signatures = {
            name: {"inputs": dict(endpoint.inputs), "outputs": dict(endpoint.outputs)}
            for name, endpoint in self._endpoints.items()
        }

    def _load(self, config):
        tf = _library()
        options = tf.TF_NewSessionOptions()
        meta_graph = tf.TF_NewBuffer()
        self._graph = tf.TF_NewGraph()
        try:
            if config:
                with _checked() as status:
                    tf.TF_SetConfig(options, config, len(config), status)
            with _checked() as status:
                self._session = tf.TF_LoadSessionFromSavedModel(
                    *(options, None, os.fsencode(self.path)),
                    *((ctypes.c_char_p * 1)(b"serve"), 1),
                    *(self._graph, meta_graph, status),
                )
            content = meta_graph.contents
            signatures = protos.MetaGraphDef.FromString(ctypes.string_at(content.data, content.length)).signature_def
            # TensorFlow keeps its initialising operation among the signatures.
            return {
                name: _Endpoint(self._graph, name, signatures[name])
                for name in sorted(signatures)
                if not name.startswith("__saved_model")
            }
        finally:
            tf.TF_DeleteBuffer(meta_graph)
            tf.TF_DeleteSessionOptions(options)

    def run(self, signature, inputs):
        """Answers one request.

        Args:
            signature: Name of a signature.
            inputs: Input name -> array of the input's type, or a list; strings as `bytes` or `str`.

        Returns:
            Output name -> array. Strings are object arrays of `bytes`.

        Raises:
            ServingError: No such signature, a missing or unknown input, a wrong type or shape, or
                TensorFlow's own error while running.

        Example:
        ```python
        session.run("tensors", {"text": ids, "image": pixels})["label"]
        ```
        """
        endpoint = self._endpoints.get(signature)
        if endpoint is None:
            raise ServingError(f"No signature {signature!r}; there are {_names(self._endpoints)}.", NOT_FOUND)
        arrays = endpoint.check(inputs)
        with self._idle:
            session = self._session
            if session is None:
                raise ServingError("The session is closed.", FAILED_PRECONDITION)
            self._running += 1
        try:
            return endpoint.run(session, arrays)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def close(self):
        """Frees the model, after the calls that are still running. Closing twice is fine."""
        with self._idle:
            session, self._session = self._session, None
            graph, self._graph = self._graph, None
            self._idle.wait_for(lambda: not self._running)
        tf = _library() if session or graph else None
        if session:
            with _checked() as status:
                tf.TF_CloseSession(session, status)
            with _checked() as status:
                tf.TF_DeleteSession(session, status)
        if graph:
            tf.TF_DeleteGraph(graph)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
