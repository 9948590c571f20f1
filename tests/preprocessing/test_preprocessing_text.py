import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.preprocessing import join_words, learn_vocabulary, text_vectorizer, tokenize
from kerasfusion.schema import Feature


def words(text):
    return [word.decode() for word in tokenize([text])[0].numpy()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's the RED shape?", ["whats", "the", "red", "shape"]),
        ("left-of, right;of", ["left", "of", "right", "of"]),
        ("红色的圆 circle", ["红", "色", "的", "圆", "circle"]),
        ("Ünïcode ÄÖ", ["ünïcode", "äö"]),
        ("good👍🏽job", ["good", "👍", "job"]),
        ("  ", []),
        ("", []),
        ("1.5 kg", ["1", "5", "kg"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_bytes_that_are_no_utf8_do_not_fail():
    feature = Feature("text", "text", ("t",), length=3, vocabulary=("red",))
    assert text_vectorizer(feature)(tf.constant([b"red \xff\xfe red"])).numpy().tolist() == [[4, 4, 0]]


def test_ids_are_padding_unknown_then_words_after_the_special_tokens():
    feature = Feature("text", "text", ("t",), length=4, vocabulary=("red", "circle"))
    ids = text_vectorizer(feature)(np.array(["red circle", "a red", "", "red red red red circle"], object)).numpy()
    assert ids.tolist() == [[4, 5, 0, 0], [1, 4, 0, 0], [0, 0, 0, 0], [4, 4, 4, 4]]


def test_100_000_characters_are_cut():
    feature = Feature("text", "text", ("t",), length=3, vocabulary=("a", "红"))
    texts = ["a " * 50_000, "a" * 100_000, "红" * 100_000, " " * 100_000 + "a", "\U0001f600" * 100_000]
    ids = text_vectorizer(feature)(np.array(texts, object)).numpy()
    assert ids.tolist() == [[4, 4, 4], [1, 0, 0], [5, 5, 5], [4, 0, 0], [1, 1, 1]]


def test_vocabulary_is_by_frequency_then_alphabet_and_bounded():
    vocabulary, lengths = learn_vocabulary(["b a b", "c a", ""])
    assert vocabulary == ("a", "b", "c")
    assert lengths.tolist() == [3, 2, 0]
    assert learn_vocabulary(["b a b", "c a"], max_tokens=1)[0] == ("a",)
    assert learn_vocabulary(["b a b", "c a"], min_count=2)[0] == ("a", "b")


@pytest.mark.parametrize("text", ["a red square", "红色的圆", "两只cat在跑", "a 犬 is いぬ", "good👍job", "แมว"])
def test_words_joined_again_are_the_text(text):
    rows = [words(text), words(text)[:1], []]
    padded = [row + [""] * (12 - len(row)) for row in rows]
    joined = [b.decode() for b in join_words(tf.constant(padded)).numpy()]
    assert joined == [text.replace(" 犬 ", "犬").replace("is い", "isい"), words(text)[0], ""]
    assert words(joined[0]) == words(text)
    # A word that is lost in the middle leaves no second blank.
    assert join_words(tf.constant([["a", "", "cat"]])).numpy().tolist() == [b"a cat"]
