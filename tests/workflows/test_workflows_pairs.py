"""Right and wrong pairs out of a match. A model is trained on them in tutorial 05: `pytest -m slow -k reranks`."""

import dataclasses

import numpy as np
import pytest
from tables import caption_table

import kerasfusion as kf
from kerasfusion.data import DataError
from kerasfusion.training import Run
from kerasfusion.workflows.pairs import wrong_pairs


def directions(*degrees):
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32")


IMAGES, TEXTS, IMAGE_OF_TEXT = directions(0, 40, 100), directions(5, 55, 95, -10), np.array([0, 1, 2, 0])


def chosen(codes, counts, num_candidates=1, seed=0):
    counts = np.tile(counts, (len(TEXTS), 1))
    found = wrong_pairs(
        IMAGES, TEXTS, IMAGE_OF_TEXT, np.array(codes), counts, num_candidates, np.random.default_rng(seed)
    )
    return list(zip(*(part.tolist() for part in found), strict=True))


def test_the_nearest_wrong_ones_are_chosen_once():
    # (made for this text, image, text, kind)
    assert chosen([0, 1, 2, 3], [1, 1, 0, 0]) == [
        (0, 0, 1, 0),
        (1, 1, 0, 0),
        (2, 2, 1, 0),
        (2, 1, 2, 1),
        (3, 1, 3, 1),
    ]


def test_texts_with_the_same_words_are_right_for_the_images_of_both():
    # The last text has the words of the second: both are right for images 0 and 1.
    assert chosen([0, 1, 2, 1], [1, 1, 0, 0]) == [(0, 0, 2, 0), (1, 1, 0, 0), (2, 2, 1, 0), (2, 1, 2, 1)]


def test_any_are_drawn_from_all_wrong_ones():
    drawn = {pair[1:3] for seed in range(20) for pair in chosen([0, 1, 2, 3], [0, 0, 1, 1], seed=seed)}
    assert chosen([0, 1, 2, 3], [0, 0, 1, 1]) == chosen([0, 1, 2, 3], [0, 0, 1, 1])
    assert drawn == {(0, 1), (0, 2), (1, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3)}
    # More than there are: all of them.
    assert {pair[1:3] for pair in chosen([0, 1, 2, 3], [0, 0, 9, 0])} == drawn


@pytest.fixture(scope="module")
def match(tmp_path_factory):
    """A match and a dual encoder that has learned nothing."""
    folder = tmp_path_factory.mktemp("captions")
    split = np.repeat(["train", "train", "test", "validation"] * 6, 2)
    table = caption_table(folder, images=24).assign(split=split)
    data = kf.data.load(table, image="photo", text="caption", problem_type="retrieval", image_dir=folder)
    image = {"name": "small_cnn", "filters": (4,)}
    model = kf.models.dual_encoder(data.schema, "average", image, units=8, name="dual")
    return table, data, Run(folder / "dual", data.schema, model, {}, {})


def test_pairs_are_a_binary_label_within_their_split(match):
    table, data, run = match
    pairs = kf.workflows.mine_hard_negatives(data, run, negatives=4, random_fraction=0.5, num_candidates=3)
    own = table.groupby("photo")["caption"].agg(set)
    assert pairs.schema.features == data.schema.features
    assert [(task.name, task.type, task.classes) for task in pairs.schema.tasks] == [
        ("label", "binary", ("no", "yes"))
    ]
    for name, part in pairs.splits.items():
        before, frame = data.splits[name], part.frame
        assert set(frame["photo"]) == set(before.frame["photo"]) and set(frame["caption"]) <= set(
            before.frame["caption"]
        )
        right = [caption in own[photo] for photo, caption in zip(frame["photo"], frame["caption"], strict=True)]
        assert part.labels["label"].tolist() == right and ((frame["match"] == "yes") == right).all()
        assert sum(right) == len(before) and 2 * len(before) < len(right) <= 5 * len(before)
        assert set(frame["pair"]) == {"right", "near text", "near image", "any text", "any image"}
        assert part.weights["label"].tolist() == [1.0] * len(part)
        # What a model reads is what the table says.
        words = dict(zip(before.frame["caption"], before.arrays["text"].tolist(), strict=True))
        assert part.arrays["text"].tolist() == [words[caption] for caption in frame["caption"]]
        keys = part.banks["image"].keys
        assert all(keys[i].endswith(photo) for i, photo in zip(part.arrays["image"], frame["photo"], strict=True))
    model = kf.create_model("classifier_concat", pairs.schema, units=8, image_encoder="small_cnn")
    test = pairs.splits["test"]
    found = kf.evaluation.evaluate_models({"fused": model}, test, pairs.splits["train"], pairs.columns.slice_by)[
        "label"
    ]
    counts = test.frame["pair"].value_counts().to_dict()
    assert {kind: score.n for kind, score in found.by_kind["fused"].items()} == counts
    assert found.by_kind["majority"]["right"].value == 0 and found.by_kind["majority"]["near text"].value == 1


def test_weights_are_those_of_the_row_that_a_pair_was_made_for(match):
    _, data, run = match
    weights = np.arange(len(data.splits["train"]), dtype="float32")
    weighted = dataclasses.replace(data, splits={"train": data.splits["train"].weighted(weights)})
    train = kf.workflows.mine_hard_negatives(weighted, run).splits["train"]
    # The first has no weight, so it makes no pair.
    assert train.weights["label"][: len(weights) - 1].tolist() == weights[1:].tolist()
    assert set(train.weights["label"].tolist()) == set(weights[1:].tolist())


def test_what_cannot_be_mined_is_said(match):
    _, data, run = match
    with pytest.raises(ValueError, match="negatives and num_candidates must be at least 1"):
        kf.workflows.mine_hard_negatives(data, run, negatives=0)
    words = dataclasses.replace(data.schema["text"], vocabulary=("red",))
    schema = dataclasses.replace(data.schema, features=(words, data.schema["image"]))
    with pytest.raises(ValueError, match="takes other features than the data has"):
        kf.workflows.mine_hard_negatives(data, dataclasses.replace(run, schema=schema))
    with pytest.raises(ValueError, match="mine_hard_negatives is for a match, and the data has none"):
        kf.workflows.mine_hard_negatives(dataclasses.replace(data, schema=kf.Schema(data.schema.features, ())), run)
    alone = dataclasses.replace(data, splits={"test": data.splits["test"].take([0, 1])})
    with pytest.raises(DataError, match="no wrong pairs in the test split"):
        kf.workflows.mine_hard_negatives(alone, run)
