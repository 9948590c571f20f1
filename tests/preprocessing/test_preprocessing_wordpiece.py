"""WordPiece in TensorFlow's string operations against the tokenizers library, whose ids are stored."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from wordpiece_texts import COUNT, texts

from kerasfusion.preprocessing import WordPieceVectorizer, text_vectorizer
from kerasfusion.pretrained import PACKAGES, available, bert_folder, read_vocabulary
from kerasfusion.schema import Feature

FOLDER = Path(__file__).parents[1] / "pretrained"
LENGTH = 64


@pytest.fixture(scope="module")
def reference():
    return np.load(FOLDER / "wordpiece_reference.npz")


def small_folder(tmp_path, lowercase):
    (tmp_path / "vocab.txt").write_bytes((FOLDER / "small_vocab.txt").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(f'{{"do_lower_case": {str(lowercase).lower()}}}')
    return tmp_path


def check(folder, reference, name, rows):
    pieces, bert_rows, lowercase = read_vocabulary(folder)
    kind = "wordpiece" if lowercase else "wordpiece_cased"
    vectorize = text_vectorizer(Feature("text", "text", ("a",), length=LENGTH, vocabulary=pieces, tokenizer=kind))
    strings = texts(reference["words"].tolist())
    assert len(strings) == COUNT
    found = vectorize([strings[row] for row in rows]).numpy()
    assert found.shape == (len(rows), LENGTH)
    # The reference gives a start and an end where there is nothing between; here, nothing is a missing text.
    found[found[:, 0] == 0, :2] = 2, 3
    expected = reference[name]
    checksums = [zlib.crc32(bert_rows[ids[ids != 0]].astype("<i4").tobytes()) for ids in found]
    wrong = [row for row, checksum in zip(rows, checksums, strict=True) if checksum != expected[row]]
    assert not wrong, [(strings[row], bert_rows[found[list(rows).index(row)]].tolist()) for row in wrong[:3]]


@pytest.mark.parametrize("name, lowercase", [("small", True), ("cased", False)])
def test_every_tenth_string_is_read_as_by_the_reference(name, lowercase, reference, tmp_path):
    # Those that are no UTF-8 are every tenth, from the first on.
    rows = [row + row // 10 % 2 for row in range(0, COUNT, 10)]
    check(small_folder(tmp_path, lowercase), reference, name, rows)


@pytest.mark.slow
@pytest.mark.parametrize("name, lowercase", [("small", True), ("cased", False)])
def test_ten_thousand_strings_are_read_as_by_the_reference(name, lowercase, reference, tmp_path):
    check(small_folder(tmp_path, lowercase), reference, name, range(COUNT))


@pytest.mark.pretrained
@pytest.mark.skipif(not available()["minilm"], reason=f"needs {PACKAGES['minilm'].pip}")
def test_minilm_reads_ten_thousand_strings_as_the_reference(reference):
    check(bert_folder("minilm"), reference, "minilm", range(COUNT))


def feature(**changes):
    pieces = ("un", "##aff", "##able", "cafe", "红", "a", "##a", "!")
    return Feature(
        **{"name": "text", "kind": "text", "columns": ("a",), "length": 8, "vocabulary": pieces, **changes}
    )


@pytest.fixture(scope="module")
def vectorize():
    return WordPieceVectorizer(feature(tokenizer="wordpiece"))


@pytest.mark.parametrize(
    "text, ids",
    [
        ("Unaffable!", [2, 4, 5, 6, 11, 3, 0, 0]),
        ("un affable", [2, 4, 1, 3, 0, 0, 0, 0]),
        ("Cafe\u0301 caf\u00e9", [2, 7, 7, 3, 0, 0, 0, 0]),
        ("红红", [2, 8, 8, 3, 0, 0, 0, 0]),
        ("", [0] * 8),
        (" \u200b\n", [0] * 8),
        (b"\xff un \xe4\xb8", [2, 4, 3, 0, 0, 0, 0, 0]),
        ("a\x00a", [2, 9, 10, 3, 0, 0, 0, 0]),
        ("a ! " * 9, [2, 9, 11, 9, 11, 9, 11, 3]),
        ("aaaaaaaaa", [2, 9, 10, 10, 10, 10, 10, 3]),
        # Composed to its end, or unknown: also where the end is cut off.
        ("aaaaaaaaau", [2, 1, 3, 0, 0, 0, 0, 0]),
        ("a" * 100, [2, 9, 10, 10, 10, 10, 10, 3]),
        ("a" * 101, [2, 1, 3, 0, 0, 0, 0, 0]),
    ],
)
def test_ids(vectorize, text, ids):
    np.testing.assert_array_equal(vectorize([text]), [ids])


def test_a_batch_is_read_like_each_text_alone(vectorize):
    batch = ["un un", "", "红a", "a" * 101, "Unaffable"]
    np.testing.assert_array_equal(vectorize(batch), np.concatenate([vectorize([text]) for text in batch]))
    assert vectorize(np.array([], object)).shape == (0, 8)
    np.testing.assert_array_equal(vectorize(batch * 500)[-5:], vectorize(batch))


def test_its_graph_is_traced_once_for_a_feature():
    first, second = (text_vectorizer(feature(tokenizer="wordpiece")) for _ in range(2))
    assert first is second
    assert text_vectorizer(feature(tokenizer="wordpiece", length=4)) is not first


def test_100_000_characters_are_cut(vectorize):
    found = vectorize(["a " * 50_000, "a" * 100_000, "\U0001f600" * 100_000]).numpy()
    np.testing.assert_array_equal(found, [[2, *[9] * 6, 3], [2, 1, 3, *[0] * 5], [2, 1, 3, *[0] * 5]])


def test_it_is_plain_tensorflow_in_a_saved_model(vectorize, tmp_path):
    module = tf.Module()
    module.vectorize = vectorize
    module.serve = tf.function(vectorize, input_signature=[tf.TensorSpec((None,), tf.string)])
    tf.saved_model.save(module, tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_array_equal(loaded.serve(tf.constant(["Unaffable!", ""])), vectorize(["Unaffable!", ""]))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 600_000


def test_a_tokenizer_that_does_not_exist():
    with pytest.raises(ValueError, match="tokenizer must be one of"):
        feature(tokenizer="sentencepiece")
