"""The classical text baseline against scikit-learn's own pipeline, and its file."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union

import kerasfusion as kf
from kerasfusion.evaluation import BagOfWords, predict_classes
from kerasfusion.evaluation.bag_of_words import ANALYZERS

FRUITS = ("apple", "pear", "plum")


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    fruit = random.integers(0, 3, 240)
    size = random.integers(0, 2, 240)
    noise = random.integers(0, 50, (240, 2))
    frame = pd.DataFrame(
        {
            "text": [
                f"a {('small', 'big')[s]} {FRUITS[f]} n{a} m{b}"
                for f, s, (a, b) in zip(fruit, size, noise, strict=True)
            ],
            "fruit": [FRUITS[f] for f in fruit],
            "is_big": np.where(size == 1, "yes", "no"),
            "tags": [[FRUITS[f], ("small", "big")[s]] for f, s in zip(fruit, size, strict=True)],
            "price": 10.0 * fruit + size + random.normal(size=240) / 10,
            "split": np.repeat(["train", "validation", "test"], [160, 40, 40]),
        }
    )
    return kf.data.load(frame, text="text", label=["fruit", "is_big", "tags", "price"], split="split")


@pytest.fixture(scope="module")
def baseline(data):
    return BagOfWords(data.splits["train"], data.splits["validation"])


def decide(baseline, task, examples):
    return predict_classes(task, baseline.predict(examples)[task.name])


def expected_model(task, strength):
    if task.name == "price":
        return Ridge(alpha=1 / strength)
    logistic = LogisticRegression(C=strength, max_iter=100, tol=1e-3)
    return OneVsRestClassifier(logistic) if task.name == "tags" else logistic


@pytest.mark.parametrize("name", ["fruit", "is_big", "tags", "price"])
def test_it_is_the_pipeline_of_scikit_learn(data, baseline, name):
    task, train, test = data.schema[name], data.splits["train"], data.splits["test"]
    candidates = []
    for strength in (1.0, 10.0, 100.0):
        tfidf = make_union(*(TfidfVectorizer(**some, sublinear_tf=True) for some in ANALYZERS.values()))
        pipeline = make_pipeline(tfidf, expected_model(task, strength))
        pipeline.fit(train.frame["text"], train.labels[name])
        candidates.append(
            pipeline.predict(test.frame["text"]) if name == "price" else pipeline.predict_proba(test.frame["text"])
        )
    found = baseline.predict(test)[name]["value" if name == "price" else "probabilities"]
    assert min(np.abs(found - some).max() for some in candidates) < (0.05 if name == "price" else 5e-3)


def test_it_learns_what_the_words_say(data, baseline):
    test = data.splits["test"]
    for name in ("fruit", "is_big", "tags"):
        assert (decide(baseline, data.schema[name], test) == test.labels[name]).all()
    assert np.abs(decide(baseline, data.schema["price"], test) - test.labels["price"]).mean() < 1


def test_a_file_holds_all_of_it_without_pickles(data, baseline, tmp_path):
    baseline.save(tmp_path / "bag_of_words.npz")
    with np.load(tmp_path / "bag_of_words.npz", allow_pickle=False) as arrays:
        assert {array.dtype.kind for array in arrays.values()} <= {"f", "u"}
    again = BagOfWords.load(tmp_path / "bag_of_words.npz")
    for task in data.schema.tasks:
        first, second = (some.predict(data.splits["test"])[task.name] for some in (baseline, again))
        for key, value in first.items():
            np.testing.assert_allclose(second[key], value, rtol=1e-4, atol=1e-6)


def test_classes_and_tags_that_training_lacks_are_never_decided_for(data):
    train = data.splits["train"]
    without = train.take(np.flatnonzero(train.labels["fruit"] != 1))
    found = BagOfWords(without, data.splits["validation"])
    probabilities = found.predict(data.splits["test"])["fruit"]["probabilities"]
    assert probabilities.shape == (40, 3) and probabilities[:, 1].max() < 1e-6


def test_texts_without_a_word_and_labels_that_are_all_alike_leave_nothing_to_fit(data):
    empty = data.splits["train"].frame.assign(text="")
    train = data.splits["train"]
    assert BagOfWords(dataclasses.replace(train, frame=empty), data.splits["validation"]).models == {}
    alike = train.take(np.flatnonzero(train.labels["fruit"] == 0))
    assert set(BagOfWords(alike, data.splits["validation"]).models) == {"is_big", "tags", "price"}


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "bag_of_words.npz"
    for content in (b"", b"PK\x03\x04 not a zip", b"text"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bag_of_words.npz cannot be read as the baseline 'bag .*train the run"):
            BagOfWords.load(path)
    np.savez(path, **{"0/idf": np.zeros(1, "float32")})
    with pytest.raises(ValueError, match="KeyError"):
        BagOfWords.load(path)
