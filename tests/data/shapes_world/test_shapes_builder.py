import dataclasses
import itertools

import pytest
import tensorflow_datasets as tfds

from kerasfusion.data.shapes_world import (
    COLORS,
    IMAGE_SIZE,
    SHAPES,
    TYPES,
    Scene,
    ShapesWorld,
    ShapesWorldConfig,
    caption,
    describes,
    parse_caption,
    prepare,
)

SIZES = {"train": 300, "validation": 60, "test": 60}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("quick")


@pytest.fixture(scope="module")
def builder(data_dir):
    return prepare("quick", data_dir)


@pytest.fixture(scope="module")
def splits(builder):
    return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in SIZES}


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored(builder, split):
    """Every example as it is stored, the image as the bytes of its PNG file."""
    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return [
        (
            e["index"],
            e["image"],
            *(column.tolist() for part in ("scene", "questions") for column in e[part].values()),
        )
        for e in tfds.as_numpy(dataset)
    ]


def test_sizes(builder, splits):
    assert {split: len(examples) for split, examples in splits.items()} == SIZES
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == SIZES
    default = ShapesWorld.builder_configs["default"]
    assert default.sizes == {"train": 4000, "validation": 500, "test": 500}


def test_an_example(splits):
    for examples in splits.values():
        assert sorted(example["index"] for example in examples) == list(range(len(examples)))
    example = splits["test"][0]
    assert example["image"].shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert [kind.decode() for kind in example["questions"]["type"]] == [kind for kind in TYPES for _ in range(3)]
    assert all(text.endswith(b"?") for text in example["questions"]["question"])
    assert len(example["questions"]["answer"]) == 12


def test_captions_say_their_scene_and_no_other(splits):
    scenes = [Scene.from_example(example) for example in splits["test"]]
    captions = [example["caption"].decode() for example in splits["test"]]
    assert captions == [caption(scene) for scene in scenes]
    assert all(describes(said, scene) for said, scene in zip(captions, scenes, strict=True))
    looks = [sorted((item.size, item.color, item.shape) for item in scene.objects) for scene in scenes]
    for said in captions:
        fitting = [describes(said, scene) for scene in scenes]
        assert fitting == [sorted(parse_caption(said)) == look for look in looks]


def test_held_out_pairs_are_in_test_scenes_alone(tmp_path):
    pairs = {("red", "cross"), ("gray", "circle")}
    config = ShapesWorldConfig(name="pairs", train=60, validation=20, test=60, held_out=pairs)
    scenes = ShapesWorld(config=config, data_dir=tmp_path)._scenes
    with_pairs = {
        split: sum(any((o.color, o.shape) in pairs for o in scene.objects) for scene in part)
        for split, part in scenes.items()
    }
    assert with_pairs["train"] == with_pairs["validation"] == 0 < with_pairs["test"] < 60
    # Each half of a pair is learned in other company.
    colors, shapes = (
        {getattr(o, name) for scene in scenes["train"] for o in scene.objects} for name in ("color", "shape")
    )
    assert colors == set(COLORS) and shapes == set(SHAPES)


def test_stored_scenes_equal_the_sampled_ones(builder, splits):
    for split, examples in splits.items():
        for example in examples:
            assert Scene.from_example(example) == builder._scenes[split][example["index"]]


def test_answers_belong_to_their_image(splits):
    for example in splits["train"]:
        shapes = {item.shape for item in Scene.from_example(example).objects}
        for question, answer in zip(example["questions"]["question"], example["questions"]["answer"], strict=True):
            if question in (b"is there a cross?", b"do you see a cross?"):
                assert answer == (b"yes" if "cross" in shapes else b"no")


def test_no_scene_is_in_two_splits(splits):
    keys = [Scene.from_example(example).key() for examples in splits.values() for example in examples]
    assert len(set(keys)) == len(keys) == 420


def test_all_images_differ(splits):
    images = {example["image"].tobytes() for examples in splits.values() for example in examples}
    assert len(images) == 420


def test_a_repeated_scene_is_drawn_again(monkeypatch, tmp_path):
    """Sampling from few scenes: the splits must share none all the same."""
    from kerasfusion.data.shapes_world import builder as module

    def sample_few(rng, sample=module.sample_scene, few={}):  # noqa: B006
        number = int(rng.integers(40))
        if number not in few:
            few[number] = sample(rng)
        return few[number]

    monkeypatch.setattr(module, "sample_scene", sample_few)
    config = ShapesWorldConfig(name="tiny", train=20, validation=5, test=5)
    scenes = ShapesWorld(config=config, data_dir=tmp_path)._scenes
    assert len({scene.key() for split in scenes.values() for scene in split}) == 30


def test_prepared_again_gives_the_same(builder, tmp_path):
    # Not file by file: tfds writes the fields of an example in an order that changes from process to process.
    again = prepare("quick", tmp_path)
    for split in SIZES:
        assert stored(again, split) == stored(builder, split)


def test_the_first_example_is_what_it_always_was(builder):
    """If this changes, so does everyone's data: raise `ShapesWorld.VERSION`."""
    _, example = next(builder._generate_examples("train"))
    assert [tuple(item.values())[:3] for item in example["scene"]] == [
        ("triangle", "gray", "small"),
        ("circle", "blue", "large"),
        ("square", "gray", "small"),
        ("triangle", "blue", "large"),
        ("cross", "gray", "small"),
    ]
    assert example["caption"] == (
        "a small gray square, a small gray triangle, a small gray cross, "
        "a large blue circle and a large blue triangle"
    )
    assert [round(item["x"], 4) for item in example["scene"]] == [0.6012, 0.42, 0.8306, 0.4236, 0.7683]
    assert [tuple(question.values())[:2] for question in example["questions"]] == [
        ("is there a purple thing?", "no"),
        ("do you see a green thing?", "no"),
        ("is there a blue thing?", "yes"),
        ("what is the number of small things?", "3"),
        ("how many gray things do you see?", "3"),
        ("how many green things do you see?", "0"),
        ("what color is the large triangle?", "blue"),
        ("what color is the small triangle?", "gray"),
        ("what is the size of the cross?", "small"),
        ("what color is the cross right of the circle?", "gray"),
        ("what is the color of the small triangle right of the circle?", "gray"),
        ("what is the color of the square below the cross?", "gray"),
    ]


def test_relations_asks_the_questions_of_version_1_about_the_same_scenes(builder):
    """Results are recorded on it."""
    relations = ShapesWorld(config=dataclasses.replace(builder.builder_config, name="other", plain=False))
    (_, first), (_, other) = (next(world._generate_examples("train")) for world in (builder, relations))
    assert {**first, "questions": None} == {**other, "questions": None}
    assert [tuple(question.values())[:2] for question in other["questions"]] == [
        ("do you see a gray square?", "yes"),
        ("does the picture show a large triangle?", "yes"),
        ("do you see a small circle?", "no"),
        ("what is the number of small squares?", "1"),
        ("how many small things do you see?", "3"),
        ("how many triangles do you see?", "2"),
        ("which color does the small triangle have?", "gray"),
        ("what color is the small square?", "gray"),
        ("which color does the large triangle have?", "blue"),
        ("does the large circle lie below the small gray cross?", "yes"),
        ("what color is the circle below the small triangle?", "blue"),
        ("is the small triangle below the small gray cross?", "yes"),
    ]
    configs = ShapesWorld.builder_configs
    assert [configs[name].plain for name in configs] == [True, True, True, True, False]


def test_another_seed_gives_other_scenes(builder, tmp_path):
    config = ShapesWorldConfig(name="other", train=2, validation=1, test=1, seed=1)
    other = prepare(config, tmp_path)
    assert other.info.splits["train"].num_examples == 2
    assert other._scenes["train"][0] != builder._scenes["train"][0]


def test_a_prepared_set_is_used_as_it_is(builder, data_dir):
    before = files(data_dir)
    times = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*.tfrecord*")}
    assert prepare("quick", data_dir).info.splits["test"].num_examples == 60
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*.tfrecord*")} == times
    assert files(data_dir) == before


def test_prepare_is_quiet_unless_asked(tmp_path, capfd):
    config = ShapesWorldConfig(name="tiny", train=2, validation=1, test=1)
    prepare(config, tmp_path / "quiet")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "examples" not in captured.err
    prepare(config, tmp_path / "loud", progress=True)
    captured = capfd.readouterr()
    assert "preparing dataset" in captured.out
    assert "examples" in captured.err


def test_tfds_finds_it_by_name(builder, data_dir):
    dataset = tfds.load("shapes_world/quick", split="validation", data_dir=data_dir)
    assert len(dataset) == 60


def test_odd_configs_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"'qick'. Choose one of \['default', 'quick', 'large', 'held_out', 'relations'\]"
    ):
        prepare("qick", tmp_path)
    with pytest.raises(ValueError, match="'none': test must be at least 1, not 0"):
        ShapesWorldConfig(name="none", train=1, validation=1, test=0)
    with pytest.raises(ValueError, match=r"'odd': held_out takes .* it has \[\('cross', 'red'\)\]"):
        ShapesWorldConfig(name="odd", train=1, validation=1, test=1, held_out=[("cross", "red")])
    with pytest.raises(ValueError, match="at most half of the 24"):
        pairs = itertools.product(COLORS, SHAPES[:3])
        ShapesWorldConfig(name="odd", train=1, validation=1, test=1, held_out=pairs)
