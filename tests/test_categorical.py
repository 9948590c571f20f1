"""Columns of categories, from a table to a served answer."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import BatchedDataset, DataError
from kerasfusion.serving.metadata import read_metadata

ROWS = 60


def table(**columns):
    return pd.DataFrame({"label": ["a", "b"] * (ROWS // 2), **columns})


def load(frame, names, **settings):
    return kf.data.load(frame, categorical=names, label="label", image=[], text=[], **settings)


def test_categories_become_ids_of_the_training_split():
    sizes = (["S", "M", "", "M", 3, 3.0] * 10)[:ROWS]
    data = load(table(size=sizes, city=["x"] * ROWS), "size,city")
    feature = data.schema["categories"]
    assert feature.columns == ("size", "city") and feature.length == 2 and feature.buckets == 0
    assert set(feature.categories[0]) == {"M", "S", "3"} and feature.categories[1] == ("x",)
    assert "Every row has the same category (column 'city')" in " ".join(data.notes)
    rows = pd.DataFrame({"size": ["M", " M ", "XXL", "", None], "city": ["x", "", "y", "", None]})
    examples, _ = kf.data.load_rows(rows, data.schema, with_labels=False)
    known = 2 + feature.categories[0].index("M")
    assert examples.arrays["categories"].tolist() == [[known, 2], [known, 0], [1, 1], [0, 0], [0, 0]]
    assert examples.present["categories"].tolist() == [True, True, True, False, False]
    x = next(iter(BatchedDataset(examples.without("categories"), 5).dataset()))
    assert not x["categories"].numpy().any() and not x["categories_present"].numpy().any()


def test_two_categories_and_one_give_a_model_that_saves(tmp_path):
    data = load(table(two=["p", "q"] * (ROWS // 2), one="r"), ["two", "one"])
    keras.utils.set_random_seed(0)
    model = kf.models.fusion_model(data.schema, units=8)
    model.save(tmp_path / "model.keras")
    data.schema.save(tmp_path / "schema.json")
    schema = kf.Schema.load(tmp_path / "schema.json")
    assert schema == data.schema
    x = next(iter(BatchedDataset(data.splits["train"], 8).dataset()))[0]
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x)["label"], model(x)["label"], rtol=1e-6)


def test_too_many_categories_are_hashed_alike_in_every_process():
    count = 50_000
    frame = pd.DataFrame({"label": ["a", "b"] * (count // 2), "user": [f"u{i}" for i in range(count)]})
    data = load(frame, "user", max_tokens=1000)
    feature = data.schema["categories"]
    assert feature.categories == ((),) and feature.buckets == 1000
    ids = np.concatenate([split.arrays["categories"] for split in data.splits.values()])
    assert ids.min() == 2 and ids.max() == 1001 and len(np.unique(ids)) == 1000
    assert kf.encoders.CategoricalEncoder(4, [1002])(ids[:3])["sequence"].shape == (3, 1, 4)
    rows, _ = kf.data.load_rows(pd.DataFrame({"user": ["u7", "", "new"]}), data.schema, with_labels=False)
    # FarmHash of "u7": exports of other days and machines must find the same bucket.
    assert rows.arrays["categories"][:, 0].tolist() == [780, 0, 281]
    assert "like an identifier" in " ".join(data.notes)


def test_bad_columns_are_refused():
    with pytest.raises(DataError, match="column 'size' \\(categories\\): every cell is empty"):
        load(table(size=[None] * ROWS), "size")
    with pytest.raises(DataError, match="row 1, column 'size': a category is one string or number, not a list"):
        load(table(size=[["a", "b"]] * ROWS), "size")


def test_an_unknown_category_adds_nothing_and_a_missing_cell_is_masked():
    layer = kf.encoders.CategoricalEncoder(4, [4, 3])
    found = layer(np.array([[3, 2], [3, 1], [0, 1]]))
    layer.dense.bias.assign(np.ones((2, 4)))
    found = layer(np.array([[3, 1], [0, 1]]))
    np.testing.assert_allclose(found["sequence"][:, 1], 1.0)
    assert np.array(found["mask"]).tolist() == [[True, True], [False, True]]
    with pytest.raises(ValueError, match="3 columns for 2 sizes"):
        kf.encoders.CategoricalEncoder(4, [4, 3])(np.zeros((1, 3), "int32"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A run by the command line on images, texts and categories, where a category alone tells the label."""
    folder = tmp_path_factory.mktemp("shop")
    frame = color_table(folder, rows=120)[["photo", "description"]]
    random = np.random.default_rng(0)
    label = random.choice(["low", "high"], len(frame))
    low, high = (random.choice(names, len(frame)) for names in (["ant", "bee"], ["cat", "dog"]))
    frame = frame.assign(
        maker=np.where(label == "low", low, high), size=random.choice(["S", "M", ""], len(frame)), price=label
    )
    frame.to_csv(folder / "shop.csv", index=False)
    arguments = ["--image", "photo", "--text", "description", "--categorical", "maker,size", "--label", "price"]
    arguments += ["--model", "classifier_concat", "--epochs", "8", "--learning-rate", "0.01", "--batch-size", "16"]
    command = ["train", str(folder / "shop.csv"), *arguments, "--output-dir", str(folder / "run")]
    done = CliRunner().invoke(cli.app, command, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.mark.slow
def test_a_column_of_categories_is_learned_reported_and_served(shop):
    folder, output = shop
    assert "categories (maker)" in output and "maker, size" in output
    scores = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["scores"]
    assert {"categorical only", "late average", "categories lookup"} <= set(scores)
    majority = scores["majority"]["value"]
    assert scores["classifier_concat"]["value"] > majority and scores["categorical only"]["value"] > majority
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Categories of maker" in page and "maker = " in page
    run = kf.load(folder / "run")
    rows = pd.read_csv(folder / "shop.csv", keep_default_na=False).head(6)
    rows.loc[0, "maker"] = "never seen"
    rows.loc[1, ["maker", "size"]] = ""
    expected = kf.workflows.predict(
        run, rows.assign(photo=[str(folder / p) for p in rows["photo"]]), image_dir=folder
    )
    version = kf.export(run, folder / "served")
    assert kf.verify(version).ok
    assert read_metadata(version)["features"]["categories"] == "categorical"
    with kf.serving.CApiSession(version) as session:
        answer = session.run(
            "serving_default",
            {
                "image_bytes": [(folder / p).read_bytes() for p in rows["photo"]],
                "text": [text.encode() for text in rows["description"]],
                "categories": [[m.encode(), s.encode()] for m, s in zip(rows["maker"], rows["size"], strict=True)],
            },
        )
    assert [label.decode() for label in answer["label"]] == expected["label"].tolist()
    found = kf.robustness(run, output_dir=folder / "robustness", num_severities=2).curves
    assert {"categories dropped", "categories unknown"} <= set(found["corruption"])
