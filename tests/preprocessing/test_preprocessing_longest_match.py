"""Chinese texts split into the longest words of a vocabulary, and the vocabulary that jieba's words give."""

import builtins
import random

import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.preprocessing import LongestMatch, learn_segmented_vocabulary, text_vectorizer, tokenize
from kerasfusion.schema import Feature, Task

VOCABULARY = ("的", "红色", "方块", "红", "小女孩", "女孩", "在上面", "上面", "dog")


def words(texts, vocabulary=VOCABULARY):
    return [[word.decode() for word in own] for own in tokenize(texts, LongestMatch(vocabulary)).to_list()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("红色的方块在上面", ["红色", "的", "方块", "在上面"]),
        ("小女孩", ["小女孩"]),
        ("一个女孩。", ["一", "个", "女孩"]),
        ("红红色", ["红", "红色"]),
        ("", []),
        (" 。! ", []),
        ("Dog在上面 T恤 dogs", ["dog", "在上面", "t", "恤", "dogs"]),
        ("红色🐶狗", ["红色", "🐶", "狗"]),
        # Full-width letters are letters of their own, and traditional characters characters of their own.
        ("ＡＢ红色１２", ["ａｂ", "红色", "１２"]),
        ("紅色的方塊", ["紅", "色", "的", "方", "塊"]),
        # A word does not reach over a space.
        ("红 色", ["红", "色"]),
    ],
)
def test_words(text, expected):
    assert words([text]) == [expected]
    # Nor over the end of a text in a batch.
    assert words(["在上", text, "面"]) == [["在", "上"], expected, ["面"]]


def test_the_split_is_that_of_a_loop_over_the_text():
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("甲乙丙丁", k=rng.randint(1, 5))) for _ in range(30)]
    texts = ["".join(rng.choices("甲乙丙丁", k=rng.randint(0, 70))) for _ in range(80)]
    expected = []
    for text in texts:
        found = []
        while text:
            length = max([1, *(len(word) for word in vocabulary if text.startswith(word))])
            found, text = [*found, text[:length]], text[length:]
        expected.append(found)
    assert words(texts, vocabulary) == expected


def test_an_empty_batch_and_a_vocabulary_without_words():
    assert words([]) == []
    assert words(["红色"], ()) == words(["红色"], ("dog", "红", "红色的方块在上面和下面")) == [["红", "色"]]


def test_bytes_that_are_no_utf8_do_not_fail():
    found = LongestMatch(VOCABULARY)(tf.constant(["红色".encode() + b"\xff\xe7" + "方块".encode()]))
    assert tf.strings.split(found).to_list() == [["红色".encode(), "方块".encode()]]


def test_ids_of_features_and_tasks_in_a_graph():
    feature = Feature("text", "text", ("t",), length=4, vocabulary=VOCABULARY, tokenizer="longest_match")
    vectorizer = text_vectorizer(feature)
    texts = np.array(["红色的方块", "紅的dog!", ""], object)
    expected = [[5, 4, 6, 0], [1, 4, 12, 0], [0, 0, 0, 0]]
    assert vectorizer(texts).numpy().tolist() == expected
    assert tf.function(vectorizer)(tf.constant(list(texts))).numpy().tolist() == expected
    task = Task("caption", "captioning", "c", vocabulary=VOCABULARY, length=4, tokenizer="longest_match")
    assert text_vectorizer(task)(texts).numpy().tolist() == expected
    with pytest.raises(ValueError, match=r"Task 'c'.*'words', 'longest_match'.*not 'wordpiece'"):
        Task("c", "captioning", "c", tokenizer="wordpiece")


def test_the_vocabulary_is_of_tokens_and_words_of_one_text_are_split():
    segmented = {"红色的圆": ["红色", "的", "圆"], "红色方块": ["红色", "方块"]}
    vocabulary, lengths = learn_segmented_vocabulary(["红色的圆", "红色方块"], segment=segmented.get)
    assert vocabulary[0] == "红色" and set(vocabulary) == {"红色", "的", "圆", "方", "块"}
    assert lengths.tolist() == [3, 3]
    # A limit that leaves out a word leaves its characters.
    vocabulary, lengths = learn_segmented_vocabulary(["的的红色", "的红色"], 1, segment=lambda text: ["的", "红色"])
    assert vocabulary == ("的",) and lengths.tolist() == [4, 3]


def test_jieba_finds_words():
    pytest.importorskip("jieba")
    vocabulary, lengths = learn_segmented_vocabulary(["红色的圆在方块的左边", "红色的方块在圆的左边"])
    assert {"红色", "方块", "左边"} <= set(vocabulary) and lengths.tolist() == [7, 7]


def test_without_jieba_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "jieba":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[chinese\]'.*tokenizer='words'"):
        learn_segmented_vocabulary(["红色"])
