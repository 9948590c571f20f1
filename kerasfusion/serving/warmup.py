"""Warm-up requests: what TF Serving replays when it loads a model, so that no caller pays for the first call.

A record that fails makes TF Serving refuse the whole model, which is why `verify()` replays them too.
"""

import struct
from collections import namedtuple
from pathlib import Path

from kerasfusion.serving import protos

FILE = "assets.extra/tf_serving_warmup_requests"
LIMIT = 1000

WarmupRequest = namedtuple("WarmupRequest", ["signature", "inputs", "model_name"])
WarmupRequest.__doc__ = """One recorded request: signature name, inputs (name -> array) and model name."""


def write_warmup(path, requests, model_name):
    """Writes requests for TF Serving to replay.

    Args:
        path: File to write. TF Serving looks for `FILE` in the folder of a version. Its folder is created.
        requests: `(signature, inputs)` pairs, inputs being a dict name -> array (or list of strings).
        model_name: Name the model is served under.

    Returns:
        The number of records written.

    Raises:
        ValueError: More than 1,000 requests, which TF Serving refuses.

    Example:
    ```python
    write_warmup(version / FILE, [("serving_default", {"text": [b"a cat"]})], "captions")
    ```
    """
    records = [_record(signature, inputs, model_name) for signature, inputs, *_ in requests]
    if len(records) > LIMIT:
        raise ValueError(f"TF Serving takes at most {LIMIT:,} warm-up records, received {len(records):,}.")
    # Here and not above: reading and replaying must work without TensorFlow.
    import tensorflow as tf

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return len(records)


def _record(signature, inputs, model_name):
    log = protos.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(protos.make_tensor_proto(value))
    return log.SerializeToString()


def read_warmup(path):
    """Reads a file of warm-up requests, without TensorFlow.

    Args:
        path: The file.

    Returns:
        List of `WarmupRequest(signature, inputs, model_name)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut short or damaged, a record is no predict request, or there are more than
            1,000.

    Example:
    ```python
    for signature, inputs, _ in read_warmup(version / FILE):
        session.run(signature, inputs)
    ```
    """
    requests = []
    for number, record in enumerate(_records(Path(path).read_bytes())):
        if number == LIMIT:
            raise ValueError(f"TF Serving takes at most {LIMIT:,} warm-up records; there are more.")
        log = protos.PredictionLog.FromString(record)
        if not log.HasField("predict_log"):
            raise ValueError(f"Warm-up record {number} is no predict request.")
        request = log.predict_log.request
        inputs = {name: protos.make_ndarray(request.inputs[name]) for name in sorted(request.inputs)}
        # TF Serving takes an empty name for the default signature.
        signature = request.model_spec.signature_name or "serving_default"
        requests.append(WarmupRequest(signature, inputs, request.model_spec.name))
    return requests


def _records(content):
    """Takes a TFRecord file apart: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    position = 0
    while position < len(content):
        header = content[position : position + 12]
        if len(header) < 12:
            raise ValueError(f"The file is cut short in the header of a record at byte {position}.")
        length, length_check = struct.unpack("<QI", header)
        if _masked_crc32c(header[:8]) != length_check:
            raise ValueError(f"The length of the record at byte {position} is damaged.")
        start, end = position + 12, position + 12 + length
        record = content[start:end]
        if end + 4 > len(content):
            raise ValueError(f"The file is cut short in the record at byte {position}.")
        (record_check,) = struct.unpack("<I", content[end : end + 4])
        if _masked_crc32c(record) != record_check:
            raise ValueError(f"The record at byte {position} is damaged.")
        yield record
        position = end + 4


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _masked_crc32c(data):
    # The Castagnoli polynomial, which zlib does not have, rotated and shifted as TFRecord files want it.
    crc = 0xFFFFFFFF
    table = _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
