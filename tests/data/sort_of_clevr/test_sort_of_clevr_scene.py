import collections

import numpy as np
import pytest

from kerasfusion.data.sort_of_clevr import ANSWERS, COLORS, SUBTYPES, TYPES, Scene, ask, draw_scene, sample_scenes

# red above left, green right of it, blue near the bottom, orange and gray on the right, yellow in the far corner
SCENE = Scene(
    ("circle", "square", "circle", "circle", "square", "circle"),
    np.array([[10, 10], [24, 10], [10, 60], [60, 20], [60, 40], [69, 69]]),
)


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(np.random.default_rng(0), 400)


def answers(scene):
    """Question -> (answer, type, subtype) of all 36 questions."""
    return {q.question: tuple(q[1:]) for q in ask(scene, np.random.default_rng(0), per_type=18)}


def test_answers_of_a_known_scene():
    found = answers(SCENE)
    assert len(found) == 36
    assert found["what shape is the green object?"] == ("square", "non-relational", "shape")
    assert found["is the green object on the left?"] == ("yes", "non-relational", "left")
    assert found["is the orange object on the left?"] == ("no", "non-relational", "left")
    assert found["is the orange object at the top?"] == ("yes", "non-relational", "top")
    assert found["is the gray object at the top?"] == ("no", "non-relational", "top")
    assert found["what shape is the object closest to the red object?"] == ("square", "relational", "closest")
    assert found["what shape is the object furthest from the red object?"] == ("circle", "relational", "furthest")
    assert found["what shape is the object closest to the orange object?"] == ("square", "relational", "closest")
    assert found["what shape is the object furthest from the yellow object?"] == ("circle", "relational", "furthest")
    assert found["how many objects have the shape of the red object?"] == ("4", "relational", "count")
    assert found["how many objects have the shape of the gray object?"] == ("2", "relational", "count")


def test_ask_draws_ten_of_each_type_and_none_twice(scenes):
    seen = collections.Counter()
    for number, scene in enumerate(scenes):
        questions = ask(scene, np.random.default_rng(number))
        assert [q.type for q in questions] == [TYPES[0]] * 10 + [TYPES[1]] * 10
        assert len({q.question for q in questions}) == 20
        seen.update(q.subtype for q in questions)
        every = answers(scene)
        assert all(every[q.question] == tuple(q[1:]) and q.answer in ANSWERS for q in questions)
    # A third of each type: 400 * 20 / 6, give or take four standard deviations.
    assert set(seen) == set(SUBTYPES) and all(abs(count - 8000 / 6) < 110 for count in seen.values())


def test_ask_for_too_many():
    with pytest.raises(ValueError, match="per_type must be 1 to 18, not 19"):
        ask(SCENE, np.random.default_rng(0), per_type=19)


def test_scenes_are_clear(scenes):
    """Counted pair by pair, unlike in `sample_scenes`."""
    for scene in scenes:
        assert scene.places.min() >= 5 and scene.places.max() <= 69 and not (scene.places == 37).any()
        for i in range(6):
            others = [scene.places[j] - scene.places[i] for j in range(6) if j != i]
            assert all(max(abs(int(x)), abs(int(y))) > 11 for x, y in others)
            distances = sorted(int(x) ** 2 + int(y) ** 2 for x, y in others)
            assert distances[0] < distances[1] and distances[-2] < distances[-1]


def test_shapes_and_places_are_fair_coins(scenes):
    circles = np.array([[shape == "circle" for shape in scene.shapes] for scene in scenes])
    places = np.stack([scene.places for scene in scenes])
    for coin in (circles, places[..., 0] < 37, places[..., 1] < 37):
        assert abs(coin.mean() - 0.5) < 0.05
        assert (np.abs(coin.mean(axis=0) - 0.5) < 0.1).all()


def test_the_image():
    image = draw_scene(SCENE)
    assert image.shape == (75, 75, 3) and image.dtype == np.uint8
    colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    found = {tuple(color): count for color, count in zip(colors.tolist(), counts.tolist(), strict=True)}
    # A square is 11 x 11; a circle of radius 5.5 covers the centers of 97 pixels of these.
    assert found.pop((255, 255, 255)) == 75 * 75 - 2 * 121 - 4 * 97
    assert found == {
        (255, 0, 0): 97, (0, 255, 0): 121, (0, 0, 255): 97, (255, 156, 0): 97, (128, 128, 128): 121, (255, 255, 0): 97
    }  # fmt: skip
    assert len(COLORS) == 6
    assert image[10, 10].tolist() == [255, 0, 0] and image[60, 10].tolist() == [0, 0, 255]  # row, column
    assert image[5, 19].tolist() == [0, 255, 0] and image[5, 5].tolist() == [255, 255, 255]  # corners


def test_few_scenes_repeat_never(scenes):
    class FewPlaces:
        """A generator with hardly any choice: 2 of all places for each object."""

        def __init__(self):
            self.rng = np.random.default_rng(0)

        def choice(self, _, shape):
            return np.where(self.rng.random((shape[0], 1, 1)) < 0.5, SCENE.places, SCENE.places[:, ::-1])

        def integers(self, high, size):
            return self.rng.integers(high, size=size)

    drawn = sample_scenes(FewPlaces(), 100)  # of 2 * 64
    assert len({(scene.shapes, scene.places.tobytes()) for scene in drawn}) == 100
