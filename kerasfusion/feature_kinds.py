"""Kinds of features and the traits that every layer may ask for. It imports nothing of the package."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FeatureKind:
    """Traits of a kind of feature.

    What a layer does with the kind is an entry of that layer's own registry: `data.features`,
    `preprocessing.features`, `encoders.features`, `evaluation.features`, `evaluation.html_report.features` and
    `serving.features`.

    Args:
        default_name: Name of the only feature of the kind.
        help: What its option of the command line says.
        joint: Whether all columns of the kind are one feature; else each column is one.
        inferred: Whether its columns are looked for where none was named.
        stored: Whether a cell is a file, so that `Examples.arrays` holds places in a store of `Examples.banks`.
        shape: Shape of one row of a model's input: numbers, and names of `Feature` fields that hold them.
        dtype: Type of a model's input.
        counts: `Feature` fields that are whole numbers above 0.
        sides: `Feature` fields that are two of them, a height and a width.
        per_column: `Feature` fields with a value for each column.
        spare_bytes: What its preprocessing may add to the graph of an export, beside that of texts and images.
    """

    default_name: str
    help: str
    joint: bool = False
    inferred: bool = False
    stored: bool = False
    shape: tuple = ("length",)
    dtype: str = "int32"
    counts: tuple = ()
    sides: tuple = ()
    per_column: tuple = ()
    spare_bytes: int = 0

    def input_shape(self, feature):
        """Shape of one row of a `Feature`'s input."""
        found = []
        for part in self.shape:
            value = getattr(feature, part) if isinstance(part, str) else part
            found += value if isinstance(value, tuple) else [value]
        return tuple(found)

    def problem(self, feature):
        """What is wrong with the fields of a `Feature` of this kind, in words, or None."""
        for name in self.counts:
            if not _is_count(getattr(feature, name)):
                return f"{name} must be a whole number above 0, not {getattr(feature, name)!r}"
        if not feature.columns:
            return "it has no columns"
        for name in self.sides:
            value = getattr(feature, name)
            if not value or len(value) != 2 or not all(map(_is_count, value)):
                return f"{name} must be two whole numbers above 0, not {value!r}"
        sizes = {len(getattr(feature, name)) for name in self.per_column}
        if sizes and len(sizes | {len(feature.columns), feature.length}) > 1:
            return f"columns, {', '.join(self.per_column)} and length must be of one number of columns"
        return None


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# In the order of a schema's features.
KINDS = {
    "image": FeatureKind(
        "image",
        "Image column(s), divided by commas.",
        inferred=True,
        stored=True,
        shape=("size", 3),
        dtype="uint8",
        sides=("size",),
    ),
    "text": FeatureKind("text", "Text column(s), divided by commas.", inferred=True, counts=("length",)),
    "numeric": FeatureKind(
        "numbers",
        "Columns of plain numbers, divided by commas.",
        joint=True,
        dtype="float32",
        counts=("length",),
        per_column=("mean", "std"),
    ),
    "categorical": FeatureKind(
        "categories",
        "Columns of categories, divided by commas.",
        joint=True,
        counts=("length",),
        per_column=("categories",),
    ),
    "boxes": FeatureKind(
        "boxes",
        "Column(s) of boxes in an image, divided by commas.",
        shape=("length", "box_width"),
        dtype="float32",
        counts=("length",),
    ),
    "signal": FeatureKind(
        "signal",
        "Columns of signals (WAV files or series of numbers), divided by commas.",
        stored=True,
        shape=("length", "channels"),
        dtype="float32",
        counts=("length", "channels"),
        spare_bytes=200_000,
    ),
    "video": FeatureKind(
        "video",
        "Columns of videos (lists of frames, folders, GIF, MP4, AVI), divided by commas.",
        stored=True,
        shape=("length", "size", 3),
        dtype="uint8",
        counts=("length",),
        sides=("size",),
        spare_bytes=200_000,
    ),
}
FEATURE_KINDS = tuple(KINDS)
