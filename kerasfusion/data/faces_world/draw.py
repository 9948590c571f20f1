"""From a person and a look to an image."""

import math

import numpy as np
from PIL import Image, ImageDraw

IMAGE_SIZE = 64

# Drawn larger and reduced, for smooth edges.
_DETAIL = 3
_CANVAS = IMAGE_SIZE * _DETAIL


def draw_face(person, look, rng, noise=4.0):
    """Draw a face from the front.

    Args:
        person: A `Person`.
        look: A `Look`.
        rng: `np.random.Generator` of the noise.
        noise: float, standard deviation of the noise of each pixel. Defaults to 4.0.

    Returns:
        uint8 array `(64, 64, 3)`.

    Example:

    ```python
    rng = np.random.default_rng(0)
    image = draw_face(sample_person(rng), sample_look(rng), rng)
    ```
    """
    image = Image.new("RGB", (_CANVAS, _CANVAS), _rgb(look.ground))
    _Pencil(image, look.scale).face(person, look)
    x, y = (-fraction * _CANVAS for fraction in look.shift)
    # Turned around the middle and shifted at once.
    angle = math.radians(look.angle)
    cos, sin, middle = math.cos(angle), math.sin(angle), _CANVAS / 2
    matrix = (cos, sin, middle - (cos + sin) * middle + x, -sin, cos, middle + (sin - cos) * middle + y)
    image = image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_rgb(look.ground)
    )
    pixels = np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX), float) * look.light
    return np.clip(np.rint(pixels + rng.normal(0, noise, pixels.shape)), 0, 255).astype("uint8")


def hide_half(image, rng, noise=20.0):
    """Hide the upper or the lower half of a face behind a gray area, and add noise to the rest.

    Args:
        image: uint8 array `(height, width, 3)`.
        rng: `np.random.Generator`, which half and the noise.
        noise: float, standard deviation of the noise. Defaults to 20.0.

    Returns:
        uint8 array of the same shape.

    Example:

    ```python
    hidden = hide_half(draw_face(person, look, rng), rng)
    ```
    """
    pixels = image + rng.normal(0, noise, image.shape)
    middle = len(image) // 2
    pixels[slice(0, middle) if rng.random() < 0.5 else slice(middle, None)] = 128
    return np.clip(np.rint(pixels), 0, 255).astype("uint8")


def _rgb(color, factor=1.0):
    return tuple(int(np.clip(round(value * factor), 0, 255)) for value in color)


class _Pencil:
    """Draws in coordinates whose origin is the middle of the face; 1 is the image's width."""

    def __init__(self, image, scale):
        self.draw = ImageDraw.Draw(image)
        self.scale = scale

    def _box(self, x, y, width, height):
        """The corners of a box with half the width and half the height given."""
        corners = (x - width, y - height, x + width, y + height)
        return [_CANVAS * (0.5 + self.scale * value) for value in corners]

    def _width(self, width):
        return max(1, round(width * self.scale * _CANVAS))

    def oval(self, x, y, width, height, color, outline=None, line=0.0):
        self.draw.ellipse(self._box(x, y, width, height), _rgb(color) if color else None, outline, self._width(line))

    def line(self, points, width, color):
        points = [tuple(_CANVAS * (0.5 + self.scale * value) for value in point) for point in points]
        self.draw.line(points, color, self._width(width), joint="curve")

    def arc(self, x, y, width, height, start, end, line, color):
        self.draw.arc(self._box(x, y, width, height), start, end, color, self._width(line))

    def face(self, person, look):
        size = person.sizes
        width, height = size["face_width"], size["face_height"]
        self._hair(person, width, height)
        for side in (-1, 1):
            self.oval(side * width, 0.0, 0.035, 0.055, person.skin)
        self.oval(0, 0.02, width, height, person.skin)
        self._fringe(person, width, height)
        self._eyes(person, look)
        dark = _rgb(person.skin, 0.68)
        tip = size["nose_length"] + 0.01
        self.line([(-0.008, 0.0), (-size["nose_width"], tip), (size["nose_width"], tip)], 0.014, dark)
        if person.beard:
            chin = size["mouth_height"] + 0.01
            self.oval(0, chin + 0.06, 0.72 * width, height + 0.03 - chin, person.hair_color)
        if person.age != "young":
            self._wrinkles(person, dark)
        self._mouth(person, look)
        if look.hat is not None:
            self._hat(look.hat, width, height)

    def _hair(self, person, width, height):
        if person.sex == "woman":
            self.oval(0, 0.03, width + 0.075, height + 0.07, person.hair_color)
            box = self._box(0, 0.22, width + 0.07, 0.17)
            self.draw.rectangle(box, _rgb(person.hair_color))
        else:
            self.oval(0, -0.09, width + 0.025, height - 0.07, person.hair_color)

    def _fringe(self, person, width, height):
        box = self._box(0, 0.02, width, height)
        reach = 50 if person.sex == "woman" else 42
        self.draw.chord(box, 270 - reach, 270 + reach, _rgb(person.hair_color))

    def _eyes(self, person, look):
        size = person.sizes
        y, radius = -size["eye_height"], size["eye_size"]
        wide = 1.3 if look.expression == "surprised" else 1.0
        brow = y - size["brow_height"] - (0.02 if look.expression == "surprised" else 0.0)
        for side in (-1, 1):
            x = side * size["eye_distance"]
            self.oval(x, y, 1.35 * radius, 0.85 * radius * wide, (245, 245, 245))
            self.oval(x, y, 0.72 * radius, 0.72 * radius, person.eyes)
            self.oval(x, y, 0.35 * radius, 0.35 * radius, (15, 15, 15))
            self.line(
                [(x - 0.05, brow + 0.008), (x, brow - 0.008), (x + 0.05, brow + 0.008)],
                0.018,
                _rgb(person.hair_color),
            )
            if person.glasses:
                self.oval(x, y, 0.075, 0.062, None, (25, 25, 30), 0.016)
        if person.glasses:
            inner = size["eye_distance"] - 0.075
            self.line([(-inner, y), (inner, y)], 0.014, (25, 25, 30))

    def _wrinkles(self, person, color):
        size = person.sizes
        lines = {"middle-aged": 1, "elderly": 3}[person.age]
        for number in range(lines):
            y = -size["eye_height"] - size["brow_height"] - 0.035 - 0.022 * number
            self.line([(-0.09, y), (0.09, y)], 0.009, color)
        for side in (-1, 1):
            x = side * (size["mouth_width"] + 0.025)
            self.line([(x * 0.72, 0.1), (x, size["mouth_height"] - 0.01)], 0.009 * (1 + (lines > 1)), color)
            if lines > 1:
                eye = side * size["eye_distance"]
                self.arc(eye, -size["eye_height"] + 0.02, 0.05, 0.035, 20, 160, 0.009, color)

    def _mouth(self, person, look):
        width, y = person.sizes["mouth_width"], person.sizes["mouth_height"]
        red = _rgb((176, 62, 66))
        if look.expression == "smiling":
            self.arc(0, y - 0.03, 1.15 * width, 0.065, 15, 165, 0.024, red)
        elif look.expression == "surprised":
            self.oval(0, y + 0.01, 0.6 * width, 0.045, (110, 30, 34), red, 0.014)
        else:
            self.line([(-width, y), (width, y)], 0.022, red)

    def _hat(self, color, width, height):
        brim = 0.02 - 0.78 * height
        self.draw.rectangle(self._box(0, brim - 0.1, 0.85 * width, 0.1), _rgb(color))
        self.draw.rectangle(self._box(0, brim, width + 0.09, 0.02), _rgb(color, 0.8))
