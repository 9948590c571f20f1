"""An image taken with a turned camera is seen upright."""

import io
import itertools
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kerasfusion.preprocessing import decode_images
from kerasfusion.preprocessing.exif import exif_orientation, turn_upright

SIZE = (24, 24)


def image():
    """24 x 24 pixels in nine squares of nine shades, no two turns of which are alike."""
    shades = np.uint8([[0, 30, 60], [90, 120, 150], [180, 210, 240]])
    return Image.fromarray(shades.repeat(8, axis=0).repeat(8, axis=1)).convert("RGB")


def exif(orientation, order=b"II", before=(), kind=3):
    """An EXIF segment's content with the orientation behind some other entries."""
    mark = "<" if order == b"II" else ">"
    entries = [*before, (0x0112, kind, 1, struct.pack(mark + ("H" if kind == 3 else "I"), orientation))]
    packed = b"".join(struct.pack(mark + "HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
    head = order + struct.pack(mark + "HIH", 42, 8, len(entries))
    return b"Exif\0\0" + head + packed + bytes(4)


def jpeg(image, **settings):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0, **settings)
    return buffer.getvalue()


def segment(kind, content):
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content


@pytest.fixture(scope="module")
def upright():
    """Orientation and byte order -> the image as we see it and as Pillow does."""
    cases = list(itertools.product(range(1, 9), (b"II", b"MM")))
    turned = [jpeg(image(), exif=exif(*case)) for case in cases]
    ours, ok = decode_images(tf.constant(turned), SIZE)
    assert ok.numpy().all()
    pillows = [np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))) for data in turned]
    return dict(zip(cases, zip(ours.numpy().astype(int), pillows, strict=True), strict=True))


@pytest.mark.parametrize("order", [b"II", b"MM"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_those_of_pillow(upright, orientation, order):
    ours, pillows = upright[orientation, order]
    assert orientation == 1 or np.abs(pillows.astype(int) - np.asarray(image())).max() > 20
    # The two decoders' rounding; a wrong turn is wrong by 30 and more.
    np.testing.assert_allclose(ours, pillows.astype(int), atol=4)


# Where each corner of the stored image comes to lie, top left to bottom right in reading order, by the standard:
# 6, for example, has the stored image's left side at the top.
CORNERS = {1: "abcd", 2: "badc", 3: "dcba", 4: "cdab", 5: "acbd", 6: "cadb", 7: "dbca", 8: "bdac"}


@pytest.mark.parametrize("orientation", CORNERS)
def test_turns_by_the_standard(orientation):
    stored = tf.constant([[[0], [1]], [[2], [3]]])
    turned = turn_upright(stored, tf.constant(orientation)).numpy().ravel()
    assert "".join("abcd"[i] for i in turned) == CORNERS[orientation]


def test_a_turned_image_is_squeezed_to_the_size_asked_for():
    turned = jpeg(image().resize((48, 16)), exif=exif(6))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(turned)))
    pixels, _ = decode_images(tf.constant([turned, jpeg(upright)]), (12, 8))
    np.testing.assert_allclose(pixels[0].numpy().astype(int), pixels[1].numpy().astype(int), atol=4)


OTHER_ENTRIES = [(0x010F, 2, 9, struct.pack("<I", 200)), (0x0110, 2, 2, b"x\0")]


PIXELS = jpeg(image())[20:]  # what follows the first two segments
STATED = {
    "nothing": (jpeg(image()), 1),
    "behind other entries": (jpeg(image(), exif=exif(6, before=OTHER_ENTRIES)), 6),
    "behind the file's name, a comment and a profile of color": (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0" + bytes(9))
        + segment(0xFE, b"a comment")
        + segment(0xE2, b"ICC_PROFILE\0" + bytes(5000))
        + segment(0xE1, exif(3, b"MM"))
        + PIXELS,
        3,
    ),
    "behind another segment of its kind": (
        b"\xff\xd8" + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0") + segment(0xE1, exif(8)) + PIXELS,
        8,
    ),
    "0": (jpeg(image(), exif=exif(0)), 1),
    "9": (jpeg(image(), exif=exif(9)), 1),
    "a number of another kind": (jpeg(image(), exif=exif(6, kind=4)), 1),
    "cut off": (b"\xff\xd8" + segment(0xE1, exif(6)[:16]) + PIXELS, 1),
    "a directory far outside": (b"\xff\xd8" + segment(0xE1, exif(6)[:10] + b"\xff\xff\xff\x7f") + PIXELS, 1),
    "an empty block": (b"\xff\xd8" + segment(0xE1, b"Exif\0\0") + PIXELS, 1),
    "a segment that leads to itself": (b"\xff\xd8\xff\xe0\0\0" + bytes(40), 1),
    "a segment that leads outside": (b"\xff\xd8\xff\xe1\xff\xffExif\0\0", 1),
    "the beginning alone": (b"\xff\xd8", 1),
    "no bytes": (b"", 1),
}


@pytest.fixture(scope="module")
def found():
    """Case -> the orientation that is found, all in one call."""
    encoded = tf.constant([encoded for encoded, _ in STATED.values()])
    read = tf.function(lambda data: tf.map_fn(exif_orientation, data, fn_output_signature=tf.int32))
    return dict(zip(STATED, read(encoded).numpy().tolist(), strict=True))


@pytest.mark.parametrize("case", STATED)
def test_what_is_stated_is_found_and_nonsense_is_upright(found, case):
    assert found[case] == STATED[case][1]
