"""Pictures small enough to lie inside a page."""

import base64
import io
import warnings

from PIL import Image, ImageOps

SIDE = 144


def thumbnail(encoded, side=SIDE):
    """A picture as a `data:` address, no larger than the page needs.

    Args:
        encoded: The picture's bytes, in any format that Pillow reads.
        side: Longest side in pixels; smaller pictures keep their size.

    Returns:
        tuple: the address (PNG for pictures of up to 64 pixels, whose every pixel counts, else JPEG) and
        `(width, height)`; None where the picture cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's remarks on odd metadata; what it cannot read it raises.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded)) as image:
                image.draft("RGB", (2 * side, 2 * side))
                picture = _on_white(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError):
        return None
    picture.thumbnail((side, side))
    return _address(picture, "png" if max(picture.size) <= 64 else "jpeg"), picture.size


def jpeg(pixels, side=SIDE):
    """A drawing, uint8 `(H, W, 3)`, as a `data:` address: `(address, width, height)`."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return _address(picture, "jpeg"), *picture.size


def _address(picture, kind):
    file = io.BytesIO()
    # PNG takes no notice of the quality.
    picture.save(file, kind, quality=80, optimize=True)
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
