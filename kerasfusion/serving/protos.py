"""The few protobuf messages that loading, warming up and configuring a SavedModel takes, without TensorFlow.

The messages are wire-compatible with TensorFlow's and TF Serving's: same field numbers and types, and fields
not listed here are skipped when read. They live in a package and a descriptor pool of their own, so a process
that also imports TensorFlow, which registers the real ones in the default pool, never sees a name twice.
"""

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "kerasfusion.wire"

# Message -> field -> (number, type). `*T` is repeated, `<T>` a map from string to T. An enum is an int32 on
# the wire, which is how the data type of a tensor is kept here.
_SCHEMA = {
    "Dim": {"size": (1, "int64"), "name": (2, "string")},
    "TensorShapeProto": {"dim": (2, "*Dim"), "unknown_rank": (3, "bool")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "TensorShapeProto")},
    "SignatureDef": {
        "inputs": (1, "<TensorInfo>"),
        "outputs": (2, "<TensorInfo>"),
        "method_name": (3, "string"),
    },
    "MetaGraphDef": {"signature_def": (5, "<SignatureDef>")},
    "ConfigProto": {
        "intra_op_parallelism_threads": (2, "int32"),
        "inter_op_parallelism_threads": (5, "int32"),
        "use_per_session_threads": (9, "bool"),
    },
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "string_val": (8, "*bytes"),
        "int64_val": (10, "*int64"),
        "bool_val": (11, "*bool"),
        "half_val": (13, "*int32"),
        "uint32_val": (16, "*uint32"),
        "uint64_val": (17, "*uint64"),
    },
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "<TensorProto>")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
    # The server's own configuration files, which are text.
    "Latest": {"num_versions": (1, "uint32")},
    "All": {},
    "Specific": {"versions": (1, "*int64")},
    "ServableVersionPolicy": {"latest": (100, "Latest"), "all": (101, "All"), "specific": (102, "Specific")},
    "ModelConfig": {
        "name": (1, "string"),
        "base_path": (2, "string"),
        "model_platform": (4, "string"),
        "model_version_policy": (7, "ServableVersionPolicy"),
        "version_labels": (8, "<int64>"),
    },
    "ModelConfigList": {"config": (1, "*ModelConfig")},
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList")},
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
    "Int64Value": {"value": (1, "int64")},
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"),
        "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"),
        "num_batch_threads": (4, "Int64Value"),
        "allowed_batch_sizes": (6, "*int64"),
        "pad_variable_length_inputs": (7, "bool"),
    },
}

# TensorFlow's DataType numbers. bfloat16 has no NumPy type, so it has a name here and nothing more.
DTYPE_NAMES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
DTYPE_NUMBERS = {name: number for number, name in DTYPE_NAMES.items()}

# Where a TensorProto that has no `tensor_content` keeps its values.
_VALUE_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "uint8": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "float16": "half_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}


def _add_field(message, name, number, kind):
    field = message.field.add(name=name, number=number)
    field_type = descriptor_pb2.FieldDescriptorProto
    field.label = field_type.LABEL_OPTIONAL
    if kind.startswith("*"):
        kind = kind[1:]
        field.label = field_type.LABEL_REPEATED
    elif kind.startswith("<"):
        # protobuf's own form of a map: a repeated nested message of a key and a value.
        entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind[1:-1])
        kind = f"{message.name}.{entry.name}"
        field.label = field_type.LABEL_REPEATED
    if kind in _SCHEMA or "." in kind:
        field.type = field_type.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(field_type, f"TYPE_{kind.upper()}")


def _build():
    file = descriptor_pb2.FileDescriptorProto(name="kerasfusion/wire.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind) in fields.items():
            _add_field(message, name, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _SCHEMA
    }


_CLASSES = _build()
TensorShapeProto = _CLASSES["TensorShapeProto"]
TensorInfo = _CLASSES["TensorInfo"]
SignatureDef = _CLASSES["SignatureDef"]
MetaGraphDef = _CLASSES["MetaGraphDef"]
ConfigProto = _CLASSES["ConfigProto"]
TensorProto = _CLASSES["TensorProto"]
ModelSpec = _CLASSES["ModelSpec"]
PredictRequest = _CLASSES["PredictRequest"]
PredictLog = _CLASSES["PredictLog"]
PredictionLog = _CLASSES["PredictionLog"]
ModelServerConfig = _CLASSES["ModelServerConfig"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
BatchingParameters = _CLASSES["BatchingParameters"]


def as_bytes_array(value):
    """Makes an object array of `bytes` out of text in any form.

    NumPy's own fixed-width `S` type is no substitute: it drops trailing zero bytes.

    Args:
        value: `bytes`, `str` (encoded as UTF-8), or an array or nested list of them.

    Returns:
        Object array of `bytes`, of the shape of `value`.

    Raises:
        TypeError: An element is neither `bytes` nor `str`.

    Example:
    >>> as_bytes_array(["a", b"b"])
    array([b'a', b'b'], dtype=object)
    """
    array = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    result = np.empty(array.shape, dtype=object)
    for index, item in enumerate(array.flat):
        if isinstance(item, str):
            item = item.encode()
        elif not isinstance(item, bytes):
            raise TypeError(f"Expected bytes or str, received {type(item).__name__}: {item!r:.60}")
        result.flat[index] = bytes(item)
    return result


def is_text(array):
    """Tells whether an array holds strings (`object`, `S` or `U`) rather than numbers."""
    return array.dtype.kind in "OSU"


def make_tensor_proto(value):
    """Writes an array into a `TensorProto`.

    Args:
        value: An array of numbers or booleans, or `bytes` / `str` in any form `as_bytes_array()` takes.

    Returns:
        A `TensorProto`: numbers in `tensor_content`, strings in `string_val`.

    Raises:
        TypeError: The data type has no TensorFlow counterpart here.

    Example:
    >>> make_tensor_proto(np.array([1.0, 2.0], "float32")).dtype
    1
    """
    array = value if isinstance(value, np.ndarray) else _plain_array(value)
    proto = TensorProto()
    if is_text(array):
        array = as_bytes_array(array)
        proto.dtype = DTYPE_NUMBERS["string"]
        proto.string_val.extend(array.ravel().tolist())
    elif array.dtype.name in DTYPE_NUMBERS and array.dtype.isnative:
        proto.dtype = DTYPE_NUMBERS[array.dtype.name]
        proto.tensor_content = array.tobytes()
    else:
        raise TypeError(f"A tensor cannot hold the data type {array.dtype!r}.")
    # An empty message would be left out of the wire format, and with it the fact that this is a scalar.
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def _plain_array(value):
    array = np.asarray(value)
    # NumPy makes `S` of a list of bytes, which loses trailing zeros: read it again as objects.
    return np.array(value, dtype=object) if array.dtype.kind == "S" else array


def make_ndarray(proto):
    """Reads a `TensorProto` back into an array.

    Args:
        proto: A `TensorProto`, from here or from TensorFlow.

    Returns:
        A NumPy array; strings as an object array of `bytes`.

    Raises:
        TypeError: The tensor's data type has no NumPy counterpart.
        ValueError: The tensor holds more or fewer values than its shape has.

    Example:
    >>> make_ndarray(make_tensor_proto([b"cat", b""]))
    array([b'cat', b''], dtype=object)
    """
    name = DTYPE_NAMES.get(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    size = int(np.prod(shape, dtype=np.int64))
    if name == "string":
        values = np.empty(len(proto.string_val), dtype=object)
        values[:] = list(proto.string_val)
    elif name not in _VALUE_FIELDS:
        raise TypeError(f"A tensor of type {name or proto.dtype} cannot be read as an array.")
    elif proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, dtype=name).copy()
    elif name == "float16":
        # Halves travel as the 16 bits of each value in an integer.
        values = np.array(list(proto.half_val), dtype=np.uint16).view(np.float16)
    else:
        values = np.array(list(getattr(proto, _VALUE_FIELDS[name])), dtype=name)
    if 0 < values.size < size:
        # TensorFlow leaves out repetitions of the last value.
        values = np.concatenate([values, np.repeat(values[-1:], size - values.size)])
    if values.size != size:
        raise ValueError(f"The tensor's shape {shape} has {size} values, it holds {values.size}.")
    return values.reshape(shape)
