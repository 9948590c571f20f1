"""Low-rank changes whose rank goes where it is needed (AdaLoRA, arXiv 2303.10512)."""

import math

import keras
from keras import ops

from kerasfusion.keras_compat import flatten_layers

# Shares of all steps: until rank is taken away for the first time, and since the last.
BEFORE, AFTER = 0.1, 0.3
# How often it is taken away in between.
TIMES = 50
# Of the running means of sensitivity and uncertainty.
SMOOTHING = 0.85


class AdaLoRA(keras.optimizers.AdamW):
    """AdamW for low-rank changes A B that are learned as P Λ Q, some of whose singular values Λ become 0.

    The model keeps the two factors that Keras gave it, so that it is merged, saved and exported as with any others:
    P and Λ are the optimizer's, A = P Λ and B = Q. P and Q start orthonormal and are held there by a penalty, Λ
    starts as 0. The importance of a triplet (a singular value, its column of P, its row of Q) is

        S = s(λ) + mean s(P_j) + mean s(Q_j),  s(w) = Ī Ū,  I = |w ∂L/∂w|

    with Ī the running mean of the sensitivity I and Ū that of |I - Ī|. Of all layers' triplets together the most
    important ones stay, fewer and fewer by a cubic schedule; the values of the others become 0. They may come back
    until the schedule ends.

    Args:
        pairs: List of `(A, B)`: the variables, A `(…, r)` and B `(r, d)`. They are initialized again: their products
            are taken for 0, as those that `kf.transfer.enable_lora` makes and a file of the model leaves.
        kept: Number of triplets of all pairs that are left in the end.
        total_steps: Steps of the whole training.
        orthogonality: Weight of the penalty `|PᵀP - 1|² + |QQᵀ - 1|²`.
        learning_rate: As for `AdamW`.
        **settings: As for `AdamW`.

    Example:

    ```python
    kf.transfer.enable_lora(model, rank=8, budget=4)
    pairs, kept = rank_budget(model)
    model.compile(AdaLoRA(pairs, kept, total_steps=1000, learning_rate=2e-3), loss)
    ```
    """

    def __init__(self, pairs, kept, total_steps, orthogonality=0.1, learning_rate=1e-3, **settings):
        super().__init__(learning_rate, **settings)
        self.pairs = pairs
        self.kept = kept
        self.orthogonality = orthogonality
        self.begin, self.end = int(BEFORE * total_steps), max(1, int((1 - AFTER) * total_steps))
        self.every = max(1, (self.end - self.begin) // TIMES)

    def build(self, variables):
        if self.built:
            return
        self.triplets, self.sensitivity, self.uncertainty = [], [], []
        for a, b in self.pairs:
            columns = (math.prod(a.shape[:-1]), a.shape[-1])
            left = self.add_variable(columns, initializer=keras.initializers.Orthogonal(), name="left")
            triplet = (left, self.add_variable(columns[1:], name="values"), b)
            self.triplets.append(triplet)
            for seen in (self.sensitivity, self.uncertainty):
                seen.append([self.add_variable(part.shape, name="seen") for part in triplet])
            a.assign(ops.zeros(a.shape))
            b.assign(keras.initializers.Orthogonal()(b.shape))
        ranks = sum(b.shape[0] for _, b in self.pairs)
        self.stays = self.add_variable((ranks,), initializer="ones", name="stays")
        super().build(self._learned(variables))

    def apply(self, grads, trainable_variables):
        gradients = {id(variable): grad for variable, grad in zip(trainable_variables, grads, strict=True)}
        for place, (a, b) in enumerate(self.pairs):
            left, values, right = self.triplets[place]
            by_a = ops.reshape(gradients[id(a)], left.shape)
            found = (
                by_a * values + self.orthogonality * _towards_orthonormal(left),
                ops.sum(left * by_a, axis=0),
                gradients[id(b)] + self.orthogonality * ops.transpose(_towards_orthonormal(ops.transpose(right))),
            )
            self._observe(place, found)
            gradients.update((id(part), grad) for part, grad in zip(self.triplets[place], found, strict=True))
        learned = self._learned(trainable_variables)
        super().apply([gradients[id(variable)] for variable in learned], learned)
        self._allocate()
        for (a, _), (left, values, _) in zip(self.pairs, self.triplets, strict=True):
            a.assign(ops.reshape(left * values, a.shape))

    def importance(self):
        """S of all triplets, one pair after the other: float32 `(triplets,)`."""
        found = []
        for parts in zip(self.sensitivity, self.uncertainty, strict=True):
            left, values, right = (mean * spread for mean, spread in zip(*parts, strict=True))
            found.append(values + ops.mean(left, axis=0) + ops.mean(right, axis=1))
        return ops.concatenate(found)

    def budget(self, step):
        """How many triplets stay after so many steps, as a float."""
        done = ops.clip((ops.cast(step, "float32") - self.begin) / max(1, self.end - self.begin), 0.0, 1.0)
        return self.kept + ops.ceil((self.stays.shape[0] - self.kept) * (1 - done) ** 3)

    def _learned(self, variables):
        """The variables that steps are made on: P and Λ in the place of A."""
        own = {id(a): triplet[:2] for (a, _), triplet in zip(self.pairs, self.triplets, strict=True)}
        return [one for variable in variables for one in own.get(id(variable), (variable,))]

    def _observe(self, place, gradients):
        seen = zip(self.triplets[place], gradients, self.sensitivity[place], self.uncertainty[place], strict=True)
        for part, gradient, mean, spread in seen:
            now = ops.abs(part * gradient)
            mean.assign(SMOOTHING * mean + (1 - SMOOTHING) * now)
            spread.assign(SMOOTHING * spread + (1 - SMOOTHING) * ops.abs(now - mean))

    def _allocate(self):
        step = ops.cast(self.iterations, "int32")
        due = (step >= self.begin) & (step <= self.end) & ((self.end - step) % self.every == 0)
        place = ops.argsort(ops.argsort(-self.importance()))
        first = ops.cast(ops.cast(place, "float32") < self.budget(step), "float32")
        self.stays.assign(ops.where(due, first, self.stays))
        # Between two times values that were taken away may grow and show that they are needed.
        mask = ops.where(due | (step > self.end), self.stays, 1.0)
        begin = 0
        for _, values, _ in self.triplets:
            values.assign(values * mask[begin : begin + values.shape[0]])
            begin += values.shape[0]


def _towards_orthonormal(columns):
    """The gradient of `|PᵀP - 1|²`."""
    gram = ops.matmul(ops.transpose(columns), columns)
    return 4 * ops.matmul(columns, gram - ops.eye(columns.shape[1]))


def rank_budget(model):
    """List a model's pairs `(A, B)` that `kf.transfer.enable_lora` gave a budget, and count the rank that is kept."""
    layers = [layer for layer in flatten_layers(model) if getattr(layer, "lora_budget", None)]
    return [low_rank_pair(layer) for layer in layers], sum(layer.lora_budget for layer in layers)


def reinitialize(model):
    """Let low-rank changes learn again that Keras has merged: where it reads weights, it sets both factors to 0.

    So neither would ever have a gradient. A gets random values again, as where it was made: of a seed of its own, for
    a training that was interrupted to end with the same weights.
    """
    for layer in flatten_layers(model):
        if getattr(layer, "lora_enabled", False):
            a, b = low_rank_pair(layer)
            if not (ops.any(a) or ops.any(b)):
                a.assign(keras.initializers.HeUniform(seed=0)(a.shape))


def low_rank_pair(layer):
    """The two factors of the low-rank change of a layer."""
    kind = "embeddings" if isinstance(layer, keras.layers.Embedding) else "kernel"
    return getattr(layer, f"lora_{kind}_a"), getattr(layer, f"lora_{kind}_b")
