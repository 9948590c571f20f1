"""Interactions read from messy tables, split by time, and batched with negatives."""

import numpy as np
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.data import DataError, InteractionBatches, read_interactions, split_by_time

COLUMNS = {"user": "who", "item": "film", "time": "when"}


def table(*rows):
    return pd.DataFrame(rows, columns=["who", "film", "when"])


def test_sorted_by_time_with_duplicates_and_unknown_items_counted():
    given = table(("ann", "Up", 3), ("bob", "Up", 1), ("ann", "Alien", 2), ("ann", "Up", 1), ("bob", "Lost", 9))
    found, skipped = read_interactions(given, **COLUMNS, items=["Up", "Alien"])
    assert found.to_numpy().tolist() == [["ann", "Up", 1], ["ann", "Alien", 2], ["bob", "Up", 1]]
    assert skipped.counts == {"item not among the items": 1, "user and item again": 1}
    assert "row 5, column 'item' ('Lost')" in str(skipped) and "row 1, column 'item' ('Up')" in str(skipped)


def test_dates():
    found, _ = read_interactions(table(("ann", "Up", "2024-02-01"), ("ann", "Alien", "2023-12-31")), **COLUMNS)
    assert found["item"].tolist() == ["Alien", "Up"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("ann", "Up", 1), (None, "Up", 2)], r"row 2.*column 'who': there is no id \(1 such rows\)"),
        ([("ann", "", 1)], "row 1.*column 'film': there is no id"),
        ([("ann", "Up", 1), ("ann", "Alien", "soon")], "row 2.*'when': the time 'soon' is neither a number nor a"),
        ([("ann", "Up", 1), ("ann", "Alien", None)], "row 2.*'when': the time is empty"),
        ([("ann", "Lost", 1)], "(?s)no row is left.*item not among the items"),
    ],
)
def test_unusable_cells_are_named(rows, message):
    with pytest.raises(DataError, match=message):
        read_interactions(table(*rows), **COLUMNS, items=["Up", "Alien"])
    with pytest.raises(DataError, match="no column 'who'; it has 'user'"):
        read_interactions(table(*rows).rename(columns={"who": "user"}), **COLUMNS)


def test_each_user_is_cut_by_time():
    users = ["a"] * 10 + ["b"] * 2 + ["c"]
    found = split_by_time(pd.DataFrame({"user": users}))
    assert found.tolist() == ["train"] * 7 + ["validation"] + ["test"] * 2 + ["train", "test", "train"]
    with pytest.raises(ValueError, match="less than 1 in all"):
        split_by_time(pd.DataFrame({"user": users}), 0.5, 0.5)


def test_negatives_are_new_to_the_user_and_known_to_others():
    users, items = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 1, 5, 1, 5, 3])
    known = set(zip(users, items, strict=True))
    batches = InteractionBatches(users, items, batch_size=4, num_negatives=3, seed=1)
    dataset, seen = batches.dataset(), []
    for _ in range(3):
        rows = [(x["user"].numpy(), x["item"].numpy(), y.numpy()) for x, y in dataset]
        assert [len(user) for user, *_ in rows] == [4, 2]
        user, item, label = (np.concatenate(part) for part in zip(*rows, strict=True))
        assert set(zip(user, item[:, 0], strict=True)) == known
        assert label.tolist() == [[1, 0, 0, 0]] * 6
        drawn = {(u, i) for u, row in zip(user, item[:, 1:], strict=True) for i in row}
        assert not drawn & known and {i for _, i in drawn} <= {0, 1, 3, 5}
        seen.append(item.tolist())
    assert seen[0] != seen[1]
    again = InteractionBatches(users, items, batch_size=4, num_negatives=3, seed=1).dataset()
    assert np.concatenate([x["item"].numpy() for x, _ in again]).tolist() == seen[0]


def test_items_of_a_batch_as_negatives():
    users, items = np.array([0, 0, 1, 2]), np.array([0, 2, 2, 3])
    ((x, y),) = InteractionBatches(users, items, batch_size=4, num_negatives=None).dataset()
    relation = {}
    for row, user in enumerate(x["user"].numpy()):
        for column, item in enumerate(x["item"].numpy()):
            relation[user, x["item"].numpy()[row], item] = y.numpy()[row, column]
    assert relation[0, 0, 0] == 1 and relation[0, 0, 2] == -1 and relation[0, 0, 3] == 0
    assert relation[1, 2, 2] == 1 and relation[1, 2, 0] == 0 and relation[2, 3, 2] == 0
    shares = {0: 0.25, 2: 0.5, 3: 0.25}
    expected = [np.log(shares[item]) for item in x["item"].numpy()]
    np.testing.assert_allclose(x["log_probability"], expected, rtol=1e-6)


def test_a_user_of_every_item_has_no_negative():
    with pytest.raises(ValueError, match="User 1 has an interaction with every item"):
        InteractionBatches([0, 1, 1], [0, 0, 1])
    with pytest.raises(ValueError, match="2 users of interactions and 1 items"):
        kf.data.InteractionBatches([0, 1], [0])
