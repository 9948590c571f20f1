"""An export under requests as clients send them: odd rows get an answer, wrong requests an error."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasfusion.serving import CApiSession
from kerasfusion.serving.capi import ServingError

SIZE = (8, 8)


def encode(image, kind="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def colors(mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def bomb():
    """A PNG of 60 bytes that asks for 7.5 GB."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + bytes(12)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(colors(), "JPEG", exif=exif, quality=100)


ODD_IMAGES = {
    "turned JPEG": turned(),
    "CMYK JPEG": encode(colors("CMYK"), "JPEG"),
    "transparent PNG": encode(colors("RGBA")),
    "transparent WebP": encode(colors("RGBA"), "WEBP"),
    "palette BMP": encode(colors().quantize(16), "BMP"),
    "animated GIF": encode(colors("P"), "GIF", save_all=True, append_images=[Image.new("P", SIZE)]),
    "another size": encode(colors().resize((20, 9))),
}
BAD_IMAGES = {
    "none": b"",
    "text": b"hello",
    "cut off": encode(colors())[:-30],
    "bomb": bomb(),
    "TIFF": encode(colors(), "TIFF"),
    "animated WebP": encode(colors(), "WEBP", save_all=True, append_images=[Image.new("RGB", SIZE)]),
}
# The words "red" and "circle" are known.
ODD_TEXTS = {
    "unknown words": b"never heard of",
    "empty": b"",
    "blank": b" \t\n",
    "1,000 words": b"red circle " * 500,
    "emoji": "👍🏽🇩🇪".encode(),
    "Chinese": "红色的圆".encode(),
    "right to left": "\u202eمرحبا".encode(),
    "zero": b"red\0circle",
    "no UTF-8": b"\xff\xfe red",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model with random weights, and a session on its export."""
    import keras

    import kerasfusion as kf
    from kerasfusion.schema import Feature, Schema, Task
    from kerasfusion.serving.exporting import export_model

    keras.utils.set_random_seed(0)
    schema = Schema(
        features=(
            Feature("text", "text", ("text",), length=4, vocabulary=("red", "circle")),
            Feature("image", "image", ("photo",), size=SIZE),
        ),
        tasks=(Task("label", "multiclass", "label", classes=("a", "b", "c")),),
    )
    model = kf.create_model("classifier_sum", schema, units=8, image_encoder={"name": "small_cnn", "filters": (4,)})
    base = tmp_path_factory.mktemp("odd") / "odd"
    examples = {"text": [b"red"], "image_bytes": [encode(colors())]}
    with CApiSession(export_model(model, schema, base, examples)) as session:
        yield model, schema, session


@pytest.fixture(scope="module")
def answers(served):
    """Case -> what the export answers to its row and what the model does, all rows in one request."""
    from kerasfusion.preprocessing import decode_images, text_vectorizer

    model, schema, session = served
    image_rows = ODD_IMAGES | BAD_IMAGES
    texts = [b"red circle"] * len(image_rows) + list(ODD_TEXTS.values())
    images = list(image_rows.values()) + [encode(colors())] * len(ODD_TEXTS)
    found = session.run("serving_default", {"text": texts, "image_bytes": images})
    pixels, ok = decode_images(np.array(images, object), SIZE)
    ids = np.asarray(text_vectorizer(schema["text"])(np.array(texts, object)), "int32")
    inputs = {"text": ids, "text_present": ids.any(axis=1), "image": pixels.numpy(), "image_present": ok.numpy()}
    logits = np.asarray(model(inputs)["label"])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = zip(found["probabilities"], found["image_ok"], expected, strict=True)
    return dict(zip([*image_rows, *ODD_TEXTS], rows, strict=True))


@pytest.mark.parametrize("case", ODD_IMAGES)
def test_odd_images_are_seen_as_in_training(answers, case):
    probabilities, ok, expected = answers[case]
    assert ok
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_missing_ones_and_said(answers, case):
    probabilities, ok, _ = answers[case]
    assert not ok
    np.testing.assert_array_equal(probabilities, answers["none"][0])


@pytest.mark.parametrize("case", ODD_TEXTS)
def test_odd_texts_get_an_answer(answers, case):
    probabilities, ok, expected = answers[case]
    assert ok
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_zero_does_not_end_a_text(served):
    _, _, session = served
    request = {"text": [b"red\0circle", b"red circle", b"red"], "image_bytes": [b""] * 3}
    zero, both, one = session.run("serving_default", request)["probabilities"]
    np.testing.assert_array_equal(zero, both)
    assert np.abs(zero - one).max() > 1e-6


IMAGES = [encode(colors())]
WRONG = {
    "signature": ("serving_defalt", {}, "NOT_FOUND", r"No signature 'serving_defalt'; there are .*`serving_default`"),
    "input": (
        "serving_default",
        {"text": [b"red"], "image": IMAGES},
        "INVALID_ARGUMENT",
        r"missing `image_bytes`; unknown `image`\. Its inputs are `image_bytes`, `text`",
    ),
    "type": (
        "serving_default",
        {"text": [3], "image_bytes": IMAGES},
        "INVALID_ARGUMENT",
        r"`serving_default`: input `text`: Expected bytes or str, received int: 3",
    ),
    "rank": (
        "serving_default",
        {"text": [[b"red"]], "image_bytes": IMAGES},
        "INVALID_ARGUMENT",
        r"input `text` has shape \(None,\), received \(1, 1\)",
    ),
    "type of a tensor": (
        "tensors",
        {"text": np.zeros((1, 4)), "text_present": [True], "image": np.zeros((1, 8, 8, 3)), "image_present": [True]},
        "INVALID_ARGUMENT",
        r"`tensors`: input `\w+` is \w+, received float64",
    ),
    "size of a tensor": (
        "tensors",
        {
            "text": np.zeros((1, 4), "int32"),
            "text_present": [True],
            "image": np.zeros((1, 9, 8, 3), "uint8"),
            "image_present": [True],
        },
        "INVALID_ARGUMENT",
        r"input `image` has shape \(None, 8, 8, 3\), received \(1, 9, 8, 3\)",
    ),
    "half of a character": (
        "serving_default",
        {"text": ["\ud800"], "image_bytes": IMAGES},
        "INVALID_ARGUMENT",
        r"`serving_default`: input `text`: 'utf-8' codec can't encode .*surrogates not allowed",
    ),
    "numbers of rows": (
        "serving_default",
        {"text": [b"red", b"red"], "image_bytes": IMAGES},
        "INVALID_ARGUMENT",
        r"The inputs \(text, image_bytes\) differ in their numbers of rows:.*\[2 1\]",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests_say_what_is_wrong(served, case):
    _, _, session = served
    signature, inputs, status, message = WRONG[case]
    with pytest.raises(ServingError, match=message) as refused:
        session.run(signature, inputs)
    assert refused.value.status == status
