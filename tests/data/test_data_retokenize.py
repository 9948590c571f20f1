"""Texts that are cut into the pieces of a BERT's vocabulary: when loaded, and of data that is loaded already."""

from pathlib import Path

import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data.errors import DataError
from kerasfusion.pretrained import read_vocabulary

COLUMNS = {"image": "photo", "text": "description", "label": "fits", "image_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in Hugging Face form of which only the vocabulary is read."""
    folder = tmp_path_factory.mktemp("bert")
    vocabulary = Path(__file__).parents[1] / "pretrained" / "small_vocab.txt"
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    for file in ("config.json", "model.safetensors"):
        (folder / file).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("colors")
    table = color_table(path, rows=24)
    table["description"] = table["description"].where(table.index % 5 != 0, "")
    table.attrs.update(folder=str(path))
    return table


def test_loading_by_pieces_and_reading_anew_are_the_same(table, folder, tmp_path):
    words = kf.data.load(table, **COLUMNS)
    data, again = kf.data.load(table, **COLUMNS, tokenizer=folder), kf.data.retokenize(words, folder)
    text = data.schema["text"]
    assert data.schema == again.schema and text.tokenizer == "wordpiece"
    assert text.vocabulary == read_vocabulary(folder)[0]
    # With start and end: the longest text has its length.
    ids = np.concatenate([split.arrays["text"] for split in data.splits.values()])
    assert text.length == (ids != 0).sum(axis=1).max() and set(ids[ids[:, 0] != 0][:, 0]) == {2}
    assert data.settings == again.settings and any(f"pieces of {folder}" in s.reason for s in data.settings)
    for name, split in data.splits.items():
        for field in ("arrays", "present"):
            for key, array in getattr(split, field).items():
                np.testing.assert_array_equal(getattr(again.splits[name], field)[key], array)
        np.testing.assert_array_equal(split.present["text"], split.arrays["text"].any(axis=1))
        assert again.splits[name].banks["image"] is words.splits[name].banks["image"]
    assert again.arguments["tokenizer"] == folder
    assert kf.data.retokenize(again, "words").schema == words.schema
    # A schema of before has no tokenizer; this one comes back as it was.
    data.schema.save(tmp_path / "schema.json")
    assert kf.Schema.load(tmp_path / "schema.json") == data.schema
    old = words.schema.to_dict()
    for feature in old["features"]:
        del feature["tokenizer"]
    assert kf.Schema.from_dict(old) == words.schema


def test_texts_are_cut_where_asked(table, folder):
    data = kf.data.load(table, **COLUMNS, tokenizer=folder, sequence_length=4)
    assert data.splits["train"].arrays["text"].shape[1] == 4
    assert any("% of texts are cut" in setting.reason for setting in data.settings)


def test_what_is_no_tokenizer_is_refused(table, tmp_path):
    with pytest.raises(DataError, match=r"tokenizer: .*no config.json, model.safetensors, vocab.txt\. Give"):
        kf.data.load(table, **COLUMNS, tokenizer=tmp_path)
