"""Tables whose label is a sentence about the image."""

import numpy as np
import pandas as pd
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.data import BatchedDataset, DataError, load, load_rows
from kerasfusion.data.captions import encode_captions, one_caption_per_row
from kerasfusion.data.profile import profile_splits
from kerasfusion.schema import Schema, Task

CAPTION = {"label": "caption", "problem_type": "captioning"}


def table(images=12):
    """Every third image has one caption, the others two, as a list; words come in the order a, thing, number …"""
    rows = []
    for number in range(images):
        captions = [f"A thing, number {number}!", f"thing {number}"]
        rows.append({"photo": png_bytes(number), "caption": captions if number % 3 else captions[0]})
    return pd.DataFrame(rows)


def task(words, length):
    return Task("caption", "captioning", "said", vocabulary=tuple(words.split()), length=length)


@pytest.mark.parametrize(
    ("caption", "ids"),
    [
        ("red cat", [2, 4, 5, 3, 0]),
        ("A red, RED cat!", [2, 1, 4, 4, 5]),  # four words do not fit beside start and end: cut, and no end to learn
        ("red cat red", [2, 4, 5, 4, 3]),
        ("红红 cat", [2, 6, 6, 5, 3]),
        ("", [2, 3, 0, 0, 0]),
    ],
)
def test_ids_have_a_start_and_an_end_unless_they_are_cut(caption, ids):
    found = encode_captions([caption], task("red cat 红", 5))
    assert found.dtype == "int32" and found.tolist() == [ids]


def test_a_caption_of_one_word_at_most():
    assert encode_captions(["cat", "red cat"], task("red cat", 3)).tolist() == [[2, 5, 3], [2, 4, 5]]


@pytest.fixture(scope="module")
def data():
    return load(table(), image="photo", **CAPTION)


def test_a_list_is_one_row_for_each_caption(data, tmp_path):
    (found,) = data.schema.tasks
    assert (found.name, found.type, found.column) == ("caption", "captioning", "caption")
    assert found.outputs == found.vocabulary_size == len(found.vocabulary) + 4
    assert found.vocabulary[:3] == ("thing", "a", "number") and found.length == 4 + 2
    assert data.columns.of_kind("text") == () and not data.schema.of_kind("text")
    assert sum(len(split) for split in data.splits.values()) == 4 + 8 * 2
    assert not data.skipped
    shown = [set(split.arrays["image"].tolist()) for split in data.splits.values()]
    assert sum(map(len, shown)) == len(set.union(*shown)) == 12  # no image is in two splits
    data.schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == data.schema


def test_lists_may_be_written_as_text():
    cells = ["one", ["two", "three"], '["four", "a [five]"]', "['six']", "[red] cat", "[1, 2]", "[]"]
    frame = one_caption_per_row(pd.DataFrame({"photo": range(7), "caption": cells}), "caption")
    said = ["one", "two", "three", "four", "a [five]", "six", "[red] cat", "[1, 2]", "[]"]
    assert frame["caption"].tolist() == said
    assert frame["photo"].tolist() == frame.index.tolist() == [0, 1, 1, 2, 2, 3, 4, 5, 6]


def test_captions_without_a_word_are_counted():
    frame = table()
    frame["caption"] = frame["caption"].astype(object)
    for row, cell in ((1, []), (3, " "), (5, ["?!", "a thing"]), (7, None), (9, "..."), (10, "[]")):
        frame.at[row, "caption"] = cell
    data = load(frame, image="photo", **CAPTION)
    assert data.skipped.counts == {"label missing": 6}
    assert data.skipped.examples["label missing"][0] == (2, "caption", [])
    assert data.skipped.examples["label missing"][2] == (6, "caption", "?!")
    assert sum(len(split) for split in data.splits.values()) == (4 - 2) + 4 * 2 + 1
    assert all((split.weights["caption"] == 1).all() for split in data.splits.values())


@pytest.fixture(scope="module")
def cut():
    return load(table(), image="photo", **CAPTION, sequence_length=3, max_tokens=2)


@pytest.mark.parametrize("image_major", [False, True])
def test_what_is_read_ends_before_what_is_to_be_said(cut, image_major):
    train = cut.splits["train"]
    batches = BatchedDataset(train, 8, image_major, shuffle=True)
    captions = []
    for x, y, w in batches.dataset():
        read, said, weight = x["caption"].numpy(), y["caption"].numpy(), w["caption"].numpy()
        assert read.dtype == said.dtype == np.int32 and weight.dtype == np.float32
        assert read.shape == said.shape == (*weight.shape, 4) and read.ndim == 2 + image_major
        assert x["image"].shape[0] == read.shape[0]
        assert (read[weight == 0] == 0).all() and (said[weight == 0] == 0).all()
        assert ((read != 0) == (said != 0)).all() and 3 not in read
        assert (read[weight > 0][:, 0] == 2).all()
        assert (read[..., 1:] == np.where(read[..., 1:] != 0, said[..., :-1], 0)).all()
        captions += said[weight > 0].tolist()
    assert sorted(captions) == sorted(train.labels["caption"][:, 1:].tolist())
    # Those of four words are cut, and nobody learns to stop there.
    assert [5, 4, 1, 1] in captions and [4, 1, 3, 0] in captions
    if image_major:
        assert cut.texts_per_image > 1 and batches.counts.max() == 2


def test_another_table_of_captions_is_read_by_the_same_schema(data):
    other = pd.DataFrame({"photo": [png_bytes(50), png_bytes(51)], "caption": [["thing 1", "unheard of"], []]})
    examples, skipped = load_rows(other, data.schema)
    thing = data.schema["caption"].vocabulary.index("thing") + 4
    assert examples.labels["caption"][:, :2].tolist() == [[2, thing], [2, 1]]
    assert examples.arrays["image"][0] == examples.arrays["image"][1]
    assert skipped.counts == {"label missing": 1}
    # To caption them, none are needed.
    examples, _ = load_rows(other[["photo"]], data.schema, with_labels=False)
    (x,) = BatchedDataset(examples, 8).dataset()
    assert sorted(x) == ["image", "image_present"] and len(examples) == 2


def test_chinese_captions_are_learned_by_character():
    frame = table().assign(caption=[f"红色的圆{'。' * n}" for n in range(12)])
    (found,) = load(frame, image="photo", **CAPTION).schema.tasks
    assert set(found.vocabulary) == set("红色的圆") and found.length == 4 + 2


def test_what_was_set_is_said(cut):
    said = {what: (value, why) for what, value, why, _ in cut.settings}
    train = cut.splits["train"].frame["caption"]
    share = train.str.contains("number").mean()
    assert said["text length (caption)"] == ("3 words", f"given; {share:.1%} of texts are cut")
    assert said["vocabulary (caption)"][0] == "2 words"
    assert said["label"][0] == "caption (captioning)"
    profile = profile_splits(cut.splits, cut.image_sizes)
    found = profile["labels"]["caption"]
    assert found["length"] == 3 and found["cut"]["train"] == train.str.contains("number").sum()
    assert profile["repeats"]["other_label"] == {}
    words = train.str.replace(r"[,!]", "", regex=True).str.lower().str.split().map(lambda words: words[:4])
    unknown = sum(word not in cut.schema["caption"].vocabulary for line in words for word in line)
    assert found["unknown"]["train"] == unknown / sum(map(len, words))


def test_what_is_no_caption_is_refused():
    frame = table().assign(kind="cat", sentence="red cat")
    with pytest.raises(DataError, match=r"one label and one image column are needed, not \['caption', 'kind'\]"):
        load(
            frame,
            image="photo",
            label=["caption", "kind"],
            problem_type={"caption": "captioning", "kind": "multiclass"},
        )
    with pytest.raises(DataError, match=r"not \['caption'\] and \[\]"):
        load(frame, image=[], text="sentence", **CAPTION)
    with pytest.raises(DataError, match=r"which column holds the captions\? .* \['photo', 'said'\]"):
        load(table().rename(columns={"caption": "said"}), problem_type="captioning")
    with pytest.raises(DataError, match="row 1, column 'caption': the text is a dict"):
        load(table().assign(caption=[{"raw": "cat"}] * 12), image="photo", **CAPTION)
    columns = load(frame, image="photo", text="sentence", problem_type="captioning").columns
    assert columns.of_kind("text") == ("sentence",)


def test_free_text_as_a_label_names_the_way_out():
    with pytest.raises(DataError, match="'captioning' to learn to write it"):
        kf.data.load(table().assign(caption=[f"thing {n}" for n in range(12)]), image="photo", label="caption")
