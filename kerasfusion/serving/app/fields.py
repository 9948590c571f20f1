"""What a page shows of a signature: a field for each input, and an answer for each output."""

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

# Inputs and outputs that are numbers of the model's own, not of a person.
HIDDEN = ("tensors",)
# Kinds of features whose bytes are no plain file to a page.
_WIDGETS = {"image": "image"}


@dataclass(frozen=True)
class Field:
    """One input of a signature, as a page asks for it.

    Args:
        name: Name in the signature.
        widget: `"image"`, `"file"`, `"files"`, `"text"`, `"lines"`, `"number"` or `"numbers"`.
        dtype: TensorFlow's name of its type.
        size: Numbers in one row, for `"numbers"`.
    """

    name: str
    widget: str
    dtype: str
    size: int | None = None

    def to_array(self, value):
        """The value of one row as the array that the signature takes, `(1, …)`.

        Args:
            value: Of an image or file the bytes, of files a list of bytes, of text a string (`"lines"`: a line for
                each), of numbers a JSON list; None or an empty string is a missing value.

        Raises:
            ValueError: Numbers that are not JSON, or not as many as the model takes.
        """
        if self.widget in ("image", "file"):
            return [value or b""]
        if self.widget == "files":
            return [list(value or [b""])]
        if self.widget == "text":
            return [(value or "").encode()]
        if self.widget == "lines":
            return [[line.strip().encode() for line in (value or "").splitlines() if line.strip()] or [b""]]
        if self.widget == "number":
            return np.array([value or 0], self.dtype)
        try:
            numbers = np.atleast_1d(np.array(json.loads(value or "null"), self.dtype))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.name}: {value!r} is no list of numbers such as [1, 2.5].") from error
        if self.size is not None and value and numbers.shape != (self.size,):
            raise ValueError(f"{self.name}: the model takes {self.size} numbers, not {numbers.size}.")
        return numbers[None] if value else np.full((1, self.size or 1), np.nan, self.dtype)


def input_fields(signature, metadata):
    """The fields of a signature's inputs, images and texts first.

    Args:
        signature: `{"inputs": {name: (dtype, shape)}, …}`, as in `CApiSession.signatures`.
        metadata: The export's card (`kerasfusion.serving.metadata.read_metadata`).

    Returns:
        list of Field
    """
    kinds = metadata.get("features", {})
    fields = [_field(name, dtype, shape, kinds) for name, (dtype, shape) in signature["inputs"].items()]
    order = ("image", "files", "file", "text", "lines", "numbers", "number")
    return sorted(fields, key=lambda field: (order.index(field.widget), field.name))


def _field(name, dtype, shape, kinds):
    rank = len(shape or ())
    if name.endswith("_bytes"):
        single = _WIDGETS.get(kinds.get(name.removesuffix("_bytes"), "image"), "file")
        return Field(name, "files" if rank > 1 else single, dtype)
    if dtype == "string":
        return Field(name, "lines" if rank > 1 else "text", dtype)
    return Field(name, "numbers" if rank > 1 else "number", dtype, shape[1] if rank > 1 else None)


def read_answer(outputs, metadata, image=None):
    """Sort the outputs of one row by how they are shown.

    Args:
        outputs: dict name -> array `(1, …)`, of a signature.
        metadata: The export's card.
        image: The bytes of the image that was sent; a box is drawn into it.

    Returns:
        dict with any of `label` (dict class -> probability), `image` (`PIL.Image.Image`), `rows` (a list of dicts,
        best first) and, always, `other` (dict name -> JSON value).
    """
    row = {name: np.asarray(value)[0] for name, value in outputs.items()}
    answer = {}
    for task, classes in metadata.get("classes", {}).items():
        name = next((n for n in (f"{task}_probabilities", "probabilities") if n in row), None)
        if name and np.shape(row[name]) == (len(classes),):
            probabilities = row.pop(name)
            if metadata.get("types", {}).get(task) == "segments":
                answer["rows"] = [
                    {"segment": c, "score": float(p)} for c, p in zip(classes, probabilities, strict=True)
                ]
            else:
                answer["label"] = {c: float(p) for c, p in zip(classes, probabilities, strict=True)}
    if "ids" in row:
        ids, scores = row.pop("ids"), row.pop("scores")
        answer["rows"] = [{"id": _text(i), "score": round(float(s), 4)} for i, s in zip(ids, scores, strict=True)]
    if (made := open_image(row.get("image_bytes"))) is not None:
        answer["image"] = made.convert("RGB")
        del row["image_bytes"]
    if "box_pixels" in row and image and row.get("image_ok", True):
        answer["image"] = _with_box(image, row["box_pixels"])
    if "chosen" in row:
        answer["rows"] = [
            {"segment": place, "score": round(float(score), 4)}
            for place, score in enumerate(row.pop("scores"))
            if row["chosen"][place]
        ]
    return {**answer, "other": {name: _to_json(value) for name, value in row.items()}}


def open_image(encoded):
    """Open an encoded image.

    Args:
        encoded: Bytes, or None.

    Returns:
        PIL.Image.Image, or None where the bytes are missing or no image.
    """
    try:
        return Image.open(io.BytesIO(encoded or b""))
    except UnidentifiedImageError:
        return None


def _with_box(image, box):
    shown = Image.open(io.BytesIO(image)).convert("RGB")
    scale = max(1, 320 // max(shown.size))
    shown = shown.resize((shown.width * scale, shown.height * scale), Image.Resampling.NEAREST)
    ImageDraw.Draw(shown).rectangle([float(side) * scale for side in box], outline="red", width=3)
    return shown


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _to_json(value):
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    value = np.asarray(value)
    if value.ndim == 0:
        item = value.item()
        return _to_json(item) if isinstance(item, bytes) else round(item, 4) if isinstance(item, float) else item
    return [_to_json(item) for item in value]
