"""Images small enough to lie inside a page."""

import base64
import io
import warnings

from PIL import Image, ImageDraw, ImageOps

SIDE = 144
# Of boxes: a color that photographs seldom have.
_BOX = (255, 0, 200)


def thumbnail(encoded, side=SIDE, boxes=()):
    """An image as a `data:` address, no larger than the page needs.

    Args:
        encoded: The image's bytes, in any format that Pillow reads.
        side: Longest side in pixels; smaller images keep their size.
        boxes: Boxes to draw: left, top, right and bottom as fractions of the image.

    Returns:
        tuple: the address (PNG for images of up to 64 pixels, whose every pixel counts, else JPEG) and
        `(width, height)`; None where the image cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's remarks on odd metadata; what it cannot read it raises.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded)) as image:
                image.draft("RGB", (2 * side, 2 * side))
                reduced = _on_white(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError):
        return None
    reduced.thumbnail((side, side))
    for left, top, right, bottom in boxes:
        width, height = reduced.size
        corners = (left * width, top * height, max(right * width - 1, left * width), bottom * height - 1)
        ImageDraw.Draw(reduced).rectangle((*corners[:3], max(corners[3], corners[1])), outline=_BOX)
    return _address(reduced, "png" if max(reduced.size) <= 64 else "jpeg"), reduced.size


def jpeg(pixels, side=SIDE):
    """A drawing, uint8 `(H, W, 3)`, as a `data:` address: `(address, width, height)`."""
    reduced = Image.fromarray(pixels)
    reduced.thumbnail((side, side))
    return _address(reduced, "jpeg"), *reduced.size


def _address(reduced, kind):
    file = io.BytesIO()
    # PNG takes no notice of the quality.
    reduced.save(file, kind, quality=80, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _on_white(image):
    if image.mode in ("RGB", "L"):
        return image.convert("RGB")
    if image.mode.startswith("I"):
        # 16 bits of grey, as scanners write them; converting would cut at 255 instead of scaling.
        return image.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    transparent = image.convert("RGBA")
    white = Image.new("RGBA", transparent.size, "white")
    return Image.alpha_composite(white, transparent).convert("RGB")
