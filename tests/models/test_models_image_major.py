import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.fusion import FUSIONS

BUILDERS = {name: (lambda schema, name=name: kf.models.fused(schema, fusion=name, units=8)) for name in FUSIONS}
BUILDERS["late_average"] = lambda schema: kf.models.late_average(schema, units=8)


def compiled(model, heads_from):
    heads = kf.models.heads_of(heads_from)
    model.compile(
        "sgd",
        loss={t: h.loss() for t, h in heads.items()},
        weighted_metrics={t: h.metrics_for() for t, h in heads.items()},
    )
    return model


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_the_twin_gives_what_the_plain_model_gives(name, schema, batch, rows):
    plain = BUILDERS[name](schema)
    twin = kf.models.image_major(plain)
    np.testing.assert_allclose(
        np.reshape(twin(batch[0])["label"], (12, 3)), plain(rows[0])["label"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["film", "late_average"])
def test_loss_and_metrics_are_those_of_rows(name, schema, batch, rows):
    plain = BUILDERS[name](schema)
    twin = compiled(kf.models.image_major(plain), plain)
    x, y, w = batch
    found = twin.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
    x, y, w = rows
    expected = compiled(plain, plain).evaluate(x, y, sample_weight=w, batch_size=12, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)


def test_training_the_twin_trains_the_plain_model_which_can_be_saved(schema, batch, rows, tmp_path):
    plain = kf.models.fused(schema, units=8)
    before = plain.get_weights()
    x, y, w = batch
    compiled(kf.models.image_major(plain), plain).fit(x, y, sample_weight=w, verbose=0)
    assert any((old != new).any() for old, new in zip(before, plain.get_weights(), strict=True))
    plain.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(rows[0])["label"], plain(rows[0])["label"], atol=1e-6)


def test_training_mode_reaches_every_layer(schema, batch):
    # Once it did not: dropout and batch normalisation silently ran as at inference, and nets learned badly.
    plain = kf.models.fused(schema, image_encoder="residual_cnn", units=8, dropout=0.5)
    twin = kf.models.image_major(plain)
    inference = [np.asarray(twin(batch[0])["label"]) for _ in range(2)]
    training = [np.asarray(twin(batch[0], training=True)["label"]) for _ in range(2)]
    np.testing.assert_array_equal(*inference)
    assert (training[0] != training[1]).any()
    (moving,) = [w for w in plain.weights if w.path.endswith("stage_0_down/norm/moving_mean")]
    before = np.array(moving)
    x, y, w = batch
    compiled(twin, plain).fit(x, y, sample_weight=w, verbose=0)
    assert (np.array(moving) != before).all()


@keras.saving.register_keras_serializable("tests")
class CountingEncoder(ImageEncoder):
    """Notes how many pictures it is given."""

    seen = []  # noqa: RUF012

    def build_encoder(self, pixels_shape):
        self.dense = keras.layers.Dense(self.units)
        self.dense.build(pixels_shape)

    def encode(self, pixels, training):
        self.seen.append(pixels.shape[0])
        grid = self.dense(pixels)
        return grid, keras.ops.mean(grid, axis=(1, 2))


def test_the_image_branch_runs_once_per_picture(schema, batch, rows, monkeypatch):
    monkeypatch.setitem(kf.encoders.IMAGE_ENCODERS, "counting", CountingEncoder)
    plain = kf.models.fused(schema, image_encoder="counting", units=8)
    twin = kf.models.image_major(plain)
    CountingEncoder.seen.clear()
    twin(batch[0])
    assert CountingEncoder.seen == [4]
    plain(rows[0])
    assert CountingEncoder.seen == [4, 12]


def test_pictures_alone(schema, batch, rows):
    fused = kf.models.fused(schema, units=8)
    plain = kf.models.unimodal(fused, schema, "image")
    twin = compiled(kf.models.image_major(plain), plain)
    (x, y, w), (xr, yr, wr) = batch, rows
    x, xr = ({k: v for k, v in part.items() if k.startswith("image")} for part in (x, xr))
    found = twin.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
    expected = compiled(plain, plain).evaluate(xr, yr, sample_weight=wr, batch_size=12, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="no input 'image'"):
        kf.models.image_major(kf.models.unimodal(fused, schema, "text"))
