import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.pretrained import PACKAGES


@pytest.mark.parametrize(
    ("columns", "model"),
    [
        ({"image": "photo", "text": "description"}, "wide_deep"),
        ({"image": "photo", "categorical": "patient"}, "mixed_gated"),
        ({"text": "description", "numeric": ["age", "shade"]}, "mixed_gated"),
        ({"text": "description"}, "wide_deep"),
        ({"image": "photo"}, "image_only"),
        ({"numeric": ["age", "shade"]}, "numeric_only"),
        ({"categorical": ["patient", "fits"]}, "categorical_only"),
    ],
)
def test_the_default_model_reads_every_input(columns, model, tmp_path, monkeypatch):
    monkeypatch.setattr(kf.workflows.model_families, "available", lambda: dict.fromkeys(PACKAGES, False))
    table = color_table(tmp_path, rows=60)
    table.attrs["folder"] = str(tmp_path)
    given = {"image": (), "text": (), **columns}
    data = kf.data.load(table, **given, label="color")
    name, _ = kf.workflows.default_model(data)
    assert name == model
    made = kf.create_model(name, data.schema, units=8)
    assert set(made.input) >= {feature.name for feature in data.schema.features}


@pytest.mark.parametrize("columns", [{"text": "description", "numeric": "age"}, {"image": "photo", "numeric": "age"}])
def test_numbers_go_beside_a_pretrained_encoder(columns, tmp_path, monkeypatch):
    monkeypatch.setattr(kf.workflows.model_families, "available", lambda: dict.fromkeys(PACKAGES, True))
    table = color_table(tmp_path, rows=60)
    table.attrs["folder"] = str(tmp_path)
    data = kf.data.load(table, **{"image": (), "text": (), **columns}, label="color")
    kind = next(iter(columns))
    expected = ("pretrained_mixed", f"the inputs are {kind} and numeric; pretrained encoders are installed")
    assert kf.workflows.default_model(data) == expected
