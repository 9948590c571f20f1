import itertools

import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.data.shapes_world import Object, Scene, caption, describes, parse_caption, sample_scene
from kerasfusion.preprocessing import tokenize

CROSS = Object("cross", "blue", "large", 0.7, 0.4)
CIRCLE = Object("circle", "red", "small", 0.2, 0.5)
SQUARE = Object("square", "red", "small", 0.2, 0.9)


def test_a_caption_does_not_depend_on_places_or_on_the_order_of_objects():
    for objects in itertools.permutations((CROSS, CIRCLE, SQUARE)):
        assert caption(Scene(objects)) == "a small red circle, a small red square and a large blue cross"
    assert caption(Scene([CROSS])) == "a large blue cross"
    assert caption(Scene([SQUARE, CROSS])) == "a small red square and a large blue cross"


def test_a_caption_is_understood_without_its_punctuation():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = sample_scene(rng)
        words = " ".join(word.decode() for word in tokenize([caption(scene)])[0].numpy())
        assert "," not in words and describes(words, scene) and describes(caption(scene), scene)


@pytest.mark.parametrize(
    "said",
    [
        "a small red circle",  # one is missing
        "a small red circle and a large blue circle",
        "a small red circle and a large blue cross and a small red circle",  # one twice
        "a small red circle a large cross",
        "a small red circle a large blue cross and",
        "and a small red circle a large blue cross",
        "a small red circle and the large blue cross",
        "small red circle and large blue cross",
        "",
    ],
)
def test_what_does_not_describe_a_scene(said):
    assert not describes(said, Scene([CIRCLE, CROSS]))


def test_the_order_of_the_words_and_further_ands_do_not_matter():
    scene = Scene([CIRCLE, CROSS, SQUARE])
    assert describes("A large blue cross, and a small red square and a small red circle.", scene)
    assert parse_caption("a large blue cross a small red square") == [
        ("large", "blue", "cross"),
        ("small", "red", "square"),
    ]
    assert parse_caption("an image of nothing") is None


def test_they_are_loaded_by_image(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFUSION_DATA", str(tmp_path))
    data = kf.data.load("shapes:quick", problem_type="captioning")
    assert data.schema["caption"].column == "caption"
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 300, "validation": 60, "test": 60}
    assert not data.schema.of_kind("text") and data.columns.slice_by is None
    assert data.schema["caption"].vocabulary_size == 4 + 2 + 12  # a, and; sizes, colors, shapes
    assert data.schema["caption"].length == 2 + 6 * 4 + 1
    assert data.texts_per_image == 1
