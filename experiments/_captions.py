"""Helpers of tutorial 08: captions of the shapes world that are right or wrong."""

import numpy as np

from kerasfusion.data.shapes_world import parse_caption
from kerasfusion.data.shapes_world.builder import HELD_OUT


def exact_caption_rows(captions, references, held_out):
    """Share of captions that describe all objects of their scene and nothing else, as CSV rows.

    Args:
        captions: Dict of `(model, strategy)` -> list of captions, one per scene.
        references: List of lists of reference captions, one list per scene.
        held_out: Whether some pairs of color and shape are absent from training. If so, scenes with and without such
            a pair are also reported separately.

    Returns:
        list of dicts; each figure is also printed.
    """
    scenes = [sorted(parse_caption(own[0])) for own in references]
    unseen = np.array([any((color, shape) in HELD_OUT for _, color, shape in scene) for scene in scenes])
    parts = {"": np.full(len(scenes), True)}
    if held_out:
        parts |= {", with an unseen pair": unseen, ", without one": ~unseen}
    rows = []
    for (model, strategy), texts in captions.items():
        parsed = [parse_caption(text) for text in texts]
        exact = np.array([own is not None and sorted(own) == s for own, s in zip(parsed, scenes, strict=True)])
        for part, chosen in parts.items():
            share, count = exact[chosen].mean(), int(chosen.sum())
            print(f"{model}, {strategy}: {share:.1%} of {count} scenes{part} are described exactly")
            metric = f"scenes described exactly{part}"
            rows.append({"model": f"{model}, {strategy}", "metric": metric, "value": share, "n": count})
    return rows
