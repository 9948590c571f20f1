"""What an export says about itself: how it was made, what may be expected of it, what was measured."""

import json

from kerasfusion.files import write_json

FILE = "assets.extra/kerasfusion.json"


def read_metadata(version):
    """The card of an exported version, empty where it has none.

    Args:
        version: `pathlib.Path` of the version.

    Returns:
        dict with, from `export`: `features` (name -> kind), `inputs` and `outputs` (column -> name in requests and
        answers), `classes` and `kinds` (by task), `temperatures` (by
        task; the probabilities are calibrated with them already), `variant` (`"variables"`, `"frozen"` or
        `"bfloat16"`), `tolerance` (largest difference from Keras that `verify` allows), `vocabulary_bytes`,
        `constant_bytes` (weights that are part of the graph), `variables` (number of weights that are not); `gallery`
        (number of `images`, and `k`) where one is searched; `recommender` (numbers of `users`, `items` and
        `factors`, and `k`) where items are recommended; `lite` where there is a model for LiteRT; `accuracy` where it
        was measured.

    Example:

    ```python
    read_metadata(version)["variant"]
    ```
    """
    path = version / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_metadata(version, card):
    """Write a version's card, replacing the old one whole."""
    path = version / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, card)
