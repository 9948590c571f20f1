"""Every name in the zoo is exported and verified with TensorFlow Serving's loader.

Three of them run with the other tests; all with `pytest -m every_model`.
"""

import numpy as np
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.serving.exporting import export_model
from kerasfusion.zoo import list_models

EXAMPLES = {
    "text": [b"a b c", b"unheard-of", b""],
    "image_bytes": [png_bytes(0), b"no image", png_bytes(1)],
    "numbers": np.array([[0, 1], [2, np.nan], [3, 4]], "float32"),
    "categories": [[b"x"], [b"unheard-of"], [b""]],
}

# One with a grid, one with a wide path, and one of other inputs than text and image.
FIRST = {"mixed_gated", "vqa_block", "wide_deep"}


@pytest.mark.parametrize(
    "name",
    [
        *sorted(FIRST),
        # Those begin with pretrained weights.
        *(
            pytest.param(n, marks=pytest.mark.every_model)
            for n in list_models()
            if n not in FIRST | {"dual_clip", "dual_pretrained"} and not n.startswith("pretrained_")
        ),
    ],
)
def test_exports_and_verifies(name, schema_for, tmp_path):
    schema = schema_for(name)
    names = {feature.name for feature in schema.features}
    examples = {key: values for key, values in EXAMPLES.items() if key.removesuffix("_bytes") in names}
    version = export_model(kf.create_model(name, schema, units=8), schema, tmp_path / name, examples)
    report = kf.verify(version)
    assert report.ok, report
    assert "serving_default: outputs" in {row.name for row in report.rows}
