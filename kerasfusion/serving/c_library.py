"""TensorFlow's C library, opened by `ctypes` from a wheel without importing the package around it."""

import contextlib
import ctypes
import functools
import importlib.util
from pathlib import Path

from kerasfusion.serving.errors import UNIMPLEMENTED, ServingError

LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")


class Output(ctypes.Structure):
    """`TF_Output`: one output of one operation of the graph."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """`TF_Buffer`: bytes with their length and a function that frees them."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))


_POINTER = ctypes.c_void_p
_POINTERS = ctypes.POINTER(ctypes.c_void_p)
_DIMS = ctypes.POINTER(ctypes.c_int64)
_OUTPUTS = ctypes.POINTER(Output)
_BUFFER = ctypes.POINTER(Buffer)
_STRINGS = ctypes.POINTER(ctypes.c_char_p)
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t

# Function -> (what it returns, what it takes). Without the types ctypes would cut pointers to 32 bits.
_FUNCTIONS = {
    "TF_Version": (ctypes.c_char_p, ()),
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


_chosen = None


def use_libraries(folder):
    """Choose the libraries of another release than the installed one, before anything opens them.

    Args:
        folder: Folder that holds them.

    Raises:
        RuntimeError: The process has opened its libraries: two releases do not go into one process.
    """
    global _chosen
    if library.cache_info().currsize:
        raise RuntimeError("This process has opened TensorFlow's libraries: choose others in a process of their own.")
    _chosen = Path(folder)


def installed_folder():
    """Folder of the installed TensorFlow, which is not imported.

    Raises:
        ServingError: It is not installed.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ServingError("TensorFlow is not installed: its C library is what runs a SavedModel.", UNIMPLEMENTED)
    return Path(next(iter(spec.submodule_search_locations)))


@functools.cache
def library():
    """Opens TensorFlow's shared libraries, once a process, without importing the package around them."""
    folder = _chosen or installed_folder()
    missing = [name for name in LIBRARIES if not (folder / name).is_file()]
    if missing:
        where = folder if _chosen else "The installed TensorFlow"
        raise ServingError(
            f"{where} has no {' and no '.join(missing)}. The C API loader needs the Linux "
            "wheel of `tensorflow` or `tensorflow-cpu`.",
            UNIMPLEMENTED,
        )
    # In this order, and not RTLD_GLOBAL: globally visible symbols collide with other libraries' and crash.
    opened = [ctypes.CDLL(str(folder / name)) for name in LIBRARIES][-1]
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(opened, name)
        function.restype = result
        function.argtypes = arguments
    return opened


def tensorflow_version():
    """Version of the opened libraries, such as `"2.21.0"`."""
    return library().TF_Version().decode()


@contextlib.contextmanager
def checked():
    """Gives a `TF_Status` and raises what TensorFlow wrote into it."""
    tf = library()
    status = tf.TF_NewStatus()
    try:
        yield status
        code = tf.TF_GetCode(status)
        if code:
            raise ServingError(tf.TF_Message(status).decode(errors="replace"), code)
    finally:
        tf.TF_DeleteStatus(status)
