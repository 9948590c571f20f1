import numpy as np
import pandas as pd
import pytest
from tables import color_table

import kerasfusion as kf

CLASSES = ["COVID-19", "Pneumonia", "Mycoplasma Pneumonia", "other", "7"]


@pytest.mark.parametrize(
    "text,named",
    [
        ("Suspected covid.", ["COVID-19"]),
        ("COVID-19, day 3", ["COVID-19"]),
        ("Covidien device, 19 years", []),
        ("pneumonia of the left lung", ["Pneumonia"]),
        ("MYCOPLASMA found", ["Mycoplasma Pneumonia"]),
        ("mycoplasma pneumonia", ["Pneumonia", "Mycoplasma Pneumonia"]),
        ("some other finding, 7 days", []),
        ("", []),
        (None, []),
        (float("nan"), []),
    ],
)
def test_a_text_names_a_class(text, named):
    found = kf.data.mentions_class(["nothing", text], CLASSES)
    assert found.shape == (2, 5) and not found[0].any()
    assert [name for name, there in zip(CLASSES, found[1], strict=True) if there] == named


def leaking_table(folder, wrong=0):
    frame = color_table(folder, rows=60).rename(columns={"color": "species"})
    frame["species"] = frame["species"].map({"red": "robin", "green": "parrot", "blue": "whale"})
    frame["description"] = [f"a thing in image {i}" for i in range(60)]
    rows = np.arange(0, 24, 2)
    frame.loc[rows, "description"] = "This is a " + frame.loc[rows, "species"]
    frame.loc[np.arange(1, 2 * wrong, 2), "description"] = "no whale, no parrot, no robin"
    frame.attrs.update(folder=str(folder))
    return frame


def load(frame, **options):
    return kf.data.load(frame, image="photo", text="description", label="species", **options)


def test_a_leak_is_named_and_can_be_left_out(tmp_path):
    frame = leaking_table(tmp_path)
    data = load(frame)
    notes = [note for note in data.notes if note.startswith("LEAK")]
    assert len(notes) == 1
    assert "12 of 60 rows name their own 'species' in 'description' (row 1: 'robin')" in notes[0]
    assert "--drop-label-leaks" in notes[0]

    data = load(frame, drop_label_leaks=True)
    assert sum(len(split) for split in data.splits.values()) == 48
    assert data.skipped.counts == {"text names a class (--drop-label-leaks)": 12}
    assert not any(note.startswith("LEAK") for note in data.notes)
    assert any(note.startswith("12 row(s) whose text names a class were left out") for note in data.notes)
    kept = pd.concat([split.frame for split in data.splits.values()])
    assert not kept["description"].str.startswith("This is").any()


def test_texts_that_name_any_class_alike_are_no_leak(tmp_path):
    # 12 rows name their own class alone, 12 hold every class's name, as a question may.
    named = leaking_table(tmp_path, wrong=12)
    shifted = leaking_table(tmp_path)
    shifted["species"] = np.roll(shifted["species"], 1)
    for frame in (named, shifted):
        assert not any(note.startswith("LEAK") for note in load(frame).notes)
