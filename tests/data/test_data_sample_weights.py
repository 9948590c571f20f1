import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import DataError
from kerasfusion.data.sample_weights import read_sample_weights
from kerasfusion.data.table import read_table

ROLES = {"image": "photo", "text": "description"}


@pytest.fixture
def frame(tmp_path):
    frame = color_table(tmp_path).assign(trust=[0.5 + (i % 4) for i in range(60)])
    frame.attrs.update(folder=str(tmp_path))
    return frame


def test_weights_multiply_every_task_except_in_the_test_split(frame):
    data = kf.data.load(frame, **ROLES, label=["color", "tags", "shade"], sample_weight="trust")
    for name, split in data.splits.items():
        assert set(split.weights) == {"color", "tags", "shade"}
        for weights in split.weights.values():
            expected = np.ones(len(split)) if name == "test" else split.frame["trust"]
            np.testing.assert_allclose(weights, expected)
            assert weights.dtype == np.float32
    line = next(line for line in data.settings if line[0] == "sample_weight")
    assert line[1] == "trust" and line[3] == "--sample-weight" and "unweighted" in line[2]


def test_a_row_of_weight_two_pulls_like_two_rows(frame):
    """The loss of a weighted batch is that of the batch with its rows repeated."""
    data = kf.data.load(frame.assign(trust=1.0 + (np.arange(60) % 2)), **ROLES, label="color", sample_weight="trust")
    train = data.splits["train"]
    x, y, w = next(iter(kf.data.BatchedDataset(train, len(train)).dataset()))
    x = {name: x[name] for name in ("text", "text_present")}
    model = kf.create_model("text_only", data.schema, units=4)
    loss = kf.models.get_heads(model)["label"].loss()
    logits = model(x)["label"]
    twice = np.repeat(np.arange(len(train)), (train.frame["trust"]).astype(int))
    repeated = loss(y["label"].numpy()[twice], logits.numpy()[twice])
    weighted = loss(y["label"], logits, sample_weight=w["label"])
    np.testing.assert_allclose(float(weighted), float(repeated), rtol=1e-5)
    assert abs(float(weighted) - float(loss(y["label"], logits))) > 1e-4


def test_weights_are_never_guessed(frame):
    data = kf.data.load(frame.rename(columns={"trust": "weight"}), **ROLES, label="color")
    assert data.columns.sample_weight is None and (data.splits["train"].weights["label"] == 1).all()
    assert not [line for line in data.settings if line[0] == "sample_weight"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, r"pets.csv, row 3 \(line 4\), column 'trust': the weight is empty, in 1 row"),
        (-0.5, r"pets.csv, row 3 \(line 4\), column 'trust': the weight is negative \(-0.5\)"),
        ("much", r"pets.csv, row 3 \(line 4\), column 'trust': 'much' is not a finite number"),
        (np.inf, r"pets.csv, row 3 \(line 4\), column 'trust': inf is not a finite number"),
    ],
)
def test_cells_that_are_no_weight_are_named(frame, tmp_path, cell, message):
    frame["trust"] = frame["trust"].astype(object)
    frame.loc[2, "trust"] = cell
    frame.drop(columns="tags").to_csv(tmp_path / "pets.csv", index=False)
    with pytest.raises(DataError, match=message):
        kf.data.load(tmp_path / "pets.csv", **ROLES, label="color", sample_weight="trust")


def test_weights_of_nothing_but_zero(frame):
    with pytest.raises(DataError, match="every weight in column 'trust' is 0"):
        kf.data.load(frame.assign(trust=0), **ROLES, label="color", sample_weight="trust")
    split = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    frame = frame.assign(part=split, trust=[1] * 40 + [0] * 20)
    with pytest.raises(DataError, match=r"'trust'\) in the validation split is 0"):
        kf.data.load(frame, **ROLES, label="color", split="part", sample_weight="trust")


def test_one_column_with_one_role(frame):
    with pytest.raises(DataError, match="'age' is given as numeric and as sample_weight"):
        kf.data.load(frame, **ROLES, label="color", numeric="age", sample_weight="age")
    with pytest.raises(DataError, match="weight takes one column"):
        kf.data.load(frame, **ROLES, label="color", sample_weight=["age", "trust"])


def test_weights_as_text_are_read():
    frame = read_table(pd.DataFrame({"w": ["1", " 0.5 ", "0"]}))
    np.testing.assert_array_equal(read_sample_weights(frame, "w"), np.float32([1, 0.5, 0]))


def test_the_command_line_takes_weights_and_evaluates_without_them(frame, tmp_path):
    frame.drop(columns="tags").to_csv(tmp_path / "pets.csv", index=False)
    arguments = ["--text", "description", "--image", "photo", "--label", "color", "--epochs", "1"]
    arguments += ["--model", "text_only", "--sample-weight", "trust", "--augmentation", "light"]
    arguments += ["--no-baselines", "--output-dir", str(tmp_path / "run")]
    trained = CliRunner().invoke(cli.app, ["train", str(tmp_path / "pets.csv"), *arguments], env={"COLUMNS": "200"})
    assert trained.exit_code == 0, trained.output
    assert "--sample-weight" in trained.output and "--augmentation" in trained.output
    frame.drop(columns=["trust", "tags"]).to_csv(tmp_path / "other.csv", index=False)
    reports, skipped = kf.evaluate(tmp_path / "run", tmp_path / "other.csv")
    assert reports["label"].scores["text_only"].n == 60 and not skipped
