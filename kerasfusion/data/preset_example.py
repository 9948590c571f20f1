"""A row to try a preset with."""

import json

from kerasfusion.presets import EXAMPLE, find_preset


def example(preset):
    """A raw row that a preset answers, from its test split.

    Args:
        preset: A name from `kf.list_presets()`, or the folder of a preset.

    Returns:
        dict: column -> cell. Images and sounds are `data:` URIs, which tables take as cells.

    Raises:
        ValueError: There is no such preset, or it has no example.

    Example:

    ```python
    row = kf.data.example("shapes_vqa")
    kf.from_preset("shapes_vqa").predict([row])
    ```
    """
    path = find_preset(preset) / EXAMPLE
    if not path.is_file():
        raise ValueError(f"The preset {str(preset)!r} has no {EXAMPLE}.")
    return json.loads(path.read_text(encoding="utf-8"))
