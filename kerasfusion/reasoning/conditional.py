"""Conditional inference: update the posterior of one modality with evidence from another by Bayes' rule."""

import numpy as np
from scipy.special import xlogy


def confusion_likelihood(labels, observed, classes, outcomes=None, smoothing=1.0):
    """Estimate `P(outcome | class)` from a confusion matrix.

    An outcome is any evidence about the class: the decision of a text model, or a person's answer to a question. It
    need not be one of the classes; "red" can be the outcome and a product the class.

    Args:
        labels: int `(n,)`, true classes of rows that the source of the outcomes was not trained on.
        observed: int `(n,)`, outcomes. Rows with -1 (no outcome) are ignored.
        classes: int, number of classes `C`.
        outcomes: int, number of outcomes `O`. Defaults to `None`, the number of classes.
        smoothing: float, pseudocount per cell, so that unseen outcomes are not impossible. Defaults to `1.0`.

    Returns:
        float64 `(C, O)`; rows sum to 1.

    Raises:
        ValueError: If a class or outcome is out of range, or a class has no rows and `smoothing` is 0.

    Example:

    ```python
    logits = kf.evaluation.predict_logits(text_only, validation)
    observed = kf.evaluation.predict_classes(task, kf.evaluation.postprocess(text_only, logits)["label"])
    likelihood = kf.reasoning.confusion_likelihood(validation.labels["label"], observed, len(task.classes))
    ```
    """
    outcomes = classes if outcomes is None else outcomes
    labels, observed = np.asarray(labels, int), np.asarray(observed, int)
    seen = observed >= 0
    for name, values, count in (("labels", labels, classes), ("observed", observed[seen], outcomes)):
        if len(values) and not 0 <= values.min() <= values.max() < count:
            raise ValueError(
                f"{name} must be from 0 to {count - 1}. Received: values from {values.min()} to {values.max()}"
            )
    counts = np.full((classes, outcomes), float(smoothing))
    np.add.at(counts, (labels[seen], observed[seen]), 1.0)
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(f"No row has class {empty[0]}. Set smoothing above 0.")
    return counts / counts.sum(axis=1, keepdims=True)


def bayes_update(belief, likelihood, observed):
    """Apply Bayes' rule to each row: `p(y | o) ∝ p(y) P(o | y)`.

    The order of several updates does not matter. The result is exact if, given the class, outcomes are independent of
    each other and of the evidence behind the initial belief.

    Args:
        belief: float `(n, C)`, probabilities: a prior, or a calibrated posterior.
        likelihood: float `(C, O)`, `P(outcome | class)`, as from `confusion_likelihood`.
        observed: int `(n,)`, outcomes. Rows with -1 keep their belief.

    Returns:
        float64 `(n, C)`; rows sum to 1.

    Raises:
        ValueError: If an outcome has probability 0 under all classes with nonzero belief. The message names the row.

    Example:

    ```python
    belief = kf.evaluation.postprocess(image_only, logits)["label"]["probabilities"]
    belief = kf.reasoning.bayes_update(belief, likelihood, observed)
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
            f"Row {row}: outcome {observed[row]} has probability 0 under all classes with nonzero belief. Smooth the "
            "likelihoods."
        )
    return product / total


def expected_information_gain(belief, likelihood):
    """Compute the mutual information of class and outcome under a belief.

    Args:
        belief: float `(n, C)`, probabilities.
        likelihood: float `(C, O)`, `P(outcome | class)`.

    Returns:
        float64 `(n,)`, in nats.

    Example:

    ```python
    gain = kf.reasoning.expected_information_gain(belief, likelihood)
    ```
    """
    belief, likelihood = np.asarray(belief, "float64"), np.asarray(likelihood, "float64")
    outcome = belief @ likelihood
    noise = belief @ xlogy(likelihood, likelihood).sum(axis=1)
    return noise - xlogy(outcome, outcome).sum(axis=1)


def ask_greedily(belief, questions, answers, random=None):
    """Ask each row the question with the largest expected information gain, update its belief, and repeat.

    Args:
        belief: float `(n, C)`, initial probabilities.
        questions: Dict of name -> likelihood `(C, O)` of the answers.
        answers: Dict of name -> int `(n,)`, the answer to each question, or -1 for no answer.
        random: `np.random.Generator` to ask in random order instead, as a baseline. Defaults to `None`.

    Returns:
        tuple: beliefs before and after each question, float64 `(steps + 1, n, C)`, and the names of the questions in
        the order in which each row was asked, `(n, steps)`.

    Raises:
        ValueError: If a question has no answers.

    Example:

    ```python
    beliefs, asked = kf.reasoning.ask_greedily(belief, {"color?": by_color, "size?": by_size}, answers)
    beliefs.argmax(axis=-1)  # the prediction after 0, 1 and 2 questions
    ```
    """
    lacking = [name for name in questions if name not in answers]
    if lacking:
        raise ValueError(f"answers has no entry for {', '.join(map(repr, lacking))}.")
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
