import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasfusion.preprocessing import decode_images

SIZE = (4, 6)
# Traced once for all tests.
decode = tf.function(lambda encoded: decode_images(encoded, SIZE), [tf.TensorSpec((None,), tf.string)])


def encode(pixels, kind="PNG", mode=None):
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def plain(color, size=SIZE):
    return np.full((*size, 3), color, np.uint8)


def test_pixels_of_the_right_size_pass_unchanged():
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    decoded, ok = decode(tf.constant([encode(pixels)]))
    np.testing.assert_array_equal(decoded[0], pixels)
    assert ok.numpy().tolist() == [True]


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("GIF", None), ("BMP", None)]
)
def test_modes_and_formats(kind, mode):
    decoded, ok = decode(tf.constant([encode(plain((102, 102, 102)), kind, mode)]))
    assert ok.numpy().all()
    np.testing.assert_allclose(decoded[0], 102, atol=1)


def test_other_sizes_are_squeezed():
    decoded, ok = decode(tf.constant([encode(plain((10, 200, 30), (40, 50)), "JPEG")]))
    assert ok.numpy().all() and decoded.shape == (1, *SIZE, 3)
    np.testing.assert_allclose(decoded[0].numpy().mean(axis=(0, 1)), (10, 200, 30), atol=4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_one_pixel_is_its_color_everywhere(kind):
    decoded, ok = decode(tf.constant([encode(plain((102, 102, 102), (1, 1)), kind), encode(plain(7, (1, 50)))]))
    assert ok.numpy().tolist() == [True, True]
    np.testing.assert_allclose(decoded[0], 102, atol=1)
    np.testing.assert_array_equal(decoded[1], 7)


def test_a_bad_image_costs_its_row_alone():
    good = encode(plain((1, 2, 3)))
    rows = [good, b"", b"no image", good[: len(good) // 2], good]
    decoded, ok = decode(tf.constant(rows))
    assert ok.numpy().tolist() == [True, False, False, False, True]
    np.testing.assert_array_equal(decoded[0], decoded[4])
    assert not decoded[1:4].numpy().any()


@pytest.mark.parametrize("rows", [[], [b"junk"]])
def test_nothing_decodable(rows):
    decoded, ok = decode(tf.constant(rows, tf.string))
    assert decoded.shape == (len(rows), *SIZE, 3)
    assert not ok.numpy().any()


def test_paths_are_read_where_given(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(plain((7, 8, 9))))
    encoded = tf.constant([b"", encode(plain((1, 1, 1))), b""])
    decoded, ok = decode_images(encoded, SIZE, paths=tf.constant([str(path), "", str(tmp_path / "none.png")]))
    assert ok.numpy().tolist() == [True, True, False]
    assert decoded[0, 0, 0].numpy().tolist() == [7, 8, 9]
