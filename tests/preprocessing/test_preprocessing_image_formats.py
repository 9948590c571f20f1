"""Images of every kind that people have: read right, or refused; never read wrong."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.preprocessing import decode_images
from kerasfusion.preprocessing.image_formats import is_plain

SIZE = (8, 8)
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
RGB = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)
# Left half opaque, then half transparent, then not there at all; what lies under the last is garbage.
ALPHA = np.repeat(np.uint8([255] * 4 + [128] * 2 + [0] * 2)[None], 8, axis=0)
ON_WHITE = np.round(RGB * (ALPHA[..., None] / 255) + 255 * (1 - ALPHA[..., None] / 255)).astype(np.uint8)


def encode(pixels, kind, mode=None, **settings):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **settings)
    return buffer.getvalue()


def rgba():
    return np.concatenate([RGB, ALPHA[..., None]], axis=-1)


def palette():
    """Eight colors in eight columns; returns the image and its pixels."""
    colors = np.uint8([[10 * i, 255 - 20 * i, 30 * i] for i in range(8)])
    image = Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[None], 8, axis=0))
    image.putpalette(colors.tobytes())
    return image, np.repeat(colors[None], 8, axis=0)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, bits, color, rows):
    """A PNG written by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp(pixel_bytes, bits, compression=0, height=8):
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixel_bytes), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, 8, height, 1, bits, compression, 0, 0, 0, 0, 0) + pixel_bytes


@pytest.fixture(scope="module")
def decoded():
    """All images in one batch: starting TensorFlow's pipeline takes longer than reading them."""
    makers = {**{n: make()[0] for n, make in EXACT.items()}, **{n: make() for n, make in (NEAR | REFUSED).items()}}
    pixels, ok = decode_images(tf.constant(list(makers.values())), SIZE)
    return dict(zip(makers, zip(pixels.numpy(), ok.numpy(), strict=True), strict=True))


def grey(values):
    return np.repeat(np.asarray(values)[..., None], 3, axis=-1)


def palette_with_transparency():
    image, pixels = palette()
    expected = pixels.copy()
    expected[:, 2] = 255
    return encode(image, "PNG", transparency=2), expected


def sixteen_bits():
    values = (np.arange(64).reshape(8, 8) * 1040).astype(">u2")  # up to 65,520
    return png(8, 8, 16, 0, [row.tobytes() for row in values]), grey((values // 256).astype(np.uint8))


def sixteen_bit_rgb():
    values = RGB.astype(">u2") * 257
    return png(8, 8, 16, 2, [row.tobytes() for row in values]), RGB


def one_bit():
    bits = np.arange(64).reshape(8, 8) % 3 == 0
    return encode(Image.fromarray(bits), "PNG"), grey(np.where(bits, 255, 0))


def paletted(kind):
    image, pixels = palette()
    return encode(image, kind), pixels


def top_down_bmp():
    return bmp(RGB[..., ::-1].tobytes(), 24, height=-8), RGB


def gif_with_a_bomb_behind():
    """A second frame of more pixels than are let in, which is not to be unpacked."""
    image, pixels = palette()
    first = encode(image, "GIF")
    second = encode(Image.new("P", (16_000, 8_000)), "GIF")
    return first[:-1] + second[second.index(b"\x2c") :], pixels


EXACT = {
    "PNG": lambda: (encode(RGB, "PNG"), RGB),
    "grey PNG": lambda: (encode(GREY, "PNG"), grey(GREY)),
    "grey and alpha PNG": lambda: (
        encode(Image.fromarray(np.stack([GREY, ALPHA], axis=-1)), "PNG"),
        np.round(grey(GREY) * (ALPHA[..., None] / 255) + 255 - ALPHA[..., None].astype(float)).astype(np.uint8),
    ),
    "RGBA PNG": lambda: (encode(rgba(), "PNG"), ON_WHITE),
    "palette PNG": lambda: paletted("PNG"),
    "palette PNG with a transparent color": palette_with_transparency,
    "16-bit grey PNG": sixteen_bits,
    "16-bit RGB PNG": sixteen_bit_rgb,
    "1-bit PNG": one_bit,
    "animated PNG": lambda: (encode(RGB, "PNG", save_all=True, append_images=[Image.new("RGB", SIZE)]), RGB),
    "GIF": lambda: paletted("GIF"),
    "animated GIF": lambda: (
        encode(palette()[0], "GIF", save_all=True, append_images=[Image.new("P", SIZE)]),
        palette()[1],
    ),
    "GIF with a bomb as its second frame": gif_with_a_bomb_behind,
    "BMP": lambda: (encode(RGB, "BMP"), RGB),
    "BMP from top to bottom": top_down_bmp,
    "grey BMP": lambda: (encode(GREY, "BMP"), grey(GREY)),
    "palette BMP": lambda: paletted("BMP"),
    "lossless WebP": lambda: (encode(RGB, "WEBP", lossless=True), RGB),
    "lossless WebP with alpha": lambda: (encode(rgba(), "WEBP", lossless=True, exact=True), ON_WHITE),
}


@pytest.mark.parametrize("case", EXACT)
def test_pixels_are_exact(decoded, case):
    pixels, ok = decoded[case]
    assert ok
    np.testing.assert_array_equal(pixels, EXACT[case]()[1])


COLOR, SHADE = Image.new("RGB", SIZE, (200, 100, 50)), Image.new("L", SIZE, 90)
NEAR = {
    "CMYK JPEG": lambda: encode(COLOR, "JPEG", "CMYK", quality=95),
    "grey JPEG": lambda: encode(SHADE, "JPEG", quality=95),
    "JPEG with metadata, grey": lambda: encode(SHADE, "JPEG", quality=95, exif=b"Exif\0\0"),
    "progressive JPEG": lambda: encode(COLOR, "JPEG", progressive=True, quality=95),
    "lossy WebP": lambda: encode(COLOR, "WEBP", quality=95),
    "lossy WebP with alpha": lambda: encode(Image.new("RGBA", SIZE, (*COLOR.getpixel((0, 0)), 128)), "WEBP"),
}


@pytest.mark.parametrize("case", NEAR)
def test_lossy_images_are_near(decoded, case):
    pixels, ok = decoded[case]
    expected = (90, 90, 90) if "grey" in case else (228, 178, 153) if "alpha" in case else (200, 100, 50)
    assert ok
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, (8, 8, 3)), atol=4)


def webp_that_moves(mode):
    frames = [Image.new(mode, SIZE, "red"), Image.new(mode, SIZE, "blue")]
    return encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def lying_webp():
    """An animation that says it is none."""
    data = bytearray(webp_that_moves("RGB"))
    data[20] &= ~2
    return bytes(data)


def gif_with_frame(width, height):
    """A GIF with a screen of 8 x 8 and a larger frame."""
    data = encode(Image.new("P", (16, 16)), "GIF")
    frame = data.index(b"\x2c")
    data = data[:6] + struct.pack("<HH", 8, 8) + data[10:]
    return data[: frame + 5] + struct.pack("<HH", width, height) + data[frame + 9 :]


REFUSED = {
    "text": lambda: b"hello, I am no image",
    "nothing": lambda: b"",
    "one byte": lambda: b"\x89",
    "beginning of a JPEG": lambda: b"\xff\xd8\xff",
    "beginning of a PNG": lambda: b"\x89PNG\r\n\x1a\n",
    "beginning of a WebP": lambda: b"RIFF\0\0\0\0WEBPVP8X",
    "cut off JPEG": lambda: encode(RGB, "JPEG")[:-40],
    "cut off PNG": lambda: encode(RGB, "PNG")[:-40],
    "TIFF": lambda: encode(RGB, "TIFF"),
    "SVG": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    "HEIC": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "1-bit BMP": lambda: encode(Image.fromarray(GREY > 99), "BMP"),
    "BMP of run lengths": lambda: bmp(bytes(1024 + 64), 8, compression=1),
    "animated WebP": lambda: webp_that_moves("RGB"),
    "animated WebP with alpha": lambda: webp_that_moves("RGBA"),
    "animated WebP that says it is none": lying_webp,
    "decompression bomb, PNG": lambda: png(50_000, 50_000, 8, 2, [bytes(1000)]),
    "decompression bomb, PNG with alpha": lambda: png(20_000, 5_001, 8, 6, [bytes(1000)]),
    "decompression bomb, GIF": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + encode(GREY, "GIF")[10:],
    "decompression bomb, frame of a GIF": lambda: gif_with_frame(20_000, 20_000),
    "decompression bomb, BMP": lambda: b"BM" + bytes(16) + struct.pack("<ii", 65_535, 65_535) + bytes(8),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_costs_its_row_alone(decoded, case):
    pixels, ok = decoded[case]
    assert not ok
    assert not pixels.any()


def test_too_many_pixels_are_refused_though_they_could_be_decoded():
    """The same small images, on both sides of a limit set between them."""
    kinds = [("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGB")]
    below, above = (
        [encode(Image.new(mode, (9, height)), kind) for kind, mode in kinds]
        + [encode(Image.new("RGB", (9, height)), "JPEG", exif=b"Exif\0\0")]
        + [encode(Image.new(mode, (9, height)), "WEBP", lossless=True) for mode in ("RGB", "RGBA")]
        for height in (11, 12)
    )
    _, ok = decode_images(tf.constant(below + above), SIZE, max_pixels=99)
    assert ok.numpy().tolist() == [True] * 9 + [False] * 9
    # The short way.
    _, ok = decode_images(tf.constant([below[0], above[0], below[2], above[2]]), SIZE, max_pixels=99)
    assert ok.numpy().tolist() == [True, False] * 2


def test_a_image_12000_pixels_wide_works():
    assert MOST_PIXELS > 12_000 * 40
    wide = np.zeros((40, 12_000, 3), np.uint8)
    wide[:, 6000:] = (200, 100, 50)
    pixels, ok = decode_images(tf.constant([encode(wide, "PNG"), encode(wide, "JPEG", quality=95)]), SIZE)
    assert ok.numpy().all()
    np.testing.assert_allclose(pixels[:, :, :3], 0, atol=1)
    np.testing.assert_allclose(pixels[:, :, 5:], np.broadcast_to([200, 100, 50], (2, 8, 3, 3)), atol=2)


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        (encode(RGB, "PNG"), True),
        (encode(GREY, "PNG"), True),
        (encode(RGB, "JPEG"), True),
        (encode(rgba(), "PNG"), False),
        (encode(RGB, "JPEG", exif=b"Exif\0\0"), False),
        (encode(RGB, "GIF"), False),
        (b"", False),
    ],
)
def test_plain_images_take_the_short_way(encoded, plain):
    assert bool(is_plain(tf.constant(encoded))) == plain
