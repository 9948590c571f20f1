"""Conditional inference: what one modality says changes what was believed by another, by Bayes' rule."""

import numpy as np
from scipy.special import xlogy


def confusion_likelihood(labels, observed, classes, outcomes=None, smoothing=1.0):
    """How likely each outcome is, given each class: a confusion matrix whose rows are shares.

    An outcome is whatever was seen beside the answer: what a text model decided, or what somebody said when asked. It
    need not be one of the classes; "red" is an outcome, and a product the class.

    Args:
        labels: int `(n,)`, the right classes, of rows on which whoever gave the outcomes was not trained.
        observed: int `(n,)`, the outcomes; -1, none, is left out.
        classes: Number of classes C.
        outcomes: Number of outcomes O; None, as many as classes.
        smoothing: Counted in each cell beforehand, so that what was not yet seen is not impossible.

    Returns:
        float64 `(C, O)`: `P(outcome | class)`, rows sum to 1.

    Raises:
        ValueError: a class or an outcome that is out of range, or a class never seen without smoothing.

    Example:

    ```python
    said = decide(task, predictions(text_only, predict_logits(text_only, validation))["label"])
    likelihood = kf.reasoning.confusion_likelihood(validation.labels["label"], said, len(task.classes))
    ```
    """
    outcomes = classes if outcomes is None else outcomes
    labels, observed = np.asarray(labels, int), np.asarray(observed, int)
    seen = observed >= 0
    for name, values, count in (("labels", labels, classes), ("observed", observed[seen], outcomes)):
        if len(values) and not 0 <= values.min() <= values.max() < count:
            raise ValueError(
                f"confusion_likelihood: {name} are 0 to {count - 1}, not {values.min()} to {values.max()}."
            )
    counts = np.full((classes, outcomes), float(smoothing))
    np.add.at(counts, (labels[seen], observed[seen]), 1.0)
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(f"confusion_likelihood: no row is of class {empty[0]}; give some smoothing.")
    return counts / counts.sum(axis=1, keepdims=True)


def bayes_update(belief, likelihood, observed):
    """Bayes' rule, row by row: `p(y | o) ∝ p(y) P(o | y)`.

    Which modality comes first does not matter: an image's posterior updated by what a text says, then by what another
    says, is the same in any order. It is exact where outcomes are independent of one another and of what the belief
    was made from, once the class is known.

    Args:
        belief: float `(n, C)`, probabilities: a calibrated posterior, or a prior.
        likelihood: float `(C, O)`, `P(outcome | class)`, as from `confusion_likelihood`.
        observed: int `(n,)`, the outcomes; a row with -1 keeps its belief.

    Returns:
        float64 `(n, C)`, rows sum to 1.

    Raises:
        ValueError: an outcome that no class with any belief left can have; the message names its row.

    Example:

    ```python
    belief = predictions(image_only, logits)["label"]["probabilities"]
    belief = kf.reasoning.bayes_update(belief, likelihood, said)
    ```
    """
    belief, observed = np.asarray(belief, "float64"), np.asarray(observed, int)
    seen = observed >= 0
    factors = np.where(seen[:, None], np.asarray(likelihood)[:, observed].T, 1.0)
    product = belief * factors
    total = product.sum(axis=1, keepdims=True)
    impossible = np.flatnonzero(total[:, 0] == 0)
    if len(impossible):
        row = impossible[0]
        raise ValueError(
            f"bayes_update: in row {row} outcome {observed[row]} is impossible under every class still believed in. "
            "Likelihoods of 0 allow no errors; smooth them."
        )
    return product / total


def expected_information_gain(belief, likelihood):
    """How much an answer is expected to tell: the mutual information of class and outcome under the belief.

    Args:
        belief: float `(n, C)`.
        likelihood: float `(C, O)`.

    Returns:
        float64 `(n,)`, in nats.
    """
    belief, likelihood = np.asarray(belief, "float64"), np.asarray(likelihood, "float64")
    outcome = belief @ likelihood
    noise = belief @ xlogy(likelihood, likelihood).sum(axis=1)
    return noise - xlogy(outcome, outcome).sum(axis=1)


def ask_greedily(belief, questions, answers, random=None):
    """Ask one question after the other, each row the one that is expected to tell most, and update by the answer.

    Args:
        belief: float `(n, C)`: what is believed at first.
        questions: dict name -> likelihood `(C, O)` of its answers.
        answers: dict name -> int `(n,)`, what would be answered; -1, no answer. Only what was asked is looked at.
        random: A `np.random.Generator`: ask in an order by chance instead, to compare with.

    Returns:
        tuple: float64 `(steps + 1, n, C)`, the belief before and after each question; and `(n, steps)` the names of
        the questions in the order in which each row was asked.

    Raises:
        ValueError: questions without answers.

    Example:

    ```python
    beliefs, asked = kf.reasoning.ask_greedily(belief, {"color?": by_color, "size?": by_size}, answers)
    beliefs.argmax(axis=-1)  # the answer after none, one and two questions
    ```
    """
    lacking = [name for name in questions if name not in answers]
    if lacking:
        raise ValueError(f"ask_greedily: there are no answers to {', '.join(map(repr, lacking))}.")
    names = np.array(list(questions), object)
    beliefs, asked = [np.asarray(belief, "float64")], []
    rows = np.arange(len(beliefs[0]))
    left = np.ones((len(rows), len(names)), bool)
    for _ in names:
        if random is None:
            worth = np.stack([expected_information_gain(beliefs[-1], questions[name]) for name in names], axis=1)
        else:
            worth = random.random(left.shape)
        chosen = np.where(left, worth, -np.inf).argmax(axis=1)
        left[rows, chosen] = False
        belief = beliefs[-1]
        for place, name in enumerate(names):
            belief = bayes_update(belief, questions[name], np.where(chosen == place, answers[name], -1))
        beliefs.append(belief)
        asked.append(names[chosen])
    return np.stack(beliefs), np.stack(asked, axis=1)
