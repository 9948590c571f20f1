"""Rules as losses: the printed formulas, and rows without labels that learn from them."""

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from kerasfusion.heads import build_head
from kerasfusion.models import get_heads
from kerasfusion.reasoning import RuleLoss, RuleRegularizedModel, Rules
from kerasfusion.schema import Schema, Task

pytest.importorskip("pysat")

SCHEMA = Schema(
    (),
    (
        Task("color", "multiclass", "color", classes=("red", "green", "blue")),
        Task("lit", "binary", "lit", classes=("off", "on")),
        Task("tags", "multilabel", "tags", classes=("dog", "poodle")),
    ),
)
TEXTS = ["red implies on", "poodle implies dog and off", "green or dog"]


def clause_literals(color, lit, tags):
    """The truth of each literal of the four clauses of TEXTS."""
    return [
        [1 - color[0], lit[0]],
        [1 - tags[1], tags[0]],
        [1 - tags[1], 1 - lit[0]],
        [color[1], tags[0]],
    ]


BY_HAND = {
    "product": lambda clauses: sum(-np.log(1 - np.prod([1 - t for t in clause])) for clause in clauses),
    "lukasiewicz": lambda clauses: sum(max(0, 1 - sum(clause)) for clause in clauses),
    "goedel": lambda clauses: max(1 - max(clause) for clause in clauses),
}


@pytest.mark.parametrize("norm", BY_HAND)
def test_the_loss_is_the_printed_formula(norm):
    random = np.random.default_rng(0)
    shapes = {"color": 3, "lit": 1, "tags": 2}
    logits = {task: random.normal(scale=2, size=(2, 4, width)).astype("float32") for task, width in shapes.items()}
    rows = [
        BY_HAND[norm](clause_literals(softmax(logits["color"][i]), expit(logits["lit"][i]), expit(logits["tags"][i])))
        for i in np.ndindex(2, 4)
    ]
    found = RuleLoss(Rules(SCHEMA, TEXTS), norm)({**logits, "other": None})
    assert float(found) == pytest.approx(np.mean(rows), rel=1e-5)


@pytest.mark.parametrize("norm", BY_HAND)
def test_it_is_zero_where_rules_hold_for_sure_and_finite_where_they_cannot(norm):
    loss = RuleLoss(Rules(SCHEMA, TEXTS), norm)
    obeys = {"color": [[40.0, 0, 0]], "lit": [[40.0]], "tags": [[40.0, -40.0]]}
    breaks = {"color": [[40.0, 0, 0]], "lit": [[-40.0]], "tags": [[-40.0, 40.0]]}
    assert float(loss({k: np.float32(v) for k, v in obeys.items()})) == pytest.approx(0, abs=1e-4)
    assert 0.9 < float(loss({k: np.float32(v) for k, v in breaks.items()})) < 100


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="must be one of product, lukasiewicz, goedel"):
        RuleLoss(Rules(SCHEMA, TEXTS), "min")


@pytest.fixture
def model():
    inputs = keras.Input((4,), name="numbers")
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    return keras.Model({"numbers": inputs}, {task.name: build_head(task)(hidden) for task in SCHEMA.tasks})


def some_rows():
    """Inputs, labels, and weights of 0 and of 1."""
    random = np.random.default_rng(0)
    x = {"numbers": random.normal(size=(16, 4)).astype("float32")}
    y = {"color": random.integers(3, size=16), "lit": np.ones(16), "tags": np.ones((16, 2))}
    return x, y, *({task: np.full(16, weight, "float32") for task in y} for weight in (0, 1))


def test_the_twin_adds_the_rules_to_the_labels_losses(model):
    loss = RuleLoss(Rules(SCHEMA, TEXTS))
    twin = RuleRegularizedModel(model, loss, weight=0.5, warmup_steps=4)
    assert {id(w) for w in twin.weights} == {id(w) for w in model.weights}
    losses = {task: head.loss() for task, head in get_heads(model).items()}
    twin.compile("sgd", loss=losses, run_eagerly=True)
    x, y, unlabelled, labelled = some_rows()
    logits = model(x)
    rules = 0.5 * float(loss(logits))
    own = sum(float(losses[task](y[task], logits[task], labelled[task])) for task in y)
    for steps, weight in ((0, 0.0), (3, 0.75), (4, 1.0), (9, 1.0)):
        twin.optimizer.iterations.assign(steps)
        assert float(twin.test_on_batch(x, y, unlabelled)[0]) == pytest.approx(weight * rules, rel=1e-5)
        assert float(twin.test_on_batch(x, y, labelled)[0]) == pytest.approx(own + weight * rules, rel=1e-5)


@pytest.mark.parametrize("norm", BY_HAND)
def test_rows_without_labels_learn_from_the_rules(model, norm):
    loss = RuleLoss(Rules(SCHEMA, TEXTS), norm)
    twin = RuleRegularizedModel(model, loss)
    losses = {task: head.loss() for task, head in get_heads(model).items()}
    twin.compile(keras.optimizers.Adam(0.2), loss=losses, run_eagerly=True)
    x, y, unlabelled, _ = some_rows()
    before = float(loss(model(x)))
    for _ in range(5):
        twin.train_on_batch(x, y, unlabelled)
    assert float(loss(model(x))) < before / 2


def test_ordinal_logits_are_refused():
    size = Task("size", "ordinal", "size", classes=("small", "medium", "large"))
    rules = Rules(Schema((), (*SCHEMA.tasks, size)), ["red implies large"])
    with pytest.raises(ValueError, match=r"not those of 'size' \(ordinal\)"):
        RuleLoss(rules)
