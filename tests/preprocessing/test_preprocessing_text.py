import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.data import Feature
from kerasfusion.preprocessing import learn_vocabulary, text_vectorizer, tokenize


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


def test_vocabulary_is_by_frequency_then_alphabet_and_bounded():
    vocabulary, lengths = learn_vocabulary(["b a b", "c a", ""])
    assert vocabulary == ("a", "b", "c")
    assert lengths.tolist() == [3, 2, 0]
    assert learn_vocabulary(["b a b", "c a"], max_words=1)[0] == ("a",)
    assert learn_vocabulary(["b a b", "c a"], min_count=2)[0] == ("a", "b")
