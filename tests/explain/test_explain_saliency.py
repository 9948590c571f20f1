"""Maps of what the model looked at: against the evidence's known place, and against their own definition."""

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.explain import NoFeatureMapError, grad_cam, overlay_heatmap
from kerasfusion.schema import Feature, Schema, Task

IMAGE = Feature("image", "image", ("photo",), size=(16, 16))
TEXT = Feature("text", "text", ("said",), length=4, vocabulary=tuple("abcdef"))
TAGS = Task("label", "multilabel", "t", classes=("red", "blue"))
SMALL = {"name": "small_cnn", "filters": (2,)}


def model_of(*features, task=TAGS, encoder=SMALL, **settings):
    settings = {"text_encoder": "average", "fusion": {"name": "concat", "units": None}, "units": 2, **settings}
    return kf.models.fusion_model(Schema(features, (task,)), image_encoder=encoder, **settings)


def look_for_colors(model):
    """Weights by hand: a channel that sees red and one that sees blue, each tag reads its own from its cells."""
    encoder = model.get_layer("encode_image")
    kernel = np.zeros((3, 3, 3, 2), "float32")
    kernel[1, 1] = [[1, -1], [-1, -1], [-1, 1]]  # from red, green and blue
    encoder.stages[0].set_weights([kernel, np.zeros(2, "float32")])
    encoder.projection.set_weights([np.eye(2, dtype="float32"), np.zeros(2, "float32")])
    head = model.get_layer("head_label").dense
    # The vectors come in the order of their names: the image's two places, then the text's.
    head.kernel.assign(np.vstack([[[1, -1], [-1, 1]], np.zeros((head.kernel.shape[0] - 2, 2))]))


def red_and_blue(rows=3):
    """Grey images with one red and one blue square of 4 x 4 pixels, and where these are: bool `(rows, 2, H, W)`."""
    pixels, places = np.full((rows, 16, 16, 3), 128, "uint8"), np.zeros((rows, 2, 16, 16), bool)
    for row, squares in enumerate([((0, 0), (8, 8)), ((12, 4), (0, 12)), ((6, 0), (6, 10))][:rows]):
        for color, (y, x) in enumerate(squares):
            places[row, color, y : y + 4, x : x + 4] = True
            pixels[row, y : y + 4, x : x + 4] = [(255, 0, 0), (0, 0, 255)][color]
    return pixels, places


def batch_for(pixels, model):
    batch = {"image": pixels, "text": np.full((len(pixels), 4), 4, "int32")}
    batch.update({f"{name}_present": np.ones(len(pixels), bool) for name in list(batch)})
    return {name: batch[name] for name in model.input}


@pytest.mark.parametrize("features", [(IMAGE,), (TEXT, IMAGE)], ids=["image", "text and image"])
def test_the_map_lies_where_the_evidence_is(features):
    model = model_of(*features)
    look_for_colors(model)
    pixels, places = red_and_blue()
    for tag in (0, 1):
        maps = grad_cam(model, batch_for(pixels, model), "label", tag)
        assert maps.shape == (3, 16, 16) and maps.dtype == "float32"
        assert maps.min() == 0 and maps.max(axis=(1, 2)).tolist() == [1, 1, 1]
        inside = (maps * places[:, tag]).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
        # The grid has cells of 2 x 2 pixels, which smoothing spreads over the square's border.
        assert (inside > 0.6).all()
        assert not (maps * places[:, 1 - tag]).any()


def test_each_row_is_asked_about_its_own_class():
    model = model_of(IMAGE)
    look_for_colors(model)
    batch = batch_for(red_and_blue()[0], model)
    mixed = grad_cam(model, batch, "label", [1, 0, 1])
    for row, tag in enumerate((1, 0, 1)):
        np.testing.assert_array_equal(mixed[row], grad_cam(model, batch, "label", tag)[row])


def test_a_linear_head_on_the_mean_gives_the_class_activation_map():
    """CAM's own definition, in NumPy: the class's weights on the channels of the grid."""
    task = Task("label", "multiclass", "c", classes=("a", "b", "c"))
    model = kf.create_model("tagger_residual", Schema((IMAGE,), (task,)), units=5)
    batch = batch_for(np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("uint8"), model)
    encoder, head = model.get_layer("encode_image"), model.get_layer("head_label").dense
    grid = np.asarray(encoder(batch["image"])["grid"])
    assert grid.shape == (4, 2, 2, 5)
    for name in range(3):
        # Not `@`: once in many runs BLAS set the flag of an invalid value for this very product, which is none.
        cam = np.maximum(np.einsum("bhwc,c->bhw", grid, np.asarray(head.kernel)[:, name]), 0)
        large = np.asarray(keras.ops.image.resize(cam[..., None], (16, 16)))[..., 0]
        most = large.max(axis=(1, 2), keepdims=True)
        expected = np.where(most > 0, large / np.where(most > 0, most, 1), 0)
        np.testing.assert_allclose(grad_cam(model, batch, "label", name), expected, atol=1e-5)


def test_a_pooled_frozen_encoder_gives_the_map_of_the_grid_before_its_mean():
    image = Feature("image", "image", ("photo",), size=(64, 64))
    encoder = {"name": "mobilenet_v2", "alpha": 0.35, "fine_tune": "none", "global_pool": True, "units": None}
    task = Task("label", "multiclass", "c", classes=("a", "b", "c"))
    model = model_of(image, task=task, encoder={**encoder, "image_sizes": [64, 96]})
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("uint8")
    layer, kernel = model.get_layer("encode_image"), np.asarray(model.get_layer("head_label").dense.kernel)
    grids = [np.asarray(grid) for grid in layer.grids_before_pooling(pixels)]
    assert [grid.shape for grid in grids] == [(3, 2, 2, 1280), (3, 3, 3, 1280)]
    expected = 0
    for grid, weights in zip(grids, np.split(kernel[:, 1], 2), strict=True):
        cam = np.maximum(np.einsum("bhwc,c->bhw", grid, weights), 0) / np.prod(grid.shape[1:3])
        expected = expected + np.asarray(keras.ops.image.resize(cam[..., None], (64, 64)))[..., 0]
    expected = expected / expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(grad_cam(model, batch_for(pixels, model), "label", 1), expected, atol=1e-4)


def test_nothing_that_speaks_for_a_class_gives_zeros():
    model = model_of(IMAGE)
    look_for_colors(model)
    grey = np.full((2, 16, 16, 3), 128, "uint8")
    assert not grad_cam(model, batch_for(grey, model), "label", 0).any()


def test_the_negative_class_of_one_logit():
    """Evidence against is what lowers the logit."""
    model = model_of(IMAGE, task=Task("label", "binary", "b", classes=("blue", "red")))
    encoder_of = model_of(IMAGE)
    look_for_colors(encoder_of)
    model.get_layer("encode_image").set_weights(encoder_of.get_layer("encode_image").get_weights())
    model.get_layer("head_label").dense.kernel.assign([[1.0], [-1.0]])
    pixels, places = red_and_blue()
    maps = grad_cam(model, batch_for(pixels, model), "label", [1, 0, 0])
    for heat, place in zip(maps, [places[0, 0], places[1, 1], places[2, 1]], strict=True):
        assert heat[place].sum() > 0.6 * heat.sum()


@pytest.mark.parametrize("fusion", ["concat", "film", "multiply", "cross_attention"])
@pytest.mark.parametrize("encoder", ["residual_cnn", "small_cnn"])
def test_any_fusion_and_a_frozen_encoder(fusion, encoder):
    model = model_of(TEXT, IMAGE, fusion=fusion, encoder=encoder, units=8)
    batch = batch_for(np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("uint8"), model)
    maps = [grad_cam(model, batch, "label", tag) for tag in (0, 1)]
    assert np.abs(maps[0] - maps[1]).max() > 0.1
    model.get_layer("encode_image").trainable = False
    np.testing.assert_allclose(grad_cam(model, batch, "label", 0), maps[0], atol=1e-6)


def test_another_text_has_another_map():
    model = model_of(TEXT, IMAGE, fusion="film", units=8)
    batch = batch_for(np.repeat(red_and_blue(1)[0], 6, axis=0), model)
    batch["text"] = np.random.default_rng(0).integers(1, 10, (6, 4)).astype("int32")
    maps = grad_cam(model, batch, "label", 0)
    assert np.abs(maps - maps[0]).max() > 0.01


def test_which_image():
    back = Feature("back", "image", ("back",), size=(16, 16))
    model = model_of(Feature("front", "image", ("front",), size=(16, 16)), back)
    batch = {name: np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("uint8") for name in model.input}
    batch.update({name: np.ones(2, bool) for name in model.input if name.endswith("_present")})
    with pytest.raises(ValueError, match=r"several images, front, back: say which"):
        grad_cam(model, batch, "label", 0)
    with pytest.raises(ValueError, match=r"no grid of 'side'; it has one of front, back"):
        grad_cam(model, batch, "label", 0, image="side")
    assert grad_cam(model, batch, "label", 0, image="back").shape == (2, 16, 16)


def test_models_without_a_grid_are_refused():
    schema = Schema((TEXT, IMAGE), (TAGS,))
    with pytest.raises(NoFeatureMapError, match="text_only has no image grid to look at: no encoder gives one"):
        grad_cam(kf.create_model("text_only", schema, units=4), {}, "label", 0)
    with pytest.raises(NoFeatureMapError, match="its encoders lie inside image_only and text_only: ask these"):
        grad_cam(kf.create_model("late_average", schema, units=4), {}, "label", 0)
    cell = model_of(Feature("image", "image", ("photo",), size=(2, 2)))
    with pytest.raises(NoFeatureMapError, match=r"the grid of 'image' in .* has one cell"):
        grad_cam(cell, {"image": np.zeros((1, 2, 2, 3), "uint8"), "image_present": np.ones(1, bool)}, "label", 0)
    # It reads the pixels' rows, and its grid is for those who want one.
    rows = model_of(IMAGE, encoder="row_rnn", units=4)
    with pytest.raises(NoFeatureMapError, match="does not answer 'label' from the grid of 'image'"):
        grad_cam(rows, batch_for(red_and_blue()[0], rows), "label", 0)


def test_overlay():
    pixels = np.array([[[30, 60, 90], [30, 60, 90]]], "uint8")
    drawn = overlay_heatmap(pixels, np.array([[0.0, 1.0]]))
    # 0.4 of the grey, 60; 0.6 of inferno's first color, (0.4, 0.1, 3.5), and of its last one, (252, 254.6, 164.5).
    assert drawn.dtype == "uint8" and drawn[0].tolist() == [[24, 24, 26], [175, 177, 123]]
