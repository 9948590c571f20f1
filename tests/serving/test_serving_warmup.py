import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.serving import protos
from kerasfusion.serving.warmup import FILE, _masked_crc32c, read_warmup, write_warmup

ARRAYS = {
    "float32": np.array([[1.5, -0.0], [np.inf, 1e-38]], "float32"),
    "float64": np.array([0.1, 2.0]),
    "float16": np.array([0.5, 2.0], "float16"),
    "int8": np.array([-128, 127], "int8"),
    "uint8": np.arange(12, dtype="uint8").reshape(1, 2, 2, 3),
    "int32": np.array(7, "int32"),
    "int64": np.array([2**40, -1]),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 3), "float32"),
}


def requests():
    text = {"text": ["a cat", ""], "image_bytes": [b"\x89PNG\x00\xff\x00", b""]}
    return [("serving_default", text), ("tensors", ARRAYS)]


def test_round_trip(tmp_path):
    path = tmp_path / FILE
    assert write_warmup(path, requests(), "pets") == 2
    first, second = read_warmup(path)
    assert (first.signature, first.model_name) == ("serving_default", "pets")
    assert first.inputs["text"].tolist() == [b"a cat", b""]
    assert first.inputs["image_bytes"].tolist() == [b"\x89PNG\x00\xff\x00", b""]
    assert second.signature == "tensors"
    for name, array in ARRAYS.items():
        assert second.inputs[name].dtype == array.dtype
        assert second.inputs[name].shape == array.shape
        assert second.inputs[name].tobytes() == array.tobytes()


def test_reading_needs_no_tensorflow(tmp_path):
    write_warmup(tmp_path / "w", requests(), "pets")
    code = (
        "import sys; from kerasfusion.serving.warmup import read_warmup\n"
        "assert len(read_warmup(sys.argv[1])) == 2; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_at_most_a_thousand_records(tmp_path):
    one = ("s", {"x": np.zeros(1, "float32")})
    write_warmup(tmp_path / "w", [one] * 1000, "m")
    assert len(read_warmup(tmp_path / "w")) == 1000
    with pytest.raises(ValueError, match=r"at most 1,000 warm-up records, received 1,001"):
        write_warmup(tmp_path / "w", [one] * 1001, "m")
    content = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(content + content[: len(content) // 1000])
    with pytest.raises(ValueError, match="there are more"):
        read_warmup(tmp_path / "w")


def test_damage_is_seen(tmp_path):
    path = tmp_path / "w"
    write_warmup(path, requests(), "m")
    content = path.read_bytes()
    cases = {
        "cut short in the record at byte 0": content[:40],
        "cut short in the header": content + b"abc",
        "The record at byte 0 is damaged": content[:30] + bytes([content[30] ^ 1]) + content[31:],
        "The length of the record at byte 0 is damaged": b"\xff" + content[1:],
    }
    for message, damaged in cases.items():
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            read_warmup(path)


def test_checksum_of_the_standard():
    # "123456789" has the CRC-32C 0xE3069283 (RFC 3720's polynomial); TFRecord masks it.
    crc = 0xE3069283
    assert _masked_crc32c(b"123456789") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_tensor_protos_agree_with_tensorflow():
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    for array in [*ARRAYS.values(), np.array([b"a\x00", b""], object)]:
        ours = protos.make_tensor_proto(array)
        theirs = tf.make_ndarray(tensor_pb2.TensorProto.FromString(ours.SerializeToString()))
        assert theirs.shape == array.shape
        assert theirs.tolist() == array.tolist()
        # TensorFlow keeps small tensors in the typed fields, and leaves out repetitions of the last value.
        typed = tf.make_tensor_proto(array.tolist(), dtype=theirs.dtype, shape=array.shape)
        back = protos.make_ndarray(protos.TensorProto.FromString(typed.SerializeToString()))
        assert back.dtype == array.dtype
        assert back.tolist() == array.tolist()
    repeated = tf.make_tensor_proto(np.full((2, 2), 3.0, "float32")).SerializeToString()
    assert protos.make_ndarray(protos.TensorProto.FromString(repeated)).tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_tensor_protos_refuse():
    with pytest.raises(TypeError, match="cannot hold the data type"):
        protos.make_tensor_proto(np.zeros(2, "datetime64[s]"))
    with pytest.raises(TypeError, match="cannot hold the data type"):
        protos.make_tensor_proto(np.zeros(2, ">f4"))
    with pytest.raises(TypeError, match="bfloat16 cannot be read"):
        protos.make_ndarray(protos.TensorProto(dtype=14))
    with pytest.raises(TypeError, match="Expected bytes or str, received int"):
        protos.make_tensor_proto([b"a", 1])


@pytest.mark.serving_api
def test_tf_serving_reads_what_was_written(tmp_path):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="needs `pip install --no-deps tensorflow-serving-api==2.21.0`",
    )
    import tensorflow as tf

    write_warmup(tmp_path / "w", requests(), "pets")
    records = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(tmp_path / "w"))
    ]
    assert len(records) == 2
    for record, (signature, inputs) in zip(records, requests(), strict=True):
        assert record.WhichOneof("log_type") == "predict_log"
        request = record.predict_log.request
        assert request.model_spec.name == "pets"
        assert request.model_spec.signature_name == signature
        assert set(request.inputs) == set(inputs)
        for name, value in inputs.items():
            array = protos.as_bytes_array(value) if isinstance(value, list) else value
            assert tf.make_ndarray(request.inputs[name]).tolist() == array.tolist()
        ours = protos.PredictionLog.FromString(record.SerializeToString())
        assert ours.predict_log.request.model_spec.signature_name == signature
