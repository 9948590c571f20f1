import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.preprocessing import Augmentation, augment_images
from kerasfusion.preprocessing.augmentation import RANDOM_NUMBERS, STRENGTHS

# Random numbers of 0.5 change nothing (that of the mirror none from 0.5 on).
STILL = [0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5]
ACROSS, DOWN, ZOOM, TURN, MIRROR, LIGHT, CONTRAST, SATURATION = range(RANDOM_NUMBERS)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (1, 16, 32, 3), dtype=np.uint8)


def augmented(pixels, strength="light", flip=True, color=True, **changes):
    random = np.float32([STILL] * len(pixels))
    for name, value in changes.items():
        random[:, globals()[name.upper()]] = value
    found = augment_images(tf.constant(pixels), tf.constant(random), Augmentation(strength, flip, color))
    assert found.dtype == tf.uint8 and found.shape == pixels.shape
    return found.numpy()


def test_the_middle_changes_nothing(pixels):
    np.testing.assert_array_equal(augmented(pixels), pixels)


def test_each_number_does_what_it_should(pixels):
    # At 0 the shift is the largest, 1/16 of a side: 2 of 32 columns and 1 of 16 rows.
    np.testing.assert_array_equal(augmented(pixels, across=0.0)[:, :, 2:], pixels[:, :, :-2])
    np.testing.assert_array_equal(augmented(pixels, across=0.0)[:, :, 0], pixels[:, :, 0])  # the border is repeated
    np.testing.assert_array_equal(augmented(pixels, down=0.0)[:, 1:], pixels[:, :-1])
    np.testing.assert_array_equal(augmented(pixels, mirror=0.1), pixels[:, :, ::-1])
    np.testing.assert_array_equal(augmented(pixels, mirror=0.1, flip=False), pixels)
    # Mirrored, then shifted.
    np.testing.assert_array_equal(augmented(pixels, mirror=0.1, across=0.0)[:, :, 2:], pixels[:, :, :1:-1])
    grey = pixels // 4 + 96
    np.testing.assert_allclose(augmented(grey, light=1.0), grey + 25.5, atol=0.51)
    np.testing.assert_allclose(augmented(grey, contrast=1.0), 127.5 + 1.2 * (grey - 127.5), atol=0.51)
    mean = grey.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(augmented(grey, saturation=1.0), mean + 1.3 * (grey - mean), atol=0.51)
    for change in ("light", "contrast", "saturation"):
        np.testing.assert_array_equal(augmented(grey, color=False, **{change: 1.0}), grey)


def test_zoom_and_turn_keep_the_middle():
    cross = np.zeros((1, 33, 33, 3), np.uint8)
    cross[:, 16], cross[:, :, 16] = 255, 255
    cross[:, 10, 20] = 255
    larger = augmented(cross, zoom=1.0)
    np.testing.assert_array_equal(larger[:, 16, 16], cross[:, 16, 16])
    # The dot 6 above and 4 right of the middle is 1.1 times as far away.
    dot = larger[0, :14, 18:, 0].astype(float)
    rows, columns = np.indices(dot.shape)
    assert (dot * rows).sum() / dot.sum() == pytest.approx(16 - 6.6, abs=0.2)
    assert (dot * (columns + 18)).sum() / dot.sum() == pytest.approx(16 + 4.4, abs=0.2)
    np.testing.assert_array_equal(augmented(cross, turn=1.0), cross)  # "light" does not turn
    turned = augmented(cross, "strong", turn=1.0)
    assert turned[0, 16, 16, 0] == 255 and turned[0, 16, 31, 0] == 0
    # By 10 degrees: 12 pixels off the middle, the arm is 12 * tan(10°) = 2.1 pixels higher or lower.
    assert abs(abs(int(turned[0, :, 28, 0].argmax()) - 16) - 2) <= 0


def test_images_do_not_depend_on_their_neighbours(pixels):
    several = np.concatenate([pixels, pixels[:, ::-1], 255 - pixels])
    random = np.random.default_rng(1).random((3, RANDOM_NUMBERS), dtype=np.float32)
    augmentation = Augmentation("strong")
    together = augment_images(tf.constant(several), tf.constant(random), augmentation).numpy()
    for i in range(3):
        alone = augment_images(tf.constant(several[i : i + 1]), tf.constant(random[i : i + 1]), augmentation)
        np.testing.assert_array_equal(together[i], alone[0])
    assert (together[0] != several[0]).any()


def test_unknown_strength():
    with pytest.raises(ValueError, match=f"one of {', '.join(STRENGTHS)}. Received: strength='wild'"):
        Augmentation("wild")
