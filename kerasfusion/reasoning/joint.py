"""Joint inference: what several modalities say of one answer, put together by probability."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax

from kerasfusion.evaluation.calibration import fit_temperature


class ProductOfExperts:
    """Multiply what each modality says of the answer.

        p(y | x_1 … x_M) ∝ p(y) Π_m p(y | x_m) / p(y)

    This is exact where the modalities are independent of each other once the answer is known, and their posteriors
    are right. So each gets a temperature first, fitted on rows that its model was not trained on. Where they tell the
    same twice it counts it twice, and is too sure: `WeightedProductOfExperts` learns by how much. A modality that is
    missing multiplies nothing. (Products of experts: Hinton 2002; the form with the prior: arXiv 1802.05335.)

    Args:
        task: A `Task` with classes.
        prior: How often each class comes, counts or shares `(C,)`; of binary `(2,)`, of tags `(C,)` the share of rows
            with the tag. None takes it from the rows that `fit` gets.

    Attributes:
        temperatures: dict modality -> temperature, after `fit`.
        weights: dict modality -> exponent of its factor; here 1.

    Example:

    ```python
    experts = {"text": text_only, "image": image_only}
    held_out = {name: predict_logits(model, validation)["label"] for name, model in experts.items()}
    joint = kf.reasoning.ProductOfExperts(schema["label"]).fit(held_out, validation.labels["label"])
    joint.predictions({name: predict_logits(model, test)["label"] for name, model in experts.items()})
    ```
    """

    def __init__(self, task, prior=None):
        if task.link not in ("softmax", "sigmoid"):
            raise ValueError(
                f"Experts are joined by softmax or sigmoid probabilities; {task.name!r} is "
                f"of type {task.type}, without any."
            )
        self.task = task
        self.prior = None if prior is None else self._log_prior(np.asarray(prior, "float64"))

    def fit(self, logits, labels, present=None):
        """Fit the temperatures (and in `WeightedProductOfExperts` the weights).

        Args:
            logits: dict modality -> `(n, C)`, as the models gave them for rows they were not trained on.
            labels: `(n,)`, of tags `(n, C)`.
            present: dict modality -> bool `(n,)`, where it is there; None, everywhere.

        Returns:
            self
        """
        if self.prior is None:
            self.prior = self._log_prior(self._counts(labels))
        self.temperatures = {}
        for name, values in logits.items():
            there = slice(None) if present is None else present[name]
            self.temperatures[name] = fit_temperature(self.task, labels[there], values[there])
        self.weights = self._fit_weights(logits, labels, present)
        return self

    def predictions(self, logits, present=None):
        """The joint posterior.

        Args:
            logits: dict modality -> `(n, C)`, the modalities of `fit`.
            present: As for `fit`. Where nothing is there the prior is left.

        Returns:
            dict: `probabilities` float64 as a head gives them: `(n, C)`, of binary `(n, 2)`.

        Raises:
            ValueError: other modalities than were fitted.
        """
        if set(logits) != set(self.temperatures):
            raise ValueError(f"Fitted on {sorted(self.temperatures)}, asked about {sorted(logits)}.")
        probabilities = np.exp(self._join(self._evidence(logits, present), self.weights))
        return {"probabilities": probabilities[..., 1] if self.task.any_classes else probabilities}

    def _fit_weights(self, logits, labels, present):
        return dict.fromkeys(logits, 1.0)

    def _counts(self, labels):
        if self.task.any_classes:
            # One row of each kind more, so that what was never seen is rare and not impossible.
            return (labels.sum(axis=0) + 1) / (len(labels) + 2)
        return np.bincount(np.asarray(labels, int), minlength=len(self.task.classes)) + 1.0

    def _log_prior(self, prior):
        """Log shares `(C,)`, of tags `(C, 2)`: without and with the tag."""
        if prior.shape != (len(self.task.classes),) or not (prior > 0).all():
            raise ValueError(f"The prior of {self.task.name!r} is {len(self.task.classes)} numbers above 0.")
        if self.task.any_classes:
            return np.log(np.stack([1 - prior, prior], axis=-1))
        return np.log(prior / prior.sum())

    def _evidence(self, logits, present):
        """How much more likely than before each modality makes each answer: dict -> `(n, C)`, of tags `(n, C, 2)`."""
        found = {}
        for name, values in logits.items():
            values = np.asarray(values, "float64") / self.temperatures[name]
            if self.task.link == "softmax":
                posterior = log_softmax(values, axis=-1)
            else:
                posterior = np.stack([log_expit(-values), log_expit(values)], axis=-1)
                posterior = posterior[:, 0] if self.task.one_class else posterior
            found[name] = posterior - self.prior
            if present is not None:
                found[name][~np.asarray(present[name], bool)] = 0.0
        return found

    def _join(self, evidence, weights):
        return log_softmax(self.prior + sum(weights[name] * part for name, part in evidence.items()), axis=-1)


class WeightedProductOfExperts(ProductOfExperts):
    """The product of experts with a learned exponent for each modality.

        p(y | x_1 … x_M) ∝ p(y) Π_m (p(y | x_m) / p(y))^w_m,   w_m ≥ 0

    The exponents have the least negative log-likelihood on the rows of `fit`, which is convex in them. All of them 1
    is the product of experts; of a modality that says what another has said already the exponent is near 0. Few rows
    leave them near 1: a weak prior pulls them there, as much as a row or so.

    Args and attributes are those of `ProductOfExperts`.

    Example:

    ```python
    joint = kf.reasoning.WeightedProductOfExperts(schema["label"]).fit(held_out, validation.labels["label"])
    joint.weights  # {"text": 0.9, "image": 1.1}
    ```
    """

    def _fit_weights(self, logits, labels, present):
        evidence, names = self._evidence(logits, present), list(logits)
        places = np.asarray(labels, int)[..., None]

        def cost(weights):
            posterior = self._join(evidence, dict(zip(names, weights, strict=True)))
            return -np.take_along_axis(posterior, places, axis=-1).sum() + ((weights - 1) ** 2).sum() / 2

        found = minimize(cost, np.ones(len(names)), bounds=[(0, None)] * len(names), method="L-BFGS-B")
        return dict(zip(names, map(float, found.x), strict=True))
