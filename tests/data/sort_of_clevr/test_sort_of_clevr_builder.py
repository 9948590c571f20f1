import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import kerasfusion as kf
from kerasfusion.data.sort_of_clevr import (
    COLORS,
    SHAPES,
    SUBTYPES,
    Scene,
    SortOfClevr,
    SortOfClevrConfig,
    ask,
    draw_scene,
    mirrored,
    prepare,
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("quick")


@pytest.fixture(scope="module")
def builder(data_dir):
    return prepare("quick", data_dir)


@pytest.fixture(scope="module")
def splits(builder):
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in ("train", "test")}


def scene_of(example):
    scene = example["scene"]
    assert scene["color"].tolist() == list(range(6))
    return Scene(tuple(SHAPES[i] for i in scene["shape"]), np.stack([scene["x"], scene["y"]], axis=1))


def key(scene):
    return scene.shapes, tuple((scene.places * 8 // 75).ravel().tolist())


def test_sizes_are_the_papers():
    configs = SortOfClevr.builder_configs
    assert (configs["default"].train, configs["default"].test) == (9800, 200)
    assert (configs["fresh"].train, configs["fresh"].test, configs["fresh"].skip) == (9800, 2000, 200)


def test_examples(splits):
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 200, "test": 40}
    for examples in splits.values():
        assert sorted(example["index"] for example in examples) == list(range(len(examples)))
        for example in examples:
            np.testing.assert_array_equal(example["image"], draw_scene(scene_of(example)))
            questions = example["questions"]
            assert [kind.decode() for kind in questions["type"]] == ["non-relational"] * 10 + ["relational"] * 10
            shapes = dict(zip(COLORS, scene_of(example).shapes, strict=True))
            for text, answer, kind in zip(*(questions[c] for c in ("question", "answer", "subtype")), strict=True):
                if kind == b"shape":
                    assert shapes[text.decode().split()[4]] == answer.decode()


def test_no_scene_is_in_two_splits(splits):
    keys = [key(scene_of(example)) for examples in splits.values() for example in examples]
    assert len(set(keys)) == len(keys) == 240


def test_fresh_scenes_are_neither_trained_nor_tested_on(tmp_path):
    default, fresh = (SortOfClevr(config=config, data_dir=tmp_path) for config in ("default", "fresh"))
    assert default._numbers == {"train": range(9800), "test": range(9800, 10000)}
    assert fresh._numbers == {"train": range(9800), "test": range(10000, 12000)}
    keys = list(map(key, fresh._scenes))
    assert len(set(keys)) == 12000
    assert list(map(key, default._scenes)) == keys[:10000]


def test_the_first_example_is_what_it_always_was(builder):
    """If this changes, so does everyone's data: raise `SortOfClevr.VERSION`."""
    _, example = next(builder._generate_examples("train"))
    assert example["scene"] == {
        "color": ["red", "green", "blue", "orange", "gray", "yellow"],
        "shape": ["square", "square", "circle", "circle", "square", "circle"],
        "x": [60, 38, 24, 9, 16, 47],
        "y": [46, 22, 7, 6, 58, 64],
    }
    assert [tuple(question.values())[:2] for question in example["questions"]][::5] == [
        ("is the gray object on the left?", "yes"),
        ("what shape is the gray object?", "square"),
        ("what shape is the object furthest from the gray object?", "circle"),
        ("how many objects have the shape of the gray object?", "3"),
    ]


@pytest.fixture(scope="module")
def data(builder, data_dir):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASFUSION_DATA", str(data_dir))
        return kf.data.load("sort_of_clevr:quick", image_size=75, slice_by=("questions/type", "questions/subtype"))


def test_load_knows_it(data):
    assert {split: len(part) for split, part in data.splits.items()} == {
        "train": 3600,
        "validation": 400,
        "test": 800,
    }
    assert data.columns.slice_by == "type" and data.texts_per_image == 20
    assert data.schema.tasks[0].classes == ("1", "2", "3", "4", "5", "6", "circle", "no", "square", "yes")
    images = [set(part.arrays["image"].tolist()) for part in data.splits.values()]
    assert [len(found) for found in images] == [180, 20, 40] and len(set.union(*images)) == 240
    assert set(data.splits["test"].frame["type"]) == {"relational", "non-relational"}
    assert set(data.splits["test"].frame["subtype"]) == set(SUBTYPES)


def test_mirrored_answers_are_those_of_the_mirrored_scene(data, splits):
    scenes = {example["image"].tobytes(): scene_of(example) for example in splits["test"]}
    test = data.splits["test"].take(np.arange(0, 800, 7))
    copies = mirrored(test)
    assert len(copies) == 4 * len(test)
    images, present = copies.banks["image"].fetch(copies.arrays["image"])
    originals = test.banks["image"].fetch(test.arrays["image"])[0].numpy()
    assert present.numpy().all()
    changed = 0
    for row, image in enumerate(images.numpy()):
        copy, original = divmod(row, len(test))
        scene = scenes[originals[original].tobytes()]
        places = scene.places.copy()
        if copy in (1, 3):
            places[:, 0] = 74 - places[:, 0]
        if copy in (2, 3):
            places[:, 1] = 74 - places[:, 1]
        scene = Scene(scene.shapes, places)
        np.testing.assert_array_equal(image, draw_scene(scene))
        answers = {q.question: q.answer for q in ask(scene, np.random.default_rng(0), per_type=18)}
        label = copies.labels["label"][row]
        assert data.schema.tasks[0].classes[label] == answers[copies.frame["question"].iloc[row]]
        changed += label != test.labels["label"][original]
    # A third of the non-relational questions asks for each side; each side is swapped in two of three mirrors.
    assert changed == 2 * test.frame["subtype"].isin(["left", "top"]).sum()
    nothing, present = copies.banks["image"].fetch(tf.constant([-1]))
    assert not present.numpy()[0] and not nothing.numpy().any()


def test_odd_configs_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"sort_of_clevr has no config 'qick'. Choose one of \['default', 'fresh'"):
        prepare("qick", tmp_path)
    with pytest.raises(ValueError, match="'none': test must be at least 1, not 0"):
        SortOfClevrConfig(name="none", train=1, test=0)
