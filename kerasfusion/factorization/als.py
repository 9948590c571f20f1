"""Alternating least squares for one matrix with side information, and its objective."""

import dataclasses

import numpy as np

from kerasfusion.factorization.als_step import Design, Shared, half_step
from kerasfusion.factorization.blocks import Block, share, with_zero_row
from kerasfusion.factorization.buckets import Bucket, plan


@dataclasses.dataclass
class Side:
    """State of one side of the matrix: its rows or its columns.

    Args:
        factors: float `(n, K)`. With biases, the last column is the bias.
        ridge: float `(n,)`, regularization of each row's squared norm.
        buckets: List of `Bucket`: the ratings, followed by the entries of `block` if it lists them.
        block: `Block` of side information, or `None`.
        loadings: float `(F, K)`, or `None`.
        loadings_ridge: float `(F,)`, or `None`.
    """

    factors: np.ndarray
    ridge: np.ndarray
    buckets: list[Bucket] = dataclasses.field(default_factory=list)
    block: Block | None = None
    loadings: np.ndarray | None = None
    loadings_ridge: np.ndarray | None = None

    def plan(self, entries):
        """Sort the ratings into buckets; `entries` has this side as its rows."""
        if self.block is not None and self.block.entries is not None:
            entries = entries.beside(self.block.entries)
        self.buckets = plan(entries, self.factors.shape[1])

    def outside(self):
        """The part of the objective that is constant in the other side's half-step."""
        total = float(self.ridge.astype(np.float64) @ np.square(self.factors, dtype=np.float64).sum(axis=1))
        return total + (self.block.loss(self.factors, self.loadings) if self.block else 0.0)

    def loadings_penalty(self):
        if self.block is None:
            return 0.0
        return float(self.loadings_ridge @ np.square(self.loadings, dtype=np.float64).sum(axis=1))


@dataclasses.dataclass(frozen=True)
class Alternation:
    """Half-steps that update one side of the matrix given the other.

    Args:
        pool: Thread pool, from `workers`.
        biases: Whether the last factor of each side is its bias.
        implicit: Whether an unlisted entry is a 0 with weight 1.
        nonnegative: Whether the factors are at least 0. Biases and loadings are unconstrained.
        solver: `"cg"` or `"cholesky"`.
    """

    pool: object
    biases: bool
    implicit: bool
    nonnegative: bool
    solver: str

    def update_factors(self, side, other):
        """Solve for the factors of `side` and return the part of the objective that depends on them."""
        table, offsets, last, background = with_zero_row(other.factors), None, None, None
        if self.biases:
            # Subtract the other side's bias; its column becomes a column of ones, whose coefficient is this side's
            # bias.
            offsets = table[:, -1].copy()
            table[:-1, -1] = 1
        shared = self.shared(side, table)
        if side.block is not None and side.block.entries is not None:
            table = np.concatenate([table[:-1], side.loadings, table[-1:]])
            if self.biases:
                offsets = np.concatenate([offsets, np.zeros(len(side.loadings), table.dtype)])
        if self.implicit:
            background = np.zeros(len(table), table.dtype)
            background[: len(other.factors)] = 1
        lower, solver = None, self.solver
        if self.nonnegative:
            solver, lower = "nonnegative", np.zeros(table.shape[1], table.dtype)
            if self.biases:
                lower[-1] = -np.inf
        if self.biases:
            table, last = np.ascontiguousarray(table[:, :-1]), table[:, -1].copy()
        design = Design(table, offsets, background, last)
        side.factors, objective = half_step(
            side.buckets, design, shared, side.ridge, side.factors, solver, self.pool, lower
        )
        return objective

    def shared(self, side, table):
        """The terms that all rows of a side share: complete side information and the zeros of implicit feedback."""
        complete = side.block is not None and side.block.entries is None
        shared = share([side.block], [side.loadings], table.dtype) if complete else None
        if not self.implicit:
            return shared
        gram = table.T @ table
        if shared is not None:
            return dataclasses.replace(shared, matrices=shared.matrices + gram)
        n = len(side.factors)
        return Shared(gram[None], np.zeros(n, int), np.zeros_like(side.factors), np.zeros(n))

    def update_loadings(self, side):
        """Solve for the loadings of a side's features and return the change of the objective."""
        if side.block is None:
            return 0.0
        before = side.block.loss(side.factors, side.loadings) + side.loadings_penalty()
        side.loadings, after = side.block.update_loadings(side.factors, side.loadings_ridge, self.pool)
        return after - before

    def update(self, side, other):
        """Update factors, then loadings, and return the whole objective."""
        objective = self.update_factors(side, other)
        objective += other.outside() + other.loadings_penalty() + side.loadings_penalty()
        return objective + self.update_loadings(side)
