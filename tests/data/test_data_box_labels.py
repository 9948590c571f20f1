"""Boxes as labels: how cells are read, and what is said of those that are no box."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data import DataError
from kerasfusion.data.tasks import TASKS, encode_labels


def encode(cells):
    frame = pd.DataFrame({"where": pd.Series(cells, dtype=object)})
    frame.attrs["source"] = "photos.csv"
    return encode_labels(frame, "where", "box")


def test_cells_are_text_lists_or_arrays():
    box = [0.1, 0.2, 0.5, 0.75]
    values, classes = encode(["0.1,0.2,0.5,0.75", str(box), tuple(box), np.array(box)])
    assert values.dtype == "float32" and classes == ()
    np.testing.assert_allclose(values, [[0.1, 0.2, 0.5, 0.75]] * 4)


def test_an_empty_cell_is_a_missing_label_and_a_slip_beyond_the_border_is_clipped():
    values, _ = encode(["0.5,0.5,1.005,1", None, "-0.004,0,0.5,0.5"])
    assert TASKS["box"].missing(values).tolist() == [False, True, False]
    np.testing.assert_allclose(values[[0, 2]], [[0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("12,40,80,120", r"reaches outside the image.*divide by the image's width and height"),
        ("0.2,0.2,0.5,1.3", "reaches outside the image"),
        ("0.5,0.2,0.4,0.8", r"right or bottom edge that is not behind.*COCO.*add left and top"),
        ("0.5,0.2,0.5,0.8", "right or bottom edge that is not behind"),
        ("0.5,0.2,0.4", "is not four numbers"),
        ("cat", "is not four numbers"),
        ([0.1, 0.2, "x", 0.4], "is not four numbers"),
        (0.3, "is not four numbers"),
        ("0.1,0.2,nan,0.4", "is not four numbers|reaches outside the image"),
    ],
)
def test_what_is_no_box_is_named_by_row_and_column(cell, said):
    with pytest.raises(DataError, match=rf"(?s)photos\.csv.*row 2.*where.*({said})"):
        encode(["0.1,0.1,0.2,0.2", cell])


def test_a_column_without_boxes_is_refused():
    with pytest.raises(DataError, match="column 'where' has no box: nothing to learn"):
        encode([None, None])


def test_strata_are_by_area():
    values, _ = encode([f"0,0,{side / 20},{side / 20}" for side in range(1, 21)])
    ranks = TASKS["box"].strata(values)
    assert ranks[0] == 0 and ranks[-1] == 9 and (np.diff(ranks) >= 0).all()
