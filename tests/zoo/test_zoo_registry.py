import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.training.compile import compile_model


@pytest.mark.parametrize("name", kf.list_models())
def test_every_model_builds_trains_and_is_saved(name, schema, rows, tmp_path):
    model = kf.create_model(name, schema)
    x, y, w = rows
    x = {key: x[key] for key in model.input}
    compile_model(model, kf.models.heads_of(model), schema, kf.training.Recipe(), total_steps=2)
    history = model.fit(x, y, sample_weight=w, batch_size=6, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    out = model(x)["label"]
    assert out.shape == (12, 3) and out.dtype == "float32"
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "m.keras")(x)["label"], out, atol=1e-5)


@pytest.mark.parametrize("name", ["article_joint", "vqa_film", "late_average", "text_only"])
def test_one_of_each_family_exports_and_verifies(name, schema, rows, tmp_path):
    from kerasfusion.serving.exporting import export_model

    model = kf.create_model(name, schema, units=8)
    pixels = rows[0]["image"][[0, 3, 6]]
    png = [keras_png(picture) for picture in pixels]
    examples = {"text": [b"a b", b"c zebra", b""], "image_bytes": png}
    version = export_model(model, schema, tmp_path / name, examples)
    report = kf.verify(version)
    assert report.ok, str(report)


def keras_png(picture):
    import tensorflow as tf

    return tf.io.encode_png(picture).numpy()


def test_patterns():
    assert kf.list_models("*film*") == ["classifier_film", "vqa_film"]
    assert kf.list_models("nothing*") == []


def test_mistakes(schema):
    with pytest.raises(ValueError, match=r"no model 'vqa_flim'\. Did you mean 'vqa_film'"):
        kf.create_model("vqa_flim", schema)
    with pytest.raises(ValueError, match=r"vqa_film: .*unexpected keyword.*'depth'"):
        kf.create_model("vqa_film", schema, depth=3)
    with pytest.raises(ValueError, match=r"vqa_film needs image, which the data lacks; it has \['text \(text\)'\]"):
        kf.create_model("vqa_film", schema.only("text"))
    with pytest.raises(ValueError, match="'vqa_film' is taken"):
        kf.register_model("vqa_film")(lambda schema: None)
    with pytest.raises(ValueError, match="needs a docstring"):
        kf.register_model("undocumented")(lambda schema: None)


def test_the_articles_network(schema):
    model = kf.create_model("article_joint", schema)
    conv = model.get_layer("encode_image").stages[0]
    assert (conv.filters, conv.kernel_size) == (64, (3, 3))
    assert model.get_layer("fusion").projection is None
    counts = {
        "text": 13 * 128 + 128 * 128 + 128,
        "image": 3 * 3 * 3 * 64 + 64 + 8 * 8 * 64 * 128 + 128,
        "missing": 128 + 128,
        "head": 256 * 3 + 3,
    }
    assert model.count_params() == sum(counts.values())
