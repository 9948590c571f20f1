import io

import numpy as np
import pytest
from PIL import Image

from kerasfusion.data.shapes_world.draw import RGB, draw_scene, encode_png
from kerasfusion.data.shapes_world.scene import COLORS, SHAPES, SIZES, Object, Scene, sample_scene


def image_of(*objects, seed=0):
    return draw_scene(Scene(objects), np.random.default_rng(seed))


def covered(image, color="blue"):
    """Pixels nearer to a color than to the light background."""
    distance = np.linalg.norm(image.astype(float) - RGB[color], axis=-1)
    return distance < np.linalg.norm(image.astype(float) - 240, axis=-1)


def nearest_color(pixel):
    return min(COLORS, key=lambda color: np.linalg.norm(pixel.astype(float) - RGB[color]))


def test_every_object_has_its_color_at_its_center():
    rng = np.random.default_rng(0)
    for _ in range(100):
        scene = sample_scene(rng)
        image = draw_scene(scene, rng)
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        for item in scene.objects:
            pixel = image[int(item.y * 64), int(item.x * 64)]
            assert nearest_color(pixel) == item.color
            assert np.abs(pixel.astype(int) - RGB[item.color]).max() < 12


def test_background_is_light_and_differs_slightly():
    empty = [image_of(seed=seed) for seed in range(5)]
    assert min(image.min() for image in empty) > 205
    assert len({tuple(image.mean((0, 1))) for image in empty}) == 5
    assert all(0 < image.std((0, 1)).max() < 3 for image in empty)


@pytest.mark.parametrize("shape", SHAPES)
def test_large_covers_twice_as_much_as_small(shape):
    small, large = (covered(image_of(Object(shape, "blue", size, 0.5, 0.5))).sum() for size in SIZES)
    assert 55 < small < 120
    assert large > 1.9 * small


@pytest.mark.parametrize("size", SIZES)
def test_shapes_have_their_outlines(size):
    masks = {shape: covered(image_of(Object(shape, "blue", size, 0.5, 0.5))) for shape in SHAPES}
    # Share of its bounding box that a shape covers, give or take a pixel at the edge.
    shares = {}
    for shape, mask in masks.items():
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        shares[shape] = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean()
    assert shares["square"] == 1
    assert shares["circle"] == pytest.approx(np.pi / 4, abs=0.05)
    assert shares["triangle"] == pytest.approx(0.5, abs=0.09)
    assert shares["cross"] == pytest.approx(0.57, abs=0.09)
    # The cross reaches the middle of each side of its box, and none of the corners.
    rows, columns = np.flatnonzero(masks["cross"].any(1)), np.flatnonzero(masks["cross"].any(0))
    assert masks["cross"][rows[0], 32] and masks["cross"][rows[-1], 32]
    assert masks["cross"][32, columns[0]] and masks["cross"][32, columns[-1]]
    assert not masks["cross"][rows[0] : rows[0] + 2, columns[0] : columns[0] + 2].any()
    # The triangle stands on its base.
    rows = np.flatnonzero(masks["triangle"].any(1))
    assert masks["triangle"][rows[0]].sum() < 4 < masks["triangle"][rows[-1]].sum()


def test_edges_are_smooth():
    image = image_of(Object("circle", "blue", "large", 0.5, 0.5)).astype(float)
    red = image[..., 0]
    between = (red > RGB["blue"][0] + 30) & (red < 190)
    assert 15 < between.sum() < 80


def test_an_object_at_the_border_is_cut_off():
    mask = covered(image_of(Object("circle", "blue", "large", 0.0, 1.0)))
    assert mask[63, 0]
    assert not mask[:40].any()
    assert not mask[:, 24:].any()


def test_the_seed_decides():
    circle = Object("circle", "red", "small", 0.5, 0.5)
    assert np.array_equal(image_of(circle, seed=1), image_of(circle, seed=1))
    assert not np.array_equal(image_of(circle, seed=1), image_of(circle, seed=2))


def test_png_keeps_every_pixel():
    image = image_of(Object("cross", "purple", "large", 0.4, 0.6))
    file = encode_png(image)
    assert file.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))), image)
