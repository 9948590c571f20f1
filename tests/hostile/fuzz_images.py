"""Coverage-guided fuzzing of what reads bytes from strangers: images and REST requests.

    pip install atheris
    python tests/hostile/fuzz_images.py image -runs=20000
    python tests/hostile/fuzz_images.py request -runs=200000

`pytest -m atheris` runs both for a short time. An input that fails is written to the current folder as `crash-…`;
give its name as a further argument to run it again.
"""

import sys

import atheris

with atheris.instrument_imports(include=["PIL", "kerasfusion.data.images", "kerasfusion.serving"]):
    from kerasfusion.data import images
    from kerasfusion.serving.errors import ServingError
    from kerasfusion.serving.json_tensors import parse_request, read_inputs

SPECS = {
    "image_bytes": ("string", (None,)),
    "text": ("string", (None,)),
    "numbers": ("float32", (None, 2)),
    "count": ("int32", (None,)),
    "flag": ("bool", (None,)),
}


def image_target():
    """The header check and the decoder: neither raises, and a sound image in the batch stays as it is."""
    import numpy as np
    import tensorflow as tf
    from png import png_bytes

    from kerasfusion.preprocessing import decode_images

    sound = png_bytes(0)
    decode = tf.function(lambda encoded: decode_images(encoded, (16, 16)), [tf.TensorSpec((None,), tf.string)])
    expected = decode(tf.constant([sound]))[0][0].numpy()

    def target(data):
        header = images._read_header(data)
        assert isinstance(header, str) or len(header) == 2
        pixels, ok = decode(tf.constant([data, sound]))
        assert ok[1].numpy() and np.array_equal(pixels[1], expected)
        assert ok[0].numpy() or not pixels[0].numpy().any()

    return target


def request_target():
    """A request is read, or refused with the server's own error."""

    def target(data):
        try:
            arrays, _ = read_inputs(parse_request(data), SPECS)
        except ServingError:
            return
        assert arrays.keys() == SPECS.keys()

    return target


if __name__ == "__main__":
    made = {"image": image_target, "request": request_target}[sys.argv.pop(1)]()
    atheris.Setup(sys.argv, made)
    atheris.Fuzz()
