"""Joint inference: combine the posteriors of several modalities."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax

from kerasfusion.evaluation.calibration import fit_temperature


class ProductOfExperts:
    """Product of experts over modalities (Hinton 2002; with the prior, arXiv:1802.05335).

        p(y | x_1 … x_M) ∝ p(y) Π_m p(y | x_m) / p(y)

    The product is exact if the modalities are independent given the class and their posteriors are calibrated. `fit`
    therefore calibrates each modality with a temperature, on rows that its model was not trained on. If modalities
    carry the same evidence, it is counted twice and the result is overconfident; `WeightedProductOfExperts` learns to
    correct this. A missing modality has no factor.

    Args:
        task: `Task` with classes.
        prior: Class counts or frequencies `(C,)`; `(2,)` for a binary task. For tags, the frequency of each tag
            `(C,)`. Defaults to `None`, the frequencies in the rows passed to `fit`.

    Attributes:
        temperatures: Dict of modality -> temperature, set by `fit`.
        weights: Dict of modality -> exponent of its factor, all 1.

    Raises:
        ValueError: If the task has no softmax or sigmoid probabilities.

    Example:

    ```python
    experts = {"text": text_only, "image": image_only}
    held_out = {name: kf.evaluation.predict_logits(model, validation)["label"] for name, model in experts.items()}
    joint = kf.reasoning.ProductOfExperts(schema["label"]).fit(held_out, validation.labels["label"])
    joint.predictions({name: kf.evaluation.predict_logits(model, test)["label"] for name, model in experts.items()})
    ```
    """

    def __init__(self, task, prior=None):
        if task.link not in ("softmax", "sigmoid"):
            raise ValueError(
                f"A product of experts needs softmax or sigmoid probabilities; task {task.name!r} of type "
                f"{task.type} has none."
            )
        self.task = task
        self.prior = None if prior is None else self._log_prior(np.asarray(prior, "float64"))

    def fit(self, logits, labels, present=None):
        """Fit the temperatures (and the weights of `WeightedProductOfExperts`).

        Args:
            logits: Dict of modality -> `(n, C)`, logits of rows that the models were not trained on.
            labels: `(n,)`, or `(n, C)` for tags.
            present: Dict of modality -> bool `(n,)`, the rows that have it. Defaults to `None`, all rows.

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
        """Compute the joint posterior.

        Args:
            logits: Dict of modality -> `(n, C)`, with the modalities passed to `fit`.
            present: As in `fit`. Rows without any modality get the prior.

        Returns:
            Dict with `probabilities`, float64 `(n, C)`, or `(n, 2)` for a binary task.

        Raises:
            ValueError: If the modalities differ from those passed to `fit`.
        """
        if set(logits) != set(self.temperatures):
            raise ValueError(
                f"logits must have the modalities {sorted(self.temperatures)}. Received: {sorted(logits)}"
            )
        probabilities = np.exp(self._join(self._evidence(logits, present), self.weights))
        return {"probabilities": probabilities[..., 1] if self.task.any_classes else probabilities}

    def _fit_weights(self, logits, labels, present):
        return dict.fromkeys(logits, 1.0)

    def _counts(self, labels):
        if self.task.any_classes:
            # One pseudocount each, so that unseen values are rare and not impossible.
            return (labels.sum(axis=0) + 1) / (len(labels) + 2)
        return np.bincount(np.asarray(labels, int), minlength=len(self.task.classes)) + 1.0

    def _log_prior(self, prior):
        """Log frequencies `(C,)`; for tags `(C, 2)`: without and with the tag."""
        if prior.shape != (len(self.task.classes),) or not (prior > 0).all():
            raise ValueError(
                f"The prior of {self.task.name!r} must be {len(self.task.classes)} numbers above 0. Received: {prior}"
            )
        if self.task.any_classes:
            return np.log(np.stack([1 - prior, prior], axis=-1))
        return np.log(prior / prior.sum())

    def _evidence(self, logits, present):
        """Log ratio of posterior and prior per modality: dict of name -> `(n, C)`; for tags `(n, C, 2)`."""
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
    """Product of experts with a learned exponent per modality.

        p(y | x_1 … x_M) ∝ p(y) Π_m (p(y | x_m) / p(y))^w_m,   w_m ≥ 0

    The exponents minimize the negative log-likelihood on the rows passed to `fit`, a convex problem. With all
    exponents 1, this is `ProductOfExperts`; a modality that repeats the evidence of another gets an exponent near 0.
    A weak quadratic prior, worth about one row, keeps the exponents near 1 if there are few rows.

    Arguments and attributes are those of `ProductOfExperts`.

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
