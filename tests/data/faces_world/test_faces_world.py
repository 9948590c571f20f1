"""The faces world: what stays and what changes in the images of a person, and what a description is worth."""

import dataclasses

import numpy as np
import pytest

from kerasfusion.data.faces_world import (
    describe,
    describe_person,
    draw_face,
    hide_half,
    sample_look,
    sample_person,
    share_of_same_description,
)
from kerasfusion.data.faces_world.person import HAIR


@pytest.fixture(scope="module")
def people():
    return [sample_person(np.random.default_rng(number)) for number in range(2000)]


def plain(person, **changes):
    """A person and a look without noise, light or pose."""
    look = dataclasses.replace(
        sample_look(np.random.default_rng(0)),
        **{"expression": "neutral", "hat": None, "angle": 0.0, "shift": (0.0, 0.0), "scale": 1.0},
        light=(1.0, 1.0, 1.0),
        ground=(0.0, 0.0, 255.0),
    )
    return person, dataclasses.replace(look, **changes), np.random.default_rng(0), 0.0


def test_the_same_seed_draws_the_same_face():
    faces = []
    for seed in (3, 3, 4):
        rng = np.random.default_rng(seed)
        faces.append(draw_face(sample_person(rng), sample_look(rng), rng))
    assert faces[0].shape == (64, 64, 3) and faces[0].dtype == np.uint8
    assert (faces[0] == faces[1]).all() and (faces[0] != faces[2]).any()


def test_attributes_can_be_seen_where_they_are():
    person = dataclasses.replace(
        sample_person(np.random.default_rng(1)),
        **{"sex": "man", "age": "young", "glasses": False, "beard": False, "hair": "red"},
        skin=(200.0, 150.0, 120.0),
        hair_color=(168.0, 66.0, 34.0),
    )
    face = draw_face(*plain(person)).astype(int)
    assert face[2, 2].tolist() == [0, 0, 255] and face[36, 22].tolist() == [200, 150, 120]
    assert face[10, 32].tolist() == [168, 66, 34]

    def rows_changed(changed, **look):
        return np.flatnonzero((np.abs(draw_face(*plain(changed, **look)) - face) > 12).any(axis=(1, 2)))

    glasses, beard = (
        rows_changed(dataclasses.replace(person, glasses=True)),
        rows_changed(dataclasses.replace(person, beard=True)),
    )
    assert glasses.min() > 20 and glasses.max() < 36  # around the eyes
    assert beard.min() > 36 and beard.max() < 60  # around the chin
    assert rows_changed(person, hat=(250.0, 250.0, 250.0)).max() < 24
    smile = rows_changed(person, expression="smiling")
    assert smile.min() > 36 and smile.max() < 52
    assert rows_changed(dataclasses.replace(person, age="elderly")).size
    wider = {**person.sizes, "eye_distance": person.sizes["eye_distance"] + 0.05}
    assert rows_changed(dataclasses.replace(person, sizes=wider)).size


def test_half_a_face_is_gray_and_either_half():
    image = np.full((8, 8, 3), 40, "uint8")
    hidden = [hide_half(image, np.random.default_rng(seed), noise=0.0) for seed in range(8)]
    upper = [(half[:4] == 128).all() and (half[4:] == 40).all() for half in hidden]
    lower = [(half[4:] == 128).all() and (half[:4] == 40).all() for half in hidden]
    assert all(a != b for a, b in zip(upper, lower, strict=True)) and 0 < sum(upper) < 8
    noisy = hide_half(image, np.random.default_rng(0), noise=20.0)
    assert (noisy == 128).all(axis=(1, 2)).sum() == 4 and len(np.unique(noisy)) > 20


def test_descriptions(people):
    person = dataclasses.replace(people[0], sex="man", age="elderly", glasses=True, beard=True)
    look = dataclasses.replace(sample_look(np.random.default_rng(0)), expression="neutral", hat=None)
    assert describe(person, look) == describe_person(person) == "an elderly man with glasses and a beard"
    look = dataclasses.replace(look, expression="smiling", hat=(1.0, 2.0, 3.0))
    young = dataclasses.replace(person, sex="woman", age="young", glasses=False, beard=False)
    assert describe(young, look) == "a young woman, smiling, in a hat"


def test_the_share_of_equal_descriptions_is_that_of_the_people_drawn(people):
    # Men: (.6 ² + .4 ²) for the beard; glasses the same; three ages.
    expected = (0.25 * 0.52 + 0.25) * 0.52 / 3
    assert share_of_same_description() == pytest.approx(expected)
    counts = np.unique([describe_person(person) for person in people], return_counts=True)[1]
    assert (counts / len(people)) @ (counts / len(people)) == pytest.approx(expected, abs=0.006)


def test_people_are_as_the_world_says(people):
    assert {person.hair for person in people} == set(HAIR)
    assert all((person.hair == "gray") == (person.age == "elderly") for person in people)
    assert not any(person.beard for person in people if person.sex == "woman")
    distances = [person.sizes["eye_distance"] for person in people]
    assert np.std(distances) == pytest.approx(0.013, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": "old"}, "age one of"),
        ({"hair": "green"}, "not 'green'"),
        ({"sex": "woman", "beard": True}, "men alone"),
        ({"sizes": {"face_width": 0.2}}, "sizes must name face_width, face_height"),
    ],
)
def test_impossible_people(people, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(people[0], **changes)


def test_an_unknown_expression():
    with pytest.raises(ValueError, match="not 'angry'"):
        dataclasses.replace(sample_look(np.random.default_rng(0)), expression="angry")
