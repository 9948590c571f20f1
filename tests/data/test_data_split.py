"""Splits: as the table says, what it lacks cut from train, and nothing torn apart."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.errors import DataError
from kerasfusion.data.split import make_splits
from kerasfusion.data.table import read_table
from kerasfusion.data.tasks import encode_labels


def columns(kind="multiclass", **roles):
    return ColumnRoles({"text": ("text",)}, labels={"label": kind}, **roles)


def table(labels, **more):
    return read_table(pd.DataFrame({"text": "x", "label": labels, **more}))


def split(frame, cols, groups=None, **settings):
    kind = cols.labels["label"]
    return make_splits(frame, cols, groups, {"label": encode_labels(frame, "label", kind)[0]}, **settings)


def sizes(splits):
    return {name: len(rows) for name, rows in splits.items()}


def test_every_row_once_and_stratified():
    frame = table(["a"] * 100 + ["b"] * 50 + ["c"] * 10)
    splits, notes = split(frame, columns())
    assert sizes(splits) == {"train": 128, "validation": 16, "test": 16}
    assert sorted(np.concatenate(list(splits.values()))) == list(range(160))
    assert splits["train"].dtype == np.int64
    assert (np.diff(splits["train"]) > 0).all()
    for name, counts in {"train": [80, 40, 8], "validation": [10, 5, 1], "test": [10, 5, 1]}.items():
        assert frame["label"].iloc[splits[name]].value_counts().reindex(["a", "b", "c"]).tolist() == counts
    assert notes == []


def test_seed_decides():
    frame = table(["a", "b"] * 100)
    first, again, other = (split(frame, columns("binary"), seed=s)[0]["test"].tolist() for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_fractions():
    frame = table(["a", "b"] * 100)
    splits, _ = split(frame, columns("binary"), fractions=(0.5, 0.2, 0.3))
    assert sizes(splits) == {"train": 100, "validation": 40, "test": 60}
    splits, _ = split(frame, columns("binary"), fractions=(0.75, 0.25, 0))
    assert sizes(splits) == {"train": 150, "validation": 50, "test": 0}
    with pytest.raises(DataError, match=r"must add up to 1, not \(0\.5, 0\.1, 0\.1\)"):
        split(frame, columns("binary"), fractions=(0.5, 0.1, 0.1))


def test_rare_classes_train_first():
    frame = table(["a"] * 100 + [f"rare{i // 3}" for i in range(60)])
    splits, notes = split(frame, columns())
    assert sizes(splits) == {"train": 128, "validation": 16, "test": 16}
    assert set(frame["label"].iloc[splits["train"]]) == set(frame["label"])
    assert notes == []


def test_groups_and_images_are_kept_together_through_chains():
    rng = np.random.default_rng(0)
    patient = [f"p{i}" for i in rng.integers(0, 150, 400)]
    image = np.where(rng.random(400) < 0.2, rng.integers(0, 60, 400), -1).astype("int32")
    frame = table(rng.choice(["a", "b", "c"], 400), patient=patient)
    splits, _ = split(frame, columns(group="patient"), [image])
    where = np.empty(400, dtype="<U10")
    for name, rows in splits.items():
        where[rows] = name
    assert (pd.Series(where).groupby(frame["patient"]).nunique() == 1).all()
    assert (pd.Series(where)[image >= 0].groupby(image[image >= 0]).nunique() == 1).all()
    assert all(len(rows) for rows in splits.values())


def test_a_chain_is_one_group():
    # 0-1 share a patient, 1-2 an image, 2-3 a patient: all four belong together.
    frame = table(["a", "b"] * 10, patient=["p", "p", "q", "q"] + [None] * 16)
    image = np.array([-1, 7, 7] + [-1] * 17)
    for seed in range(20):
        splits, _ = split(frame, columns("binary", group="patient"), [image], seed=seed)
        holders = [name for name, rows in splits.items() if set(rows) & {0, 1, 2, 3}]
        assert len(holders) == 1


def test_group_shares_are_near_the_fractions_and_stratified():
    group = np.repeat(np.arange(200), 5)
    frame = table(["a"] * 700 + ["b"] * 200 + ["c"] * 100)
    splits, _ = split(frame, columns(), [group])
    assert sizes(splits) == {"train": 800, "validation": 100, "test": 100}
    assert frame["label"].iloc[splits["test"]].value_counts().to_dict() == {"a": 70, "b": 20, "c": 10}


def test_one_giant_group_trains():
    group = np.array([0] * 60 + list(range(1, 41)))
    splits, _ = split(table(["a", "b"] * 50), columns("binary"), [group])
    assert sizes(splits) == {"train": 80, "validation": 10, "test": 10}
    assert set(range(60)) <= set(splits["train"])


def test_few_groups_fill_every_split():
    group = np.repeat([0, 1, 2], [8, 14, 8])
    splits, _ = split(table(["a", "b"] * 15), columns("binary"), [group])
    assert sizes(splits) == {"train": 14, "validation": 8, "test": 8}
    with pytest.raises(DataError, match=r"DataFrame: the rows form only 2 group\(s\) .* too few for train, val"):
        split(table(["a", "b"] * 10), columns("binary"), [np.repeat([0, 1], 10)])


def test_number_and_tags_are_dealt_out_evenly():
    frame = table(np.arange(200) / 7)
    splits, _ = split(frame, columns("regression"))
    assert sizes(splits) == {"train": 160, "validation": 20, "test": 20}
    assert np.bincount(splits["test"] // 20).tolist() == [2] * 10
    frame = table([["rare", "x"]] * 20 + [["x"]] * 100 + [[]] * 80)
    splits, _ = split(frame, columns("multilabel"))
    assert np.bincount(np.digitize(splits["test"], [20, 120])).tolist() == [2, 10, 8]


def test_without_labels():
    splits, notes = make_splits(table(["a", "b"] * 50), columns())
    assert sizes(splits) == {"train": 80, "validation": 10, "test": 10}
    assert notes == []


def test_given_splits_in_all_spellings():
    names = ["train", "Training"] * 5 + ["val", "VALID", "validation", "dev"] + ["test", "testing", " eval "]
    splits, notes = split(table(["a", "b"] * 8 + ["a"], split=names), columns("binary", split="split"))
    assert {k: v.tolist() for k, v in splits.items()} == {
        "train": list(range(10)),
        "validation": [10, 11, 12, 13],
        "test": [14, 15, 16],
    }
    assert notes == []


def test_lacking_splits_are_cut_from_train():
    labels = ["a", "b"] * 60
    cols = columns("binary", split="split")
    splits, notes = split(table(labels, split=["train"] * 100 + ["test"] * 20), cols)
    assert sizes(splits) == {"train": 90, "validation": 10, "test": 20}
    assert splits["test"].tolist() == list(range(100, 120))
    assert notes == ["validation: 10 rows cut from train, as the column 'split' has none."]
    splits, notes = split(table(labels, split=["train"] * 120), cols)
    assert sizes(splits) == {"train": 96, "validation": 12, "test": 12}
    assert len(notes) == 2
    splits, notes = split(table(labels, split=["train"] * 100 + ["dev"] * 20), cols)
    assert sizes(splits) == {"train": 90, "validation": 20, "test": 10}
    assert notes == ["test: 10 rows cut from train, as the column 'split' has none."]


def test_cut_from_train_keeps_groups():
    group = np.repeat(np.arange(24), 5)
    frame = table(["a", "b"] * 60, split=["train"] * 100 + ["test"] * 20)
    splits, _ = split(frame, columns("binary", split="split"), [group])
    assert sizes(splits) == {"train": 90, "validation": 10, "test": 20}
    assert not set(group[splits["train"]]) & set(group[splits["validation"]])


def test_unknown_split_names(tmp_path):
    path = tmp_path / "pets.csv"
    rows = [f"x,{'ab'[i % 2]},{'train' if i != 3 else 'holdout'}" for i in range(12)] + ["x,a,"]
    path.write_text("\n".join(["text,label,split", *rows]) + "\n", encoding="utf-8")
    message = (
        r"pets\.csv, row 4 \(line 5\), column 'split': unknown split\. .* 'holdout' \(1 row\(s\)\), "
        r"'' \(1 row\(s\)\); known are train, training, val"
    )
    with pytest.raises(DataError, match=message):
        split(read_table(path), columns("binary", split="split"))
    with pytest.raises(DataError, match="no row of column 'split' says train; it holds test"):
        split(table(["a", "b"] * 6, split=["test"] * 12), columns("binary", split="split"))


def test_straddling_groups_of_a_given_split_are_noted():
    given = ["train"] * 8 + ["val", "val", "test", "test"]
    frame = table(["a", "b"] * 6, split=given, patient=list("aabbccddaabx"))
    _, notes = split(frame, columns("binary", split="split", group="patient"))
    assert notes == [
        "The column 'split' puts rows that belong together (same 'patient' or image) into different "
        "splits: 2 group(s), such as 'a': row 1 is train and row 9 is validation. Scores on validation and test may "
        "be too good."
    ]


def test_classes_that_train_lacks_are_noted():
    frame = table(["a", "b"] * 5 + ["a", "c", "c"], split=["train"] * 10 + ["val", "test", "test"])
    _, notes = split(frame, columns(split="split"))
    assert notes == ["test: 2 row(s) of 1 class(es) of 'label' that train lacks: c."]


def test_too_small():
    with pytest.raises(
        DataError, match=r"DataFrame: 3 usable rows are too few .* At least 10 are needed, and at least 2"
    ):
        split(table(["a", "b", "a"]), columns("binary"))
    with pytest.raises(
        DataError, match=r"column 'label': at least 2 rows of each .* the 3 classes have 10, 1, 1 row"
    ):
        split(table(["a"] * 10 + ["b", "c"]), columns())
