"""A tiny served model whose answers are known: numbers times a factor, lengths of texts, and bytes given back."""

import shutil
from pathlib import Path

from kerasfusion.serving.warmup import FILE, write_warmup


def write_version(path, factor):
    """Writes one version, with a warm-up request.

    `serving_default`: `text`, `image_bytes` -> `length` (of the text times the factor), `text`, `image_bytes`.
    `times`: `x` float32 (B, 2) -> `y`. `total`: `x` -> `sum`, which has no rows.
    """
    import tensorflow as tf
    from keras.export import ExportArchive

    class Times(tf.Module):
        def __init__(self):
            self.factor = tf.Variable(float(factor))

    module = Times()
    strings = [tf.TensorSpec((None,), tf.string, name=name) for name in ("text", "image_bytes")]
    numbers = [tf.TensorSpec((None, 2), tf.float32, name="x")]

    def read(text, image_bytes):
        length = tf.cast(tf.strings.length(text), tf.float32) * module.factor
        return {"length": length, "text": tf.identity(text), "image_bytes": tf.identity(image_bytes)}

    archive = ExportArchive()
    archive.track(module)
    archive.add_endpoint("serving_default", read, strings)
    archive.add_endpoint("times", lambda x: {"y": x * module.factor}, numbers)
    archive.add_endpoint("total", lambda x: {"sum": tf.reduce_sum(x), "rows": x[:, 0]}, numbers)
    archive.write_out(str(path), verbose=False)
    write_warmup(Path(path) / FILE, [("serving_default", {"text": ["it's"], "image_bytes": [b"\xff"]})], "toy")


def add_version(exports, base, number, factor=2):
    """Puts a version into a model's folder as an export does: under a temporary name, then renamed."""
    temporary = Path(base) / f".{number}.tmp-1"
    shutil.copytree(exports[factor], temporary)
    temporary.rename(Path(base) / str(number))
    return Path(base) / str(number)
