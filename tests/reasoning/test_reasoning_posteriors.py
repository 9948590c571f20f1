"""Joint and conditional inference against enumeration of small worlds."""

import itertools

import numpy as np
import pytest

from kerasfusion.reasoning import (
    ProductOfExperts,
    WeightedProductOfExperts,
    ask_greedily,
    bayes_update,
    confusion_likelihood,
    expected_information_gain,
)
from kerasfusion.schema import Task

TASK = Task("label", "multiclass", "label", classes=("a", "b", "c"))
PRIOR = np.array([0.5, 0.3, 0.2])
# P(outcome | class) of two witnesses who do not know of each other.
FIRST = np.array([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
SECOND = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]])
# Every case (class, first, second) as often as it comes: 1,000 rows.
CASES = [
    (y, i, j, PRIOR[y] * FIRST[y, i] * SECOND[y, j]) for y, i, j in itertools.product(range(3), range(2), range(3))
]
LABELS, SAYS, SAYS_TOO = np.repeat([c[:3] for c in CASES], [round(1000 * c[3]) for c in CASES], axis=0).T


def posterior(*seen):
    """By enumeration: P(class | what the witnesses said), each given as (likelihood, outcome)."""
    cells = [PRIOR[y] * np.prod([likelihood[y, outcome] for likelihood, outcome in seen]) for y in range(3)]
    return np.array(cells) / sum(cells)


@pytest.fixture
def logits():
    """What two perfect experts say, each too sure of it by a factor."""
    first = np.stack([np.log(posterior((FIRST, i))) for i in SAYS])
    second = np.stack([np.log(posterior((SECOND, j))) for j in SAYS_TOO])
    return {"first": first * 2.0, "second": second * 0.5}


def test_the_product_of_experts_is_the_posterior_of_both(logits):
    assert len(LABELS) == 1000
    joint = ProductOfExperts(TASK, prior=[5, 3, 2]).fit(logits, LABELS)
    assert joint.temperatures == {"first": pytest.approx(2.0, abs=0.02), "second": pytest.approx(0.5, abs=0.005)}
    wanted = [posterior((FIRST, i), (SECOND, j)) for i, j in zip(SAYS, SAYS_TOO, strict=True)]
    np.testing.assert_allclose(joint.predictions(logits)["probabilities"], wanted, atol=2e-3)


def test_a_modality_that_is_not_there_changes_nothing(logits):
    joint = ProductOfExperts(TASK, prior=PRIOR).fit(logits, LABELS)
    present = {"first": np.arange(1000) % 2 == 0, "second": np.arange(1000) % 3 == 0}
    found = joint.predictions(logits, present)["probabilities"]
    np.testing.assert_allclose(found[2], posterior((FIRST, SAYS[2])), atol=2e-3)
    np.testing.assert_allclose(found[3], posterior((SECOND, SAYS_TOO[3])), atol=2e-3)
    np.testing.assert_allclose(found[1], PRIOR)
    # Rows where it is not there do not count in fitting either.
    spoiled = {name: np.where(present[name][:, None], values, 99.0 * np.arange(3)) for name, values in logits.items()}
    again = ProductOfExperts(TASK, prior=PRIOR).fit(spoiled, LABELS, present)
    np.testing.assert_allclose(again.predictions(spoiled, present)["probabilities"], found, atol=0.1)
    with pytest.raises(ValueError, match=r"must have the modalities \['first', 'second'\]. Received: \['first'\]"):
        joint.predictions({"first": logits["first"]})


def test_learned_exponents_see_who_repeats_another(logits):
    fused = WeightedProductOfExperts(TASK, prior=PRIOR).fit(logits, LABELS)
    assert fused.weights == {"first": pytest.approx(1, abs=0.05), "second": pytest.approx(1, abs=0.05)}
    echoed = {**logits, "echo": logits["second"]}

    def loss(joint):
        return -np.log(joint.fit(echoed, LABELS).predictions(echoed)["probabilities"][np.arange(1000), LABELS]).mean()

    fused, product = WeightedProductOfExperts(TASK, prior=PRIOR), ProductOfExperts(TASK, prior=PRIOR)
    exact = -np.log([posterior((FIRST, i), (SECOND, j))[y] for y, i, j in zip(LABELS, SAYS, SAYS_TOO, strict=True)])
    assert loss(fused) == pytest.approx(exact.mean(), abs=1e-3)
    assert loss(product) > exact.mean() + 0.03
    assert fused.weights["second"] + fused.weights["echo"] == pytest.approx(1, abs=0.05)
    assert fused.weights["second"] == pytest.approx(fused.weights["echo"], abs=1e-3)


def test_binary_and_tags_are_joined_alike():
    random = np.random.default_rng(0)
    labels = (random.random((400, 2)) < [0.3, 0.6]).astype("float32")
    seen = {name: (labels - 0.5) * 2 + random.normal(size=(400, 2)) for name in ("text", "image")}
    tags = ProductOfExperts(Task("t", "multilabel", "t", classes=("x", "y")), prior=[0.3, 0.6]).fit(seen, labels)
    found = tags.predictions(seen)["probabilities"]
    assert found.shape == (400, 2)
    # Of one row, by odds: prior odds times each expert's odds over prior odds.
    odds = np.array([0.3 / 0.7, 0.6 / 0.4])
    both = odds * np.prod(
        [np.exp(values[7] / tags.temperatures[name]) / odds for name, values in seen.items()], axis=0
    )
    np.testing.assert_allclose(found[7], both / (1 + both), rtol=1e-6)
    single = {name: values[:, :1] for name, values in seen.items()}
    yes_no = WeightedProductOfExperts(Task("b", "binary", "b", classes=("no", "yes"))).fit(single, labels[:, 0])
    found = yes_no.predictions(single)["probabilities"]
    assert found.shape == (400, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert ((found[:, 1] > 0.5) == labels[:, 0]).mean() > 0.9


def test_experts_need_probabilities_and_a_prior_of_the_right_length():
    with pytest.raises(ValueError, match="'age' of type regression has none"):
        ProductOfExperts(Task("age", "regression", "age"))
    with pytest.raises(ValueError, match="3 numbers above 0"):
        ProductOfExperts(TASK, prior=[0.5, 0.5])


def test_a_confusion_matrix_as_likelihood():
    said = np.where(np.arange(1000) % 10 == 0, -1, SAYS)
    counts = np.zeros((3, 2))
    for y, o in zip(LABELS, said, strict=True):
        if o >= 0:
            counts[y, o] += 1
    found = confusion_likelihood(LABELS, said, 3, outcomes=2)
    np.testing.assert_allclose(found, (counts + 1) / (counts + 1).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(confusion_likelihood(LABELS, SAYS, 3, 2, smoothing=0), FIRST)
    with pytest.raises(ValueError, match="observed must be from 0 to 1"):
        confusion_likelihood(LABELS, SAYS_TOO, 3, outcomes=2)
    with pytest.raises(ValueError, match="No row has class 2"):
        confusion_likelihood([0, 1], [0, 1], 3, smoothing=0)


def test_updates_are_bayes_rule_in_any_order():
    prior = np.tile(PRIOR, (1000, 1))
    one = bayes_update(bayes_update(prior, FIRST, SAYS), SECOND, SAYS_TOO)
    other = bayes_update(bayes_update(prior, SECOND, SAYS_TOO), FIRST, SAYS)
    wanted = [posterior((FIRST, i), (SECOND, j)) for i, j in zip(SAYS, SAYS_TOO, strict=True)]
    np.testing.assert_allclose(one, wanted)
    np.testing.assert_allclose(other, wanted)
    half = np.where(np.arange(1000) % 2, SAYS, -1)
    np.testing.assert_allclose(bayes_update(prior, FIRST, half)[:2], [PRIOR, posterior((FIRST, SAYS[1]))])
    with pytest.raises(ValueError, match="Row 1: outcome 0 has probability 0"):
        bayes_update([[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [0, 0])


def test_expected_information_is_mutual_information():
    joint = PRIOR[:, None] * FIRST
    by_cells = sum(
        joint[y, o] * np.log(joint[y, o] / (PRIOR[y] * joint[:, o].sum())) for y in range(3) for o in range(2)
    )
    sure = [1.0, 0.0, 0.0]
    np.testing.assert_allclose(expected_information_gain([PRIOR, sure], FIRST), [by_cells, 0.0], atol=1e-12)
    # Without errors an answer tells all of its entropy.
    np.testing.assert_allclose(expected_information_gain([PRIOR], np.eye(3)), [-(PRIOR * np.log(PRIOR)).sum()])


def test_questions_are_asked_by_what_they_tell():
    which = {"first?": FIRST, "second?": SECOND, "nothing?": np.full((3, 2), 0.5)}
    answers = {"first?": SAYS, "second?": SAYS_TOO, "nothing?": np.full(1000, -1)}
    start = np.tile(PRIOR, (1000, 1))
    beliefs, asked = ask_greedily(start, which, answers)
    assert beliefs.shape == (4, 1000, 3) and asked.shape == (1000, 3)
    worth = {name: expected_information_gain(start[:1], likelihood)[0] for name, likelihood in which.items()}
    assert (asked[:, 0] == max(worth, key=worth.get)).all() and (asked[:, 2] == "nothing?").all()
    wanted = [posterior((FIRST, i), (SECOND, j)) for i, j in zip(SAYS, SAYS_TOO, strict=True)]
    np.testing.assert_allclose(beliefs[2], wanted)
    np.testing.assert_allclose(beliefs[3], wanted)
    by_chance, order = ask_greedily(start, which, answers, np.random.default_rng(0))
    np.testing.assert_allclose(by_chance[3], wanted)
    assert {tuple(sorted(row)) for row in order} == {("first?", "nothing?", "second?")}
    assert len({tuple(row) for row in order}) == 6
    with pytest.raises(ValueError, match="no entry for 'second\\?'"):
        ask_greedily(start, which, {"first?": SAYS, "nothing?": SAYS})
