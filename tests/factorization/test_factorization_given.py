"""Factors of another model, with a factorization's predictions."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.factorization import GivenFactors

USERS, ITEMS, BIAS = (
    np.array([[1.0, 0.0], [0.0, 2.0]]),
    np.array([[3.0, 1.0], [1.0, 1.0], [0.0, 2.0]]),
    [0.0, 5.0, 0.5],
)
IDS = {"row_ids": ["ann", "bob"], "column_ids": ["Alien", "Up", "Heat"]}
SEEN = pd.DataFrame({"user": ["ann", "bob", "bob"], "film": ["Up", "Heat", "Heat"]})


@pytest.fixture(scope="module")
def model():
    return GivenFactors(USERS, ITEMS, BIAS, **IDS).fit(SEEN)


def test_predictions(model):
    np.testing.assert_allclose(model.predict(["ann", "bob"], ["Up", "Heat"]), [6.0, 4.5])
    ids, scores = model.recommend("ann", 5)
    assert ids.tolist() == ["Alien", "Heat"] and scores.tolist() == [3.0, 0.5]
    assert model.recommend("bob", 5)[0].tolist() == ["Up", "Alien"]
    assert model.similar_items("Up", 1)[0].tolist() == ["Alien"]
    assert model.ratings_.toarray().astype(bool).tolist() == [[False, True, False], [False, False, True]]


def test_unknown_ids_are_named(model):
    with pytest.raises(ValueError, match="1 of 1 row ids were not in fit, the first row 'eve'"):
        model.recommend("eve")
    with pytest.raises(ValueError, match="the first column 'Lost'"):
        GivenFactors(USERS, ITEMS, **IDS).fit(SEEN.replace("Heat", "Lost"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row_factors": USERS[:, :1]}, r"\(n, k\) and \(m, k\)"),
        ({"column_bias": [1.0]}, r"column_bias must be \(3,\)"),
        ({"row_ids": ["ann", "ann"]}, "row_ids must be 2 different ids"),
        ({"column_ids": ["Up"]}, "column_ids must be 3 different ids"),
    ],
)
def test_factors_that_do_not_fit(change, message):
    given = {"row_factors": USERS, "column_factors": ITEMS, "column_bias": BIAS, **IDS}
    with pytest.raises(ValueError, match=message):
        GivenFactors(**{**given, **change}).fit(SEEN)
