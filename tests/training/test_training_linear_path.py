"""The linear path: what it computes, how it is fitted, and its share in a model's predictions."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import predict_logits
from kerasfusion.layers import LinearPath
from kerasfusion.models import fusion_model, unimodal
from kerasfusion.training.ridge import MixedColumns, fit_ridge

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("rows", [12, 60])  # fewer and more rows than columns
def test_ridge_regression_is_that_of_scikit_learn(rows):
    random = np.random.default_rng(rows)
    some = sparse.random(rows, 20, 0.3, "csr", "float32", random)
    dense = random.normal(size=(rows, 10)).astype("float32")
    targets, weights = random.normal(size=(rows, 2)), random.uniform(0.5, 2, rows)
    fitted = list(fit_ridge(MixedColumns(some, dense), targets, weights, (3.0, 0.1)))
    both, bias = np.concatenate([some.toarray(), dense], axis=1), np.average(targets, axis=0, weights=weights)
    for strength, (kernel, found) in zip((3.0, 0.1), fitted, strict=True):
        reference = Ridge(strength, fit_intercept=False).fit(both, targets - bias, weights)
        np.testing.assert_allclose(kernel, reference.coef_.T, atol=2e-4)
        np.testing.assert_allclose(found, bias, rtol=1e-6)


def test_it_is_a_linear_model_of_ngrams_and_features():
    path = LinearPath({"a": 2, "b": 1}, texts=("text",), max_n=1, buckets=97)
    ids = np.array([[4, 5, 4, 0], [7, 1, 0, 0], [4, 5, 0, 0]], "int32")
    features = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 1.0]], "float32")
    inputs = {"text": {"ids": ids}, "image": {"features": features}}
    present = {"text": np.array([True, True, False]), "image": np.array([True, False, True])}
    assert not np.array(path(inputs, present)).any()
    for weight in path.weights:
        weight.assign(RANDOM.uniform(0.5, 1.5, weight.shape))
    terms, ngrams, image = (
        np.array(x) for x in (path.term_weights["text"], path.ngram_kernels["text"], path.feature_kernels["image"])
    )
    first = (terms[4] * ngrams[4] + terms[5] * ngrams[5]) / np.hypot(terms[4], terms[5])
    expected = [first + [0.6, 0.8, 0] @ image, ngrams[7] + image[2], [0.5**0.5, 0.5**0.5, 0] @ image]
    found = np.array(path(inputs, present))
    np.testing.assert_allclose(found[:, :3], expected + np.array(path.bias), rtol=1e-5)
    np.testing.assert_allclose(found[:, 3:], np.tile(np.array(path.shares), (3, 1)))
    assert LinearPath.from_config(path.get_config()).get_config() == path.get_config()


def test_it_reads_statistics_and_categories_too():
    path = LinearPath({"a": 2}, described=["size"], categories={"make": (4, 3)})
    inputs = {
        "size": {"statistics": np.array([[1.0, 8.0], [90.0, 2.0], [np.nan, 3.0], [4.0, 4.0]], "float32")},
        "make": {"categories": np.array([[2, 1], [3, 2], [0, 0], [1, 1]], "int32")},
    }
    present = {"size": np.array([True, True, True, False]), "make": np.array([True, True, True, False])}
    assert not np.array(path(inputs, present)).any()
    path.centers["size"].assign([3.0, 5.0])
    path.scales["size"].assign([2.0, 3.0])
    sizes, makes = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(7, 2))
    path.statistic_kernels["size"].assign(sizes)
    path.category_kernels["make"].assign(makes)
    root = 2**0.5
    expected = [
        # An unknown category (1) of the second column counts as nothing; its rows begin behind those of the first.
        [-1 / root, 1 / root, 0] @ sizes + makes[2] / root,
        # 43 standard deviations are cut off at 5.
        [5 / root, -1 / root, 0] @ sizes + (makes[3] + makes[4 + 2]) / root,
        [0, -2 / 3 / root, 0] @ sizes + (makes[0] + makes[4]) / root,
        sizes[2],
    ]
    np.testing.assert_allclose(np.array(path(inputs, present))[:, :2], expected, atol=1e-5)
    again = LinearPath.from_config(path.get_config())
    assert again.categories == {"make": (4, 3)} and again.described == ("size",)


def measured(rows, seed):
    """A table whose label is the sum of two numbers, the mean of a series, and a category's worth."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal([50, 0], [10, 1], (rows, 2)), columns=["height", "depth"])
    frame["make"] = random.choice(["old", "new", "used"], rows)
    series = random.normal(size=(rows, 6)) + random.normal(size=(rows, 1))
    frame["series"] = [json.dumps(values.round(4).tolist()) for values in series]
    worth = frame["make"].map({"old": -2.0, "new": 1.0, "used": 3.0})
    frame["noise"] = [json.dumps(values.round(4).tolist()) for values in random.normal(size=(rows, 3))]
    frame["price"] = frame["height"] / 10 + 2 * frame["depth"] + worth + series.mean(axis=1)
    return frame


def test_numbers_categories_and_series_are_read_by_the_models_for_them():
    frame = measured(400, 0)
    signals = ["series", "noise"]
    data = kf.data.load(frame, numeric=["height", "depth"], categorical="make", signal=signals, label="price")
    model = fusion_model(data.schema, units=2, linear=1)
    shares = kf.training.fit_linear_path(model, data.splits["train"], data.splits["validation"])
    assert shares == {"label": 1.0}
    test = data.splits["test"]
    error = predict_logits(model, test)["label"][:, 0] - test.labels["label"]
    # What is left is the penalty on the weights.
    assert np.abs(error).mean() < 0.25 and np.std(test.labels["label"]) > 2.5
    numbers = test.frame[["height", "depth"]].to_numpy()
    known = data.splits["train"].frame[["height", "depth"]].to_numpy()
    name = next(f.name for f in data.schema.of_kind("numeric"))
    means = (np.array(model.linear.centers[name]), np.array(model.linear.scales[name]))
    described = np.array(model.encoders[name].describe(numbers.astype("float32")))
    np.testing.assert_allclose(
        (described - means[0]) / means[1], (numbers - known.mean(axis=0)) / known.std(axis=0), atol=1e-3
    )
    alone = unimodal(model, data.schema, "categorical").linear
    assert alone.described == () and list(alone.categories) == [f.name for f in data.schema.of_kind("categorical")]


def test_a_model_mixes_the_probabilities(schema_for, rows_for, tmp_path):
    schema = schema_for("classifier_concat")
    model = fusion_model(schema, text_encoder="average", units=8, wide=1, linear=2)
    batch, task = rows_for(schema, 8, present=0.5), schema.tasks[0].name

    def probabilities():
        return np.array(model.heads[task].predictions(model(batch)[task])["probabilities"])

    for weight in (model.linear.ngram_kernels["text"], model.linear.bias):
        weight.assign(RANDOM.normal(size=weight.shape))
    network = probabilities()
    model.linear.shares.assign([1.0])
    linear = probabilities()
    logits = np.array(model.linear({"text": {"ids": batch["text"]}}, {"text": batch["text_present"]}))[:, :-1]
    np.testing.assert_allclose(linear, np.array(keras.ops.softmax(logits)), atol=1e-5)
    model.linear.shares.assign([0.25])
    np.testing.assert_allclose(probabilities(), 0.75 * network + 0.25 * linear, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(batch)[task]), np.array(model(batch)[task]))
    # A baseline has the model's own branches: the image alone has nothing to read.
    assert unimodal(model, schema, "text").linear.texts == ("text",)
    assert unimodal(model, schema, "image").linear is None


def words(rows, seed):
    """A table whose labels depend on one word of many."""
    random = np.random.default_rng(seed)
    kinds = random.integers(3, size=rows)
    fill = np.array([f"w{i}" for i in range(40)])[random.integers(40, size=(rows, 6))]
    rows = [
        {
            "text": " ".join([*fill[i], ("apple", "pear", "plum")[kinds[i]]]),
            "fruit": f"kind {kinds[i]}",
            "tags": "a|b" if kinds[i] == 0 else "b" if kinds[i] == 1 else "a",
            "sour": kinds[i] == 2,
            "weight": 2.25 * kinds[i] + 5,
        }
        for i in range(rows)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("label", ["fruit", "tags", "sour", "weight"])
def test_it_learns_what_the_network_did_not(label, tmp_path):
    data = kf.data.load(words(300, 0), text="text", label=label)
    model = fusion_model(data.schema, text_encoder="average", units=4, linear=1)
    (task,) = data.schema.tasks

    def right(model):
        head, labels = model.heads[task.name], data.splits["test"].labels[task.name]
        found = head.predictions(predict_logits(model, data.splits["test"])[task.name])
        decided = kf.evaluation.predict_classes(task, {k: np.array(v) for k, v in found.items()})
        return np.mean(np.isclose(decided, labels, atol=0.5))

    before = right(model)
    shares = kf.training.fit_linear_path(model, data.splits["train"], data.splits["validation"])
    assert before < 0.8 and right(model) > 0.95
    assert set(shares) == {task.name} and 0.5 <= shares[task.name] <= 1
    np.testing.assert_allclose(np.array(model.linear.shares), [shares[task.name]])


def test_a_network_that_is_right_is_left_alone(schema_for):
    data = kf.data.load(words(200, 0), text="text", label="fruit")
    # No n-gram counts: all ids are special tokens.
    blank = {name: split.without("text") for name, split in data.splits.items()}
    model = fusion_model(data.schema, text_encoder="average", units=4, linear=1)
    labels = blank["validation"].labels["label"]
    model.heads["label"].dense.bias.assign(np.eye(3)[np.bincount(labels.astype(int)).argmax()] * 9)
    before = predict_logits(model, blank["validation"])["label"].argmax(axis=1)
    kf.training.fit_linear_path(model, blank["train"], blank["validation"])
    np.testing.assert_array_equal(predict_logits(model, blank["validation"])["label"].argmax(axis=1), before)


def test_rows_without_a_label_do_not_count(tmp_path):
    data = kf.data.load(words(300, 0), text="text", label="fruit")
    train = data.splits["train"]
    wrong = train.labels["label"].copy()
    wrong[::2] = 0
    weights = {"label": np.where(np.arange(len(train)) % 2, 1, 0).astype("float32")}
    spoiled = dataclasses.replace(train, labels={"label": wrong}, weights=weights)
    kernels = []
    for given in (spoiled, train.take(np.arange(1, len(train), 2))):
        model = fusion_model(data.schema, text_encoder="average", units=4, linear=1)
        kf.training.fit_linear_path(model, given, data.splits["validation"])
        kernels.append(np.array(model.linear.ngram_kernels["text"]))
    np.testing.assert_allclose(*kernels, atol=1e-5)


@pytest.mark.parametrize("label", ["sour", "fruit"])
def test_words_are_weighted_by_rarity_and_of_two_classes_by_how_unequally_these_use_them(label):
    frame = pd.DataFrame(
        {
            "text": ["good film", "good plot", "bad film", "bad bad", "good film", "bad plot"] * 10,
            "sour": [False, False, True, True, False, True] * 10,
            "fruit": ["a", "b", "c"] * 20,
        }
    )
    data = kf.data.load(frame, text="text", label=label)
    model = fusion_model(data.schema, text_encoder="average", units=4, linear=1)
    train = data.splits["train"]
    kf.training.fit_linear_path(model, train, data.splits["validation"])
    found, vocabulary = np.array(model.linear.term_weights["text"]), data.schema["text"].vocabulary
    has = {word: np.array([word in text.split() for text in train.frame["text"]]) for word in vocabulary}
    assert set(vocabulary) == {"good", "bad", "film", "plot"}
    shares = []
    for of_class in (train.frame["sour"], ~train.frame["sour"]):
        # Every bucket counts as one more, those of no word as well.
        counts = {word: 1 + (has[word] & of_class).sum() for word in vocabulary}
        shares.append({word: count / (sum(counts.values()) + len(found) - 4) for word, count in counts.items()})
    for word in vocabulary:
        expected = np.log((1 + len(train)) / (1 + has[word].sum())) + 1
        if label == "sour":
            expected *= abs(np.log(shares[0][word] / shares[1][word]))
        np.testing.assert_allclose(found[4 + vocabulary.index(word)], expected, rtol=1e-4, err_msg=word)


def test_training_fits_and_saves_it(tmp_path, messages):
    columns = {"image": "photo", "text": "description", "label": "color"}
    data = kf.data.load(color_table(tmp_path), **columns, image_size=16, image_dir=str(tmp_path))
    settings = {"text_encoder": "average", "image_encoder": "small_cnn", "units": 4, "linear": 1, "wide": None}
    config = kf.training.TrainingConfig(epochs=1)
    run = kf.train(data, "wide_deep", tmp_path / "run", config, baselines=False, **settings)
    share = float(np.array(run.model.linear.shares)[0])
    assert any("linear path" in line for line in messages)
    assert np.array(run.model.linear.bias).any()
    loaded = kf.load(tmp_path / "run").model
    np.testing.assert_allclose(np.array(loaded.linear.shares), [share])
    np.testing.assert_allclose(np.array(loaded.linear.bias), np.array(run.model.linear.bias))


def test_without_a_linear_path_there_is_nothing_to_fit():
    data = kf.data.load(words(60, 0), text="text", label="fruit")
    model = fusion_model(data.schema, text_encoder="average", units=4)
    assert kf.training.fit_linear_path(model, data.splits["train"], data.splits["validation"]) == {}


def test_it_is_for_few_hundred_classes_and_for_answers_that_can_be_averaged(tiny_schema):
    def path(task):
        schema = dataclasses.replace(tiny_schema, tasks=(task,))
        return fusion_model(schema, text_encoder="average", units=4, linear=1).linear

    many = tuple(map(str, range(501)))
    assert path(kf.Task("label", "multiclass", "a", classes=many[:500])) is not None
    assert path(kf.Task("label", "multiclass", "a", classes=many)) is None
    assert path(kf.Task("label", "ordinal", "a", classes=("low", "middle", "high"))) is None


def test_it_is_not_carried_over_to_another_model(schema_for):
    schema = schema_for("classifier_concat")
    parent, model = (fusion_model(schema, text_encoder="average", units=4, linear=1) for _ in range(2))
    parent.linear.shares.assign([0.5])
    parent.linear.bias.assign([1.0, 2.0, 3.0])
    status = kf.transfer.transfer_weights(model, parent, schema, schema)
    assert not np.array(model.linear.shares).any() and not np.array(model.linear.bias).any()
    assert not any("linear" in weight for weight in status["weight"])
