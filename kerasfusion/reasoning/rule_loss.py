"""Losses that penalize violations of logical rules; no labels needed."""

import numpy as np
from keras import ops

from kerasfusion.models import TrainingWrapper

T_NORMS = ("product", "lukasiewicz", "goedel")
# Keeps the logarithm of tiny probabilities finite.
_TINY = 1e-6


class RuleLoss:
    """Fuzzy-logic loss on logits that is 0 if the predicted probabilities satisfy all rules (arXiv:2002.06100).

    Rules are converted to clauses (disjunctions of literals) and evaluated in a fuzzy logic, in which the truth value
    of a predicate is its probability p. The falsity of a literal is 1 − p, or p if it is negated. For literals l of
    clause r:

        product       Σ_r −log(1 − Π_l falsity_l)
        lukasiewicz   Σ_r max(0, 1 − Σ_l (1 − falsity_l))
        goedel        max_r min_l falsity_l

    The product is the negative log truth value of all rules, and its gradient reaches every predicate. Łukasiewicz
    has no gradient for clauses that are satisfied. Gödel updates only the best literal of the worst clause of each
    row. That exactly one class of a task holds needs no loss, because softmax ensures it.

    Args:
        rules: `Rules`.
        t_norm: `"product"`, `"lukasiewicz"` or `"goedel"`. Defaults to `"product"`.

    Call arguments:
        logits: Dict of task -> float `(…, C)`, the outputs of a model.

    Returns:
        float32 scalar, the mean over rows.

    Raises:
        ValueError: If the t-norm is unknown, or a task has neither softmax nor sigmoid probabilities, such as an
            ordinal task.

    Example:

    ```python
    loss = kf.reasoning.RuleLoss(rules)(model(batch))
    ```
    """

    def __init__(self, rules, t_norm="product"):
        if t_norm not in T_NORMS:
            raise ValueError(f"t_norm must be one of {', '.join(T_NORMS)}. Received: t_norm={t_norm!r}")
        unfit = [f"{task.name!r} ({task.type})" for task in rules.tasks if task.link not in ("softmax", "sigmoid")]
        if unfit:
            raise ValueError(
                f"RuleLoss needs softmax or sigmoid logits, not those of {', '.join(unfit)}. Apply the rules to "
                "predictions instead (constrained_decode)."
            )
        self.t_norm = t_norm
        self.tasks = rules.tasks
        clauses = [clause for group in rules.clauses for clause in group]
        # (2 · predicates, clauses): the literals of each clause, first positive, then negated.
        count = len(rules.predicates)
        self.literals = np.zeros((2 * count, len(clauses)), "float32")
        for place, clause in enumerate(clauses):
            for number in clause:
                self.literals[abs(number) - 1 + (count if number < 0 else 0), place] = 1.0

    def __call__(self, logits):
        log_truths = [self._log_truths(task, ops.cast(logits[task.name], "float32")) for task in self.tasks]
        holds, holds_not = (ops.concatenate(parts, axis=-1) for parts in zip(*log_truths, strict=True))
        log_falsity = ops.concatenate([holds_not, holds], axis=-1)  # (…, 2 · predicates)
        if self.t_norm == "product":
            log_clause = ops.minimum(ops.matmul(log_falsity, self.literals), -_TINY)
            return ops.mean(-ops.sum(ops.log(-ops.expm1(log_clause)), axis=-1))
        truth = 1.0 - ops.exp(log_falsity)
        if self.t_norm == "lukasiewicz":
            return ops.mean(ops.sum(ops.relu(1.0 - ops.matmul(truth, self.literals)), axis=-1))
        best = ops.max(truth[..., :, None] * self.literals, axis=-2)  # (…, clauses)
        return ops.mean(1.0 - ops.min(best, axis=-1))

    @staticmethod
    def _log_truths(task, logits):
        """Log-probabilities of the predicates of a task and of their negations."""
        if task.link == "sigmoid":
            return ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        holds = ops.log_softmax(logits)
        return holds, ops.log(-ops.expm1(ops.minimum(holds, -_TINY)))


class RuleRegularizedModel(TrainingWrapper):
    """Training wrapper that adds a rule loss. It shares layers and weights with the plain model, which is saved.

    The rule loss applies to all rows, so rows without labels (sample weight 0) contribute too.

    Args:
        model: A plain model, or a training wrapper of one.
        loss: `RuleLoss`.
        weight: float, weight of the rule loss. Defaults to `1.0`.
        warmup_steps: int, steps over which the weight increases linearly from 0: untrained heads could satisfy the
            rules by trivial predictions. Defaults to `0`.

    Example:

    ```python
    wrapper = kf.reasoning.RuleRegularizedModel(model, kf.reasoning.RuleLoss(rules), weight=0.1, warmup_steps=150)
    heads = kf.models.get_heads(model)
    wrapper.compile("adam", loss={task: head.loss() for task, head in heads.items()})
    wrapper.fit(batches)
    model.save("model.keras")
    ```
    """

    def __init__(self, model, loss, weight=1.0, warmup_steps=0):
        super().__init__(model, name=f"{model.name}_with_rules")
        self.rule_loss = loss
        self.weight = weight
        self.warmup_steps = warmup_steps

    def adjust_loss(self, trainer, loss, y_pred):
        weight = self.weight
        if self.warmup_steps:
            weight *= ops.minimum(ops.cast(trainer.optimizer.iterations, "float32") / self.warmup_steps, 1.0)
        return super().adjust_loss(trainer, loss, y_pred) + weight * self.rule_loss(y_pred)
