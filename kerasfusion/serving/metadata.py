"""What an export says about itself: how it was made, what may be expected of it, what was measured."""

import json

from kerasfusion.files import write_json

FILE = "assets.extra/kerasfusion.json"
# Version 0.1 -> today, for the cards of exports made then.
_TYPES = {
    "classes": "multiclass",
    "tags": "multilabel",
    "number": "regression",
    "caption": "captioning",
    "match": "retrieval",
    "vector": "embedding_regression",
}
_KINDS = {"numbers": "numeric"}


def read_metadata(version):
    """The card of an exported version, empty where it has none.

    Args:
        version: `pathlib.Path` of the version.

    Returns:
        dict with, from `export`: `features` (name -> kind), `inputs` and `outputs` (column -> name in requests and
        answers), `classes` and `types` (by task), `categories` (name -> what the numbers of its boxes'
        categories stand for), `temperatures` (by
        task; the probabilities are calibrated with them already), `variant` (`"variables"`, `"frozen"` or
        `"bfloat16"`), `tolerance` (largest difference from Keras that `verify` allows), `vocabulary_bytes`,
        `constant_bytes` (weights that are part of the graph), `variables` (number of weights that are not); `gallery`
        (number of `images`, and `k`) where one is searched; `recommender` (numbers of `users`, `items` and
        `factors`, and `k`) where items are recommended; `lite`, `onnx` and `network` where the network was
        written in these forms too; `accuracy` where it was measured.

    Example:

    ```python
    read_metadata(version)["variant"]
    ```
    """
    path = version / FILE
    return _standard_names(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _standard_names(card):
    """The card with today's names: exports of version 0.1 stay in service."""
    if "kinds" in card:
        card["types"] = {task: _TYPES.get(kind, kind) for task, kind in card.pop("kinds").items()}
    if "features" in card:
        card["features"] = {name: _KINDS.get(kind, kind) for name, kind in card["features"].items()}
    return card


def write_metadata(version, card):
    """Write a version's card, replacing the old one whole."""
    path = version / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, card)
