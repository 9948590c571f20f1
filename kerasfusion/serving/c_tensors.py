"""NumPy arrays to TensorFlow's C tensors and back."""

import ctypes
import math

import numpy as np

from kerasfusion.serving import protos
from kerasfusion.serving.c_library import Buffer, checked, library
from kerasfusion.serving.errors import UNIMPLEMENTED, ServingError

_STRING_BYTES = 24  # sizeof(TF_TString)

_memory_view = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_view.restype = ctypes.py_object
_memory_view.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_READ, _WRITE = 0x100, 0x200


def dtype_name(number):
    """TensorFlow's name of a `DataType` number."""
    return protos.DTYPE_NAMES.get(number, f"DataType {number}")


def to_array(where, value, dtype):
    """Makes an array of TensorFlow's type `dtype` out of a value, or says what is wrong with it and `where`."""
    if dtype == "string":
        try:
            return protos.as_bytes_array(value)
        except (TypeError, UnicodeEncodeError) as error:
            raise ServingError(f"{where}: {error}") from None
    array = np.asarray(value)
    if array.dtype.name == dtype and array.dtype.isnative:
        return array
    # A plain list has no type of its own, so it takes the input's where no value changes its kind.
    plain = not isinstance(value, (np.ndarray, np.generic))
    if plain and array.dtype.kind in "biuf" and np.can_cast(array.dtype, dtype, "same_kind"):
        return array.astype(dtype)
    raise ServingError(f"{where} is {dtype}, received {array.dtype.name}.")


def new_tensor(array):
    """Copies an array into a `TF_Tensor`, which the caller deletes."""
    tf = library()
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
    tf = library()
    content = protos.make_tensor_proto(array).SerializeToString()
    buffer = Buffer(ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p), len(content), None)
    tensor = tf.TF_AllocateTensor(protos.DTYPE_NUMBERS["bool"], None, 0, 1)
    try:
        with checked() as status:
            tf.TF_TensorFromProto(ctypes.byref(buffer), tensor, status)
    except ServingError:
        tf.TF_DeleteTensor(tensor)
        raise
    return tensor


def read_tensor(name, tensor):
    """Copies a `TF_Tensor` into an array; strings into an object array of `bytes`."""
    tf = library()
    dtype = dtype_name(tf.TF_TensorType(tensor))
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
