"""Tables, pairs, batches and computed rates of the faces tutorial."""

import importlib.util
import io
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

PATH = Path(__file__).parents[2] / "experiments" / "_faces.py"
spec = importlib.util.spec_from_file_location("_faces", PATH)
faces = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faces)


@pytest.fixture(scope="module")
def table():
    return faces.draw_people({"train": 4, "test": 3}, images=4)


def test_drawn_people_have_images_of_both_kinds_and_no_person_is_in_two_splits(table):
    assert len(table) == 28 and table.groupby("person")["image"].count().eq(4).all()
    assert table.groupby("person")["split"].nunique().eq(1).all()
    assert table["shown"].tolist() == [faces.WHOLE, faces.HIDDEN] * 14
    # What stays is the same in all texts of a person.
    stays = table["text"].str.split(",").str[0]
    assert stays.groupby(table["person"]).nunique().eq(1).all()
    assert Image.open(io.BytesIO(table["image"][0])).size == (64, 64)
    assert faces.draw_people({"train": 4, "test": 3}, images=4).equals(table)


def test_a_shuffled_text_is_that_of_someone_else_in_the_split(monkeypatch):
    # Texts that name their person and image.
    numbers = iter(range(1000))
    monkeypatch.setattr(faces, "describe", lambda person, look: str(next(numbers)))
    table = faces.draw_people({"train": 6, "test": 5}, images=2)
    owner = table.set_index("text")[["person", "split"]]
    from_whom = owner.loc[table["shuffled"]].reset_index(drop=True)
    assert (from_whom["person"] != table["person"]).all() and (from_whom["split"] == table["split"]).all()


def test_pairs_are_all_of_one_person_and_as_many_others():
    people = np.array([5, 5, 5, 8, 8, 9])
    pairs, same = faces.draw_pairs(people, np.random.default_rng(0))
    assert same.tolist() == [True] * 4 + [False] * 4
    assert [tuple(pair) for pair in pairs[:4].tolist()] == [(0, 1), (0, 2), (1, 2), (3, 4)]
    assert (people[pairs[4:, 0]] != people[pairs[4:, 1]]).all() and len({tuple(p) for p in pairs.tolist()}) == 8


def test_photographs_and_their_pairs_are_read(tmp_path):
    rows = [("a.jpg", "A", "happiness", "train"), ("b.jpg", "B", None, "dev"), ("c.jpg", "B", "fear", "dev")]
    keys = ("image", "person", "emotion", "split")
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows))
    pair = {"image_a": "c.jpg", "image_b": "b.jpg", "same": True, "split": "dev"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair))
    table, pairs = faces.read_lfw(tmp_path)
    assert table["emotion"].tolist() == ["happiness", "other", "other"]
    assert table["split"].tolist() == ["train", "validation", "validation"]
    assert pairs[["first", "second", "same", "split"]].to_numpy().tolist() == [[2, 1, True, "validation"]]


def test_batches_hold_people_and_lose_features():
    pixels = np.arange(12 * 8 * 8 * 3, dtype="uint8").reshape(12, 8, 8, 3)
    schema = SimpleNamespace(
        features=[SimpleNamespace(name="image"), SimpleNamespace(name="text")], tasks=[SimpleNamespace(name="hair")]
    )
    bank = SimpleNamespace(fetch=lambda index: (pixels[index], None))
    examples = SimpleNamespace(
        schema=schema,
        banks={"image": bank},
        arrays={"image": np.arange(12), "text": np.full((12, 3), 7, "int32")},
        labels={"hair": np.arange(12)},
    )
    people = np.repeat([30, 10, 20, 40], 3)
    batches = faces.PeopleBatches(examples, people, 0, people_per_batch=2, images=4, without={"text": 1.0})
    assert len(batches) == 2  # 12 rows, 8 a batch
    x, y = batches[0]
    # A person's code is their place among all people, in order; four images of three are drawn with repetition.
    assert y["person"].tolist() == [[10, 20, 30, 40].index(people[row]) for row in y["hair"]]
    assert (np.bincount(y["person"], minlength=4) > 0).sum() == 2
    assert x["image"].shape == (8, 8, 8, 3) and x["image_present"].all()
    assert not x["text_present"].any() and (x["text"] == 0).all()
    again = batches[0][0]["image"]
    assert (again == x["image"]).all()
    batches.on_epoch_end()
    assert (batches[0][0]["image"] != again).any()


def test_relations_of_a_batch():
    trainer = object.__new__(faces.FaceTrainer)
    y = {"hair": 1, "person": np.array([4, 4, 9])}
    relations = keras.ops.convert_to_numpy(faces.FaceTrainer.arrange(trainer, y, {}, None)[0]["person"])
    assert relations.tolist() == [[-1, 1, 0], [1, -1, 0], [0, 0, -1]]


def test_cosines_of_pairs():
    vectors = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, -2.0]])
    found = faces.cosines(vectors, np.array([[0, 1], [0, 2], [1, 2]]))
    np.testing.assert_allclose(found, [0.5**0.5, 0, -(0.5**0.5)])


def test_eigenfaces_are_white_on_the_images_they_were_learned_from():
    train = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3)).astype("uint8")
    own, others = faces.eigenfaces(train, [train, train[:3]], 5)
    np.testing.assert_allclose(np.cov(own.T), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(others, own[:3])


def test_the_rate_behind_a_filter():
    # False rejects fall from 1 to 0 as false accepts rise: 0.5 without a filter. If a third of the different pairs
    # passes: x = 1 - 3 x.
    line = SimpleNamespace(false_accepts=np.array([0.0, 0.4, 1.0]), true_accepts=np.array([0.0, 0.4, 1.0]))
    assert faces.rate_with_filter(line, 1.0) == pytest.approx(0.5)
    assert faces.rate_with_filter(line, 1 / 3) == pytest.approx(0.25)


@pytest.mark.slow
def test_metric_learning_separates_people_it_has_not_seen(tmp_path):
    import kerasfusion as kf

    table = faces.draw_people({"train": 24, "validation": 4, "test": 10}, images=4)
    data = kf.data.load(
        table, image="image", text="text", label="hair", problem_type="multiclass", split="split", image_size=64
    )
    keras.utils.set_random_seed(0)
    model, train, test = faces.embedding_model(data.schema), data.splits["train"], data.splits["test"]
    pairs, same = faces.draw_pairs(test.frame["person"].to_numpy(), np.random.default_rng(0))
    path = tmp_path / "faces.weights.h5"
    faces.train_embedding(model, train, train.frame["person"].to_numpy(), "triplet", 10, path)
    vectors = faces.embedder(model)(test)
    again = faces.embedding_model(data.schema)
    faces.train_embedding(again, train, train.frame["person"].to_numpy(), "triplet", 10, path)
    np.testing.assert_allclose(faces.embedder(again)(test), vectors, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert kf.evaluation.score_verification(faces.cosines(vectors, pairs), same).eer < 0.25
