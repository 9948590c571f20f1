"""Names of models: what is registered, what each needs, and how one is made."""

import dataclasses
import difflib
import fnmatch
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasfusion.presets import check_files, find_preset
from kerasfusion.schema import Schema, schema_differences

if TYPE_CHECKING:
    # Listing the models must not wait for TensorFlow.
    import keras


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """One registered model.

    Args:
        name: The name given to `create_model`.
        builder: `builder(schema, **changes) -> keras.Model`.
        summary: One line for lists and tables.
        inputs: Feature kinds that a schema must hold.
        source: The article section or paper it comes from.
        task: `"label"`, any tasks with labels, `"retrieval"`, which image a text belongs to, `"captioning"`, or
            `"grounding"`, where in an image a text is: boxes alone, which models of labels learn as well.
        load: Arguments of `kf.data.load` that the model wants, such as `{"tokenizer": "minilm"}`.
    """

    name: str
    builder: Callable
    summary: str
    inputs: tuple[str, ...]
    source: str
    task: str = "label"
    load: dict[str, Any] = dataclasses.field(default_factory=dict)


_ENTRIES: dict[str, ModelEntry] = {}


def register_model(name=None, *, inputs=("text", "image"), source="", task="label", load=None):
    """Decorate a builder function, `builder(schema, **changes) -> keras.Model`, to give it a name in the zoo.

    Args:
        name: The name; `None` means the function's own.
        inputs: Feature kinds that a schema must hold for this model; empty, it takes any kinds.
        source: The article section or paper it comes from.
        task: `"label"`, `"retrieval"` for a dual encoder, `"captioning"` for a captioner, or `"grounding"` for one
            of boxes alone.
        load: Optional dict, arguments of `kf.data.load` that the model wants, such as `{"tokenizer": "minilm"}`.
            `kf.train` reads the data so, unless the user has given these arguments.

    Raises:
        ValueError: the name is taken, or the function has no docstring (its first line is the list's summary).

    Example:

    ```python
    @kf.register_model(source="1702.01992")
    def my_gated(schema, **changes):
        "Bag of words and a small CNN, gated."
        return kf.models.fusion_model(schema, **{"text_encoder": "bag_of_words", "fusion": "gated", **changes})
    ```
    """

    def register(builder):
        key = name or builder.__name__
        if key in _ENTRIES:
            raise ValueError(f"register_model: the name {key!r} is taken.")
        if not builder.__doc__:
            raise ValueError(f"register_model: {key!r} needs a docstring; its first line says what it is.")
        summary = builder.__doc__.strip().splitlines()[0]
        _ENTRIES[key] = ModelEntry(key, builder, summary, tuple(inputs), source, task, load or {})
        return builder

    return register


def list_models(pattern: str = "*") -> list[str]:
    """Names of registered models that match a shell pattern, sorted.

    Example:

    >>> kf.list_models("*film*")
    ['classifier_film', 'vqa_film', 'wide_film']
    """
    return sorted(fnmatch.filter(_ENTRIES, pattern))


def get_entry(name: str) -> ModelEntry:
    """The `ModelEntry` of a registered name.

    Raises:
        ValueError: there is no such name; the message has the nearest ones.
    """
    if name not in _ENTRIES:
        near = difflib.get_close_matches(name, _ENTRIES, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "`kerasfusion list` shows all."
        raise ValueError(f"There is no model {name!r}. {hint}")
    return _ENTRIES[name]


def create_model(
    name: str, schema: Schema | None = None, *, weights: str | Path | None = None, **changes: Any
) -> "keras.Model":
    """Make a model by its registered name, untrained or with the weights of a preset.

    Args:
        name: A name from `list_models()`.
        schema: A `kf.Schema`: the inputs, vocabularies and classes the model is made for. Defaults to `None`: that of
            the preset.
        weights: A name from `kf.list_presets()`, or the folder of a preset or run, of the same model. The settings of
            the preset then apply too. Defaults to `None`: random weights.
        **changes: Settings of the builder to change, such as `units=256` or `fusion="gated"`.

    Returns:
        keras.Model: dict of named inputs -> dict task -> float32 logits.

    Raises:
        ValueError: an unknown name or setting; a schema without a modality or the task that the model needs; weights
            of another model, or made for other words, classes or sizes than the schema has (the message lists them).

    Example:

    ```python
    model = kf.create_model("classifier_gated", data.schema, units=256)
    trained = kf.create_model("vqa_mac", weights="shapes_vqa")
    ```
    """
    if weights is not None:
        return _with_weights(name, schema, weights, changes)
    if schema is None:
        raise ValueError(
            f"{name} needs a schema (`kf.data.load(...).schema`), or weights of a preset, which has one."
        )
    entry = get_entry(name)
    lacking = [kind for kind in entry.inputs if not schema.of_kind(kind)]
    if lacking:
        raise ValueError(
            f"{name} needs {' and '.join(lacking)}, which the data lacks; it has "
            f"{[f'{f.title} ({f.kind})' for f in schema.features]}."
        )
    wanted = schema.model_task
    grounds = entry.task == "grounding" and schema.tasks and all(task.is_box for task in schema.tasks)
    if entry.task != wanted and not grounds:
        raise ValueError(
            f"{name} is a model for {entry.task}, and the data is for {wanted}. `kerasfusion list` shows which "
            "model is for which; a table of images and their texts is read for retrieval by "
            "problem_type='retrieval' (--problem-type retrieval), for captions by problem_type='captioning' "
            "(--problem-type captioning)."
        )
    try:
        return entry.builder(schema, **changes)
    except TypeError as error:
        if "unexpected keyword" in str(error):
            raise ValueError(f"{name}: {error}. Passed: {sorted(changes)}.") from error
        raise


def _with_weights(name, schema, weights, changes):
    """The model of a preset, built again for a schema that asks for nothing the weights lack."""
    from kerasfusion.models.model_file import load_model

    folder = find_preset(weights)
    check_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model") != name:
        made = f"of the model {config['model']!r}" if config.get("model") else "not of a model of the zoo"
        raise ValueError(f"The weights {str(weights)!r} are {made}, not of {name!r}; `kf.from_preset` loads them.")
    known = Schema.load(folder / "schema.json")
    differences = [] if schema is None else schema_differences(known, schema)
    if differences:
        raise ValueError(
            f"The weights {str(weights)!r} do not fit the schema: {'; '.join(differences)}. Train a model "
            f"from them instead: kf.train(..., init_from={str(weights)!r}) (--init-from) keeps what is shared."
        )
    model = create_model(name, schema or known, **{**config.get("changes", {}), **changes})
    trained = load_model(folder / "model.keras")
    try:
        model.set_weights(trained.get_weights())
    except ValueError as error:
        raise ValueError(
            f"The weights {str(weights)!r} do not fit {name} with the settings {sorted(changes)}: {error}"
        ) from error
    return model
