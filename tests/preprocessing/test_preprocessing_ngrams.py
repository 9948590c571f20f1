"""N-grams in TensorFlow against scikit-learn's analyzers."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer

from kerasfusion.preprocessing.ngrams import NgramVectorizer

CHARACTERS = (
    "abcdefghij XYZ.,!?'-_ \t\n",
    "äöüßÉÑçİıŁŒσΣς áé",
    "😀👍🏽❤️👩‍👩‍👧 ab",
    "红色圆形的字 中文。，",
    "０１２½²Ⅷ٣ ab",
    "\u00a0\u2003\u3000\u0085\u200b ab\x00",
    "e\u0301a\u0308 \u0940क",
)
ANALYZERS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "char_wb": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


def strings(count=2000):
    random = np.random.default_rng(0)
    found = ["", " ", "a", "a a a b", "ΑΣ ΑΣΑ"]
    while len(found) < count:
        pool = "".join(random.choice(CHARACTERS, random.integers(1, 4)))
        found.append("".join(random.choice(list(pool), random.integers(0, 60))))
    return found


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_vectors_are_those_of_scikit_learn(analyzer):
    texts = strings()
    fitted = TfidfVectorizer(**ANALYZERS[analyzer], sublinear_tf=True, max_features=3000, dtype=np.float32)
    expected = fitted.fit(texts[::2]).transform(texts).toarray()
    terms = fitted.get_feature_names_out().tolist()
    vectorizer = NgramVectorizer(analyzer, fitted.ngram_range, terms, fitted.idf_)
    found = tf.sparse.to_dense(vectorizer(tf.constant(texts))).numpy()
    assert (expected > 0).sum() > 10_000
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bytes_that_are_not_utf8_separate_words():
    vectorizer = NgramVectorizer("word", (1, 2), ["ab", "cd", "ab cd"], [1.0, 2.0, 3.0])
    found = tf.sparse.to_dense(vectorizer(tf.constant([b"AB\xffcd", b"\xff", b"x ab"]))).numpy()
    length = np.sqrt(14)
    np.testing.assert_allclose(found, [[1 / length, 2 / length, 3 / length], [0, 0, 0], [1, 0, 0]], atol=1e-6)


def test_an_unknown_analyzer_is_refused():
    with pytest.raises(ValueError, match="'word' or 'char_wb', not 'char'"):
        NgramVectorizer("char", (1, 2), ["a"], [1.0])
