"""Images made to cost time or memory, and images with damaged bytes."""

import io
import itertools
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from hostile.budget import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import kerasfusion as kf
from kerasfusion.bounds import MOST_BLOCK_STEPS, MOST_SCANS, MOST_SEGMENTS, SERVING_PIXELS
from kerasfusion.preprocessing import decode_images
from kerasfusion.preprocessing.alpha import over_white, resize_over_white
from kerasfusion.preprocessing.jpeg import has_too_many_scans
from kerasfusion.serving.raw_inputs import RawInputs

SIZE = (16, 16)
# Traced once for all tests.
decode = tf.function(
    lambda encoded: decode_images(encoded, SIZE, max_pixels=SERVING_PIXELS), [tf.TensorSpec((None,), tf.string)]
)


def encode(image, kind, **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def noise(mode="RGB", side=24):
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def segment(kind, content=b""):
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content


def jpeg_of_scans(scans, side=64):
    """A progressive JPEG whose last scan is repeated."""
    data = encode(Image.new("L", (side, side), 90), "JPEG", progressive=True, quality=50)
    end = data.rindex(b"\xff\xd9")
    scan = data[data.rindex(b"\xff\xda") : end]
    return data[:end] + scan * (scans - data.count(b"\xff\xda")) + data[end:]


def jpeg_of_segments(segments, kind=0xE1):
    data = encode(Image.new("RGB", (8, 8), (200, 100, 50)), "JPEG")
    return data[:2] + segment(kind) * segments + data[2:]


def gif_behind(data):
    gif = encode(Image.new("P", (8, 8)), "GIF")
    frame = gif.index(b"\x2c")
    return gif[:frame] + data + gif[frame:]


def gif_of_blocks(blocks):
    """A comment in blocks of changing sizes, which cannot be passed several at once."""
    pairs = b"\x01x\x02xx" * (blocks // 2)
    return gif_behind(b"\x21\xfe" + pairs + b"\0")


def gif_of_extensions(extensions):
    return gif_behind(b"\x21\xfe\x01x\0" * extensions)


def rgba_png(side):
    """A PNG of one half-transparent color, packed a thousandfold."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer, row = zlib.compressobj(1), b"\0" + bytes([200, 100, 50, 128]) * side
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# What each took before on the machine of the measurements is in the comment.
COSTLY = {
    "JPEG of 400 scans": lambda: jpeg_of_scans(400, 2000),  # 2 s; 50 s at 10,000 x 10,000
    "JPEG of a megabyte of empty segments": lambda: jpeg_of_segments(250_000),  # 5 s
    "GIF of a megabyte of small blocks": lambda: gif_of_blocks(400_000),  # 5 s
    "GIF of a megabyte of extensions": lambda: gif_of_extensions(200_000),  # 4 s
}


def test_a_small_file_that_asks_for_much_work_is_refused():
    costly, good = [make() for make in COSTLY.values()], encode(noise(), "PNG")
    decode(tf.constant([good, costly[0][:999]]))
    start = time.perf_counter()
    _, ok = decode(tf.constant([*costly, good]))
    assert dict(zip([*COSTLY, "good"], ok.numpy().tolist(), strict=True)) == dict.fromkeys(COSTLY, False) | {
        "good": True
    }
    assert time.perf_counter() - start < 6


def test_the_limits_leave_room():
    limits = {
        jpeg_of_scans: MOST_SCANS,
        jpeg_of_segments: MOST_SEGMENTS - 10,
        gif_of_blocks: MOST_BLOCK_STEPS - 10,
        gif_of_extensions: MOST_BLOCK_STEPS // 3 - 10,
    }
    below, above = ([make(most + more) for make, most in limits.items()] for more in (0, 40))
    _, ok = decode(tf.constant(below + above))
    assert ok.numpy().tolist() == [True] * 4 + [False] * 4


@pytest.mark.slow
def test_the_memory_of_a_transparent_image_is_that_of_its_pixels(tmp_path):
    """In a process of its own, which has nothing else in memory."""
    (tmp_path / "a.png").write_bytes(rgba_png(5000))
    code = (
        "import resource, sys, tensorflow as tf\n"
        "from kerasfusion.preprocessing import decode_images\n"
        "def decode(path):\n"
        "    decode_images(tf.constant([open(path, 'rb').read()]), (16, 16))\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        f"print(-decode({str(small_png(tmp_path))!r}) + decode({str(tmp_path / 'a.png')!r}))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # 100 MB of pixels; blending them whole took 410 MB.
    assert int(ran.stdout) < 230e6


def small_png(folder):
    path = folder / "small.png"
    path.write_bytes(encode(noise("RGBA"), "PNG"))
    return path


def test_strips_give_what_the_whole_image_gives(monkeypatch):
    monkeypatch.setattr("kerasfusion.preprocessing.alpha._STRIP_PIXELS", 300)
    random = np.random.default_rng(0)
    for height, width, channels in ((1, 133, 4), (101, 1, 2), (101, 133, 4)):
        pixels = tf.constant(random.integers(0, 256, (height, width, channels), dtype=np.uint8))
        for size in ((8, 16), (140, 140)):
            whole = tf.image.resize(over_white(pixels), size, antialias=True)
            np.testing.assert_array_equal(resize_over_white(pixels, tf.constant(size)), whole)


def test_scans_count_where_the_decoder_reads_them():
    """Not in a thumbnail, in metadata or behind the image, where phones put a film."""
    plain = encode(noise(), "JPEG", progressive=True)
    behind = plain + b"\xff\xda" * 1000
    inside = plain[:2] + segment(0xE1, b"Exif\0\0" + b"\xff\xda" * 1000) + plain[2:]
    # An end that is none: in a comment, ahead of scans that are.
    many = jpeg_of_scans(MOST_SCANS + 1)
    hidden = many[:2] + segment(0xFE, b"\xff\xd9") + many[2:]
    counted = [bool(has_too_many_scans(tf.constant(data))) for data in (plain, behind, inside, many, hidden)]
    assert counted == [False, False, False, True, True]
    _, ok = decode(tf.constant([behind, inside]))
    assert ok.numpy().all()


def test_load_says_which_limit_an_image_is_over(tmp_path):
    bad = {
        "s": jpeg_of_scans(40),
        "m": jpeg_of_segments(1100),
        "g": gif_of_blocks(5000),
        "d": jpeg_of_scans(9)[:-200],
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    for i in range(20):
        noise(side=8 + i).save(tmp_path / f"{i}.png")
    rows = [{"image": name, "label": "ab"[i % 2]} for i, name in enumerate([*bad, *(f"{i}.png" for i in range(20))])]
    (tmp_path / "t.csv").write_text("image,label\n" + "".join(f"{r['image']},{r['label']}\n" for r in rows))
    skipped = kf.data.load(tmp_path / "t.csv", image="image", label="label", image_size=16).skipped
    assert skipped.total == 4
    for reason in ("over 32 scans or 1,000 segments", "over 4,000 blocks", "cut off or damaged"):
        assert sum(reason in found for found in skipped.counts) >= 1, skipped.counts


def test_an_export_has_its_own_limit():
    feature = kf.Feature("image", "image", ("photo",), size=SIZE)
    raw = RawInputs([feature])
    raw.max_pixels = 24 * 24
    data = tf.constant(
        [encode(noise(side=24), "PNG"), encode(noise(side=25), "PNG"), encode(noise("RGBA", 25), "PNG")]
    )
    assert raw.preprocess(data)[1]["image_ok"].numpy().tolist() == [True, False, False]


# Damaged bytes ---------------------------------------------------------------------------------------------------

SEEDS = [
    encode(noise(), "JPEG"),
    encode(
        noise(), "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0"
    ),
    encode(noise("L"), "JPEG"),
    encode(noise("CMYK"), "JPEG"),
    encode(noise(), "PNG"),
    encode(noise("RGBA"), "PNG"),
    encode(noise("P"), "PNG"),
    encode(noise("P"), "GIF"),
    encode(noise("P"), "GIF", save_all=True, append_images=[noise("P", 23)]),
    encode(noise(), "BMP"),
    encode(noise("L"), "BMP"),
    encode(noise(), "WEBP"),
    encode(noise("RGBA"), "WEBP", lossless=True),
]
# Bytes that mean something in one of the formats.
TOKENS = [b"\xff\xda", b"\xff\xd9", b"\xff\xd8", b"\xff\xe1", b"\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
TOKENS += [b"IDAT", b"IEND", b"\x21\xf9", b"\x2c", b";", b"VP8X", b"VP8L", b"ALPH", b"\x80", b"\x01"]


@st.composite
def damaged(draw):
    """A sound image with bytes replaced, inserted, removed, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        # Headers, where most of the structure is, are hit as often as the rest.
        place = draw(st.integers(0, 64) | st.integers(0, len(data)))
        what = draw(st.sampled_from(("replace", "insert", "remove", "double", "cut")))
        some = draw(st.binary(min_size=1, max_size=4) | st.sampled_from(TOKENS))
        if what == "replace":
            data[place : place + len(some)] = some
        elif what == "insert":
            data[place:place] = some
        elif what == "remove":
            del data[place : place + draw(st.integers(1, 64))]
        elif what == "double":
            data[place:place] = data[place : place + draw(st.integers(1, 256))]
        else:
            del data[place:]
    return bytes(data)


@pytest.fixture(scope="module")
def sound():
    pixels, ok = decode(tf.constant(SEEDS))
    assert ok.numpy().all()
    return pixels.numpy()


@pytest.mark.hostile
@examples(25, 1_000)
@given(st.lists(damaged(), min_size=10, max_size=10))
def test_damaged_images_cost_their_own_rows(sound, batch):
    mixed = [row for pair in zip(itertools.cycle(SEEDS), batch, strict=False) for row in pair]
    pixels, ok = decode(tf.constant(mixed))
    pixels, ok = pixels.numpy(), ok.numpy()
    assert ok[::2].all()
    np.testing.assert_array_equal(pixels[::2], sound[np.arange(len(batch)) % len(SEEDS)])
    assert not pixels[~ok].any()
    # What decodes does so alone and the same.
    again, ok_again = decode(tf.constant(batch))
    np.testing.assert_array_equal(ok_again, ok[1::2])
    np.testing.assert_array_equal(again, pixels[1::2])
