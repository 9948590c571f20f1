"""What a data set holds: its features, its tasks, and what was learned from the training split."""

import dataclasses
import json
import re
from pathlib import Path

from kerasfusion.feature_kinds import FEATURE_KINDS, KINDS
from kerasfusion.files import write_json
from kerasfusion.names import RULE, claims, is_named_after, is_safe, reserved, safe_names
from kerasfusion.problem_types import TASK_TYPES, TYPES

# The first ids of every vocabulary. A word's id is its place in `vocabulary` plus `len(SPECIAL_TOKENS)`.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[START]", "[END]")
# The first ids of every column of categories.
SPECIAL_CATEGORIES = ("[MISSING]", "[UNKNOWN]")
# How a text becomes token ids: words of the training texts; the longest words of a vocabulary, where a script has no
# spaces; or BERT's pieces, of lower-cased words or not.
TOKENIZERS = ("words", "longest_match", "wordpiece", "wordpiece_cased")


@dataclasses.dataclass(frozen=True)
class Feature:
    """One model input.

    Args:
        name: The input's name, in layers and served requests: the kind for the only feature of that kind, else its
            column's name, made safe (`kf.data.safe_names`).
        kind: `"text"`, `"image"` or `"numeric"`, or another of `kf.schema.FEATURE_KINDS`.
        columns: Where it comes from in a table: one or more for numeric and categorical, one for others.
        size: Image and video. `(height, width)` in pixels.
        length: Text: token ids per example. Numeric: width of the vector. Boxes: boxes per example. Signal: samples
            per example. Video: frames per example.
        vocabulary: Text only. The words of ids 4, 5, …, most frequent first; or the pieces of a WordPiece tokenizer.
        mean: Numeric and signal. Mean of each column or channel over the training split.
        std: Numeric and signal. Standard deviation of each column or channel over the training split.
        tokenizer: Text only. `"words"`, where each character of a script without spaces is one;
            `"longest_match"`, the longest word of the vocabulary in such scripts; or a WordPiece tokenizer as BERT's:
            `"wordpiece"`, which lower-cases words and strips accents, or `"wordpiece_cased"`.
        categories: Categorical only. By column the categories of ids 2, 3, …, most frequent first; empty where there
            were too many. Boxes: those of a box.
        buckets: Categorical only. Number of ids that the categories of such a column are hashed into.
        image: Boxes only. Name of the image feature that they lie in, "" for none.
        units: Boxes only. What the table's coordinates count: `"pixels"` or `"fractions"` of the image. A model's are
            always fractions.
        channels: Signal only. Numbers in each sample.
        rate: Signal only. Samples a second; None for a series of numbers, which is not resampled and not served as
            a WAV file.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    size: tuple[int, int] | None = None
    length: int | None = None
    vocabulary: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    tokenizer: str = "words"
    categories: tuple[tuple[str, ...], ...] = ()
    buckets: int = 0
    image: str = ""
    units: str = ""
    channels: int | None = None
    rate: int | None = None

    def __post_init__(self):
        if self.tokenizer not in TOKENIZERS:
            raise ValueError(f"Feature {self.name!r}: tokenizer must be one of {TOKENIZERS}, not {self.tokenizer!r}.")
        if self.kind not in FEATURE_KINDS:
            raise ValueError(f"Feature {self.name!r}: kind must be one of {FEATURE_KINDS}, not {self.kind!r}.")
        for field in ("columns", "vocabulary", "mean", "std"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.size is not None:
            object.__setattr__(self, "size", tuple(self.size))
        object.__setattr__(self, "categories", tuple(map(tuple, self.categories)))

    @property
    def title(self):
        """The name to show to people: the column's own where the feature is named after it."""
        return _title(self.name, *self.columns)

    @property
    def traits(self):
        """The `FeatureKind` of its kind."""
        return KINDS[self.kind]

    @property
    def input_shape(self):
        """Shape of one row of its input: `(L,)` of a text, `(H, W, 3)` of an image, `(n,)` of numbers."""
        return self.traits.input_shape(self)

    @property
    def vocabulary_size(self):
        """Number of token ids, the four special ones included."""
        return len(self.vocabulary) + len(SPECIAL_TOKENS)

    @property
    def category_names(self):
        """What the ids of each column of categories stand for; of a hashed column, numbers of buckets."""
        return [(*SPECIAL_CATEGORIES, *(known or range(self.buckets))) for known in self.categories]

    @property
    def box_width(self):
        """Numbers per box: left, top, right and bottom, and the id of its category where boxes have one."""
        return 5 if self.categories else 4

    @property
    def token_names(self):
        """What each token id stands for."""
        return (*SPECIAL_TOKENS, *self.vocabulary)


@dataclasses.dataclass(frozen=True)
class Task:
    """One thing to predict.

    Args:
        name: `"label"` for the only task, else its column's name, made safe (`kf.data.safe_names`); `"caption"` and
            `"match"` for these.
        type: `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"`; `"captioning"`, a sentence to write about
            the image; `"retrieval"`, which image a text belongs to; `"segments"`, the parts of a video to keep in a
            summary; or `"embedding_regression"`, a vector.
        column: The column of the table that holds it.
        classes: Class names in the order of the logits. Binary: `(negative, positive)`. Regression: empty.
            Embedding regression: names of the vector's dimensions. Segments: their numbers, from 0.
        mean: Regression and embedding regression only. Mean over the training split.
        std: Regression and embedding regression only. Standard deviation over the training split.
        weight: Weight of this task's loss in the sum.
        vocabulary: Captioning only. The words of ids 4, 5, …, most frequent first.
        length: Captioning only. Token ids per caption, start and end included: its words plus two.
        tokenizer: Captioning only. `"words"` or `"longest_match"`, as for `Feature`.
    """

    name: str
    type: str
    column: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    weight: float = 1.0
    vocabulary: tuple[str, ...] = ()
    length: int | None = None
    tokenizer: str = "words"

    def __post_init__(self):
        if self.tokenizer not in TOKENIZERS[:2]:
            raise ValueError(
                f"Task {self.name!r}: tokenizer must be one of {TOKENIZERS[:2]}, not {self.tokenizer!r}."
            )
        if self.type not in TYPES:
            raise ValueError(f"Task {self.name!r}: type must be one of {TASK_TYPES}, not {self.type!r}.")
        for field in ("classes", "vocabulary"):
            object.__setattr__(self, field, tuple(getattr(self, field)))

    @property
    def title(self):
        """The name to show to people: the column's own where the task is named after it."""
        return _title(self.name, self.column)

    @property
    def vocabulary_size(self):
        """Number of token ids, the four special ones included."""
        return len(self.vocabulary) + len(SPECIAL_TOKENS)

    @property
    def outputs(self):
        """Width of the task's logits; of a caption's, at each of its tokens."""
        return TYPES[self.type].outputs(self)

    @property
    def class_count(self):
        """Number of classes; 0 where the task has none."""
        return len(self.classes)

    @property
    def link(self):
        """How logits become probabilities: `"softmax"`, `"sigmoid"`, `"cumulative"`, or None without classes."""
        return TYPES[self.type].link

    @property
    def one_class(self):
        """Whether a label is exactly one of the classes."""
        return TYPES[self.type].labels == "class"

    @property
    def any_classes(self):
        """Whether a label is any number of the classes (tags)."""
        return TYPES[self.type].labels == "classes"

    @property
    def is_number(self):
        """Whether a label is one number."""
        return TYPES[self.type].labels == "number"

    @property
    def is_box(self):
        """Whether a label is a box in the image."""
        return TYPES[self.type].labels == "box"

    @property
    def has_probabilities(self):
        """Whether its answers are classes with probabilities."""
        return TYPES[self.type].link is not None


@dataclasses.dataclass(frozen=True)
class Schema:
    """Features, tasks and everything that was learned from the training split. A model holds none of it.

    Args:
        features: `Feature`s, the model's inputs in order.
        tasks: `Task`s, its outputs.

    Raises:
        ValueError: A name that layers, signatures or servers do not accept, or two names that clash.

    Example:

    ```python
    schema = kf.Schema(
        features=(
            kf.Feature("text", "text", ("description",), length=8, vocabulary=("cat", "dog")),
            kf.Feature("image", "image", ("photo",), size=(64, 64)),
        ),
        tasks=(kf.Task("label", "multiclass", "species", classes=("cat", "dog")),),
    )
    model = kf.create_model("classifier_gated", schema)
    ```
    """

    features: tuple[Feature, ...]
    tasks: tuple[Task, ...]

    def __post_init__(self):
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "tasks", tuple(self.tasks))
        names = [f.name for f in self.features] + [t.name for t in self.tasks]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"Schema: the name(s) {twice} are used more than once.")
        _check_names(self)

    def of_kind(self, kind):
        """The features of one kind, in order."""
        return tuple(f for f in self.features if f.kind == kind)

    def of_type(self, *types):
        """The tasks of these types, in order."""
        return tuple(t for t in self.tasks if t.type in types)

    @property
    def model_task(self):
        """Which models of the zoo learn its tasks: `"label"`, `"retrieval"` or `"captioning"`."""
        found = {TYPES[task.type].model for task in self.tasks}
        return next(iter(sorted(found - {"label"})), "label")

    @property
    def is_paired(self):
        """Whether a task needs all features of a row: the row pairs them."""
        return any(TYPES[task.type].paired for task in self.tasks)

    @property
    def kinds(self):
        """The kinds of its features, in order: its modalities."""
        return tuple(dict.fromkeys(feature.kind for feature in self.features))

    @property
    def stored(self):
        """The features whose cells are files, such as images."""
        return tuple(f for f in self.features if f.traits.stored)

    def only(self, *kinds):
        """The same schema with the features of these kinds alone (what a single-modality baseline sees)."""
        return dataclasses.replace(self, features=tuple(f for f in self.features if f.kind in kinds))

    def __getitem__(self, name):
        """The feature or task of that name."""
        for item in self.features + self.tasks:
            if item.name == name:
                return item
        raise KeyError(f"Schema has no {name!r}; it has {[i.name for i in self.features + self.tasks]}.")

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, config):
        return cls(
            features=tuple(Feature(**f) for f in config["features"]),
            tasks=tuple(Task(**t) for t in config["tasks"]),
        )

    def save(self, path):
        """Write the schema as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path):
        """Read a schema written by `save`."""
        return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))


def schema_differences(trained, schema):
    """What a schema asks for that weights trained with another schema do not have.

    Args:
        trained: The `Schema` of the weights.
        schema: The `Schema` that they are wanted for.

    Returns:
        list of str, a clause for each feature or task that differs; empty where the weights fit.
    """
    differences = []
    for role, ours, theirs in (
        ("feature", trained.features, schema.features),
        ("task", trained.tasks, schema.tasks),
    ):
        names = {item.name: item for item in ours}
        lost = sorted(set(names) - {item.name for item in theirs})
        differences += [f"it lacks the {role} {name!r}" for name in lost]
        differences += [
            f"the {role} {item.name!r} " + _difference(names.get(item.name), item)
            for item in theirs
            if _difference(names.get(item.name), item)
        ]
    return differences


def _difference(ours, theirs):
    """How a feature or task differs from the trained one, or an empty string."""
    if ours is None:
        return f"is not among those of the weights ({_kind(theirs)})"
    if _kind(ours) != _kind(theirs):
        return f"is {_kind(theirs)}, not {_kind(ours)}"
    for field, what in (("vocabulary", "words"), ("classes", "classes")):
        known, wanted = getattr(ours, field, ()), getattr(theirs, field, ())
        if known != wanted:
            missing = [name for name in wanted if name not in known]
            shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            return (
                f"has {what} that the weights lack: {shown}"
                if missing
                else f"has the {what} in another order, or fewer of them"
            )
    for field in ("size", "length", "categories"):
        known, wanted = getattr(ours, field, None), getattr(theirs, field, None)
        if known != wanted:
            return f"has the {field} {wanted}, not {known}"
    return ""


def _kind(item):
    return item.type if isinstance(item, Task) else item.kind


def _title(name, *columns):
    return columns[0] if len(columns) == 1 and is_named_after(name, columns[0]) else name


def _check_names(schema):
    taken = reserved(with_requests=schema.model_task != "label")
    for item in schema.features + schema.tasks:
        task = isinstance(item, Task)
        # A task names no input, and runs of before `safe_names` have such tasks.
        if not isinstance(item.name, str):
            raise ValueError(f"Schema: the name {item.name!r} is not a string. Names are {RULE}.")
        if not is_safe(item.name) and not (task and re.fullmatch("[A-Za-z0-9_.-]+", item.name)):
            problem = "is not safe for layers, signatures and servers"
        elif taken & claims(item.name, task):
            problem = "clashes with the name of another feature or task, or of a layer or output"
        else:
            taken |= claims(item.name, task)
            continue
        (name,) = safe_names([item.name], taken, task).values()
        raise ValueError(
            f"Schema: the {'task' if task else 'feature'} name {item.name!r} {problem}. Names are {RULE}, and differ "
            f"in more than case. Name it {name!r}, and keep the column's own name in "
            f"`{'column' if task else 'columns'}`."
        )
