"""How far predictions are from obeying rules, as a loss: it needs no labels."""

import numpy as np
from keras import ops

from kerasfusion.models import TrainingWrapper

T_NORMS = ("product", "lukasiewicz", "goedel")
# Keeps the logarithm of what is all but impossible finite.
_TINY = 1e-6


class RuleLoss:
    """A loss of logits that is 0 where probabilities obey the rules (arXiv 2002.06100 compares such losses).

    Rules are brought into clauses, "this or that or not those", and read in a fuzzy logic, whose truth values are the
    predicates' probabilities p. With the falsity of a literal, 1 − p of a predicate and p of a negated one, and with
    sums, products and extremes over the literals l of a clause and then over the clauses r:

        product       Σ_r −log(1 − Π_l falsity_l)
        lukasiewicz   Σ_r max(0, 1 − Σ_l (1 − falsity_l))
        goedel        max_r min_l falsity_l

    The first is −log of the truth of all rules, and its gradient reaches every predicate; the second leaves alone
    what is true enough; the third mends the worst clause of a row by its best literal alone. That a task of classes
    has exactly one of them needs no loss: the softmax sees to it.

    Args:
        rules: A `Rules`.
        t_norm: `"product"`, `"lukasiewicz"` or `"goedel"`.

    Call arguments:
        logits: dict task -> float `(…, C)`, as a model gives them.

    Returns:
        float32 scalar: the mean over rows.

    Raises:
        ValueError: an unknown t-norm, or a task of another link than softmax or sigmoid, such as an ordinal one.

    Example:

    ```python
    loss = kf.reasoning.RuleLoss(rules)(model(batch))
    ```
    """

    def __init__(self, rules, t_norm="product"):
        if t_norm not in T_NORMS:
            raise ValueError(f"RuleLoss: t_norm must be one of {', '.join(T_NORMS)}, not {t_norm!r}.")
        unfit = [f"{task.name!r} ({task.type})" for task in rules.tasks if task.link not in ("softmax", "sigmoid")]
        if unfit:
            raise ValueError(
                f"RuleLoss reads logits of a softmax or of sigmoids, not those of {', '.join(unfit)}. Use the "
                "rules for predictions (constrained_decode) instead."
            )
        self.t_norm = t_norm
        self.tasks = rules.tasks
        clauses = [clause for group in rules.clauses for clause in group]
        # (2 · predicates, clauses): which literals a clause has, those of predicates first, then the negated.
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
        """Log-probability of each predicate of a task, and of its opposite."""
        if task.link == "sigmoid":
            return ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        holds = ops.log_softmax(logits)
        return holds, ops.log(-ops.expm1(ops.minimum(holds, -_TINY)))


class RuleRegularizedModel(TrainingWrapper):
    """Train a model whose rows are also held to rules: the same layers and weights.

    The rules count on every row, so rows without labels (weight 0) teach too. It is never saved: the plain model is.

    Args:
        model: A plain model, or a training wrapper of one.
        loss: A `RuleLoss`.
        weight: What the loss is multiplied by before it is added to the tasks' losses.
        warmup_steps: In so many steps the weight grows from 0: heads that know nothing yet would agree on anything.

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
