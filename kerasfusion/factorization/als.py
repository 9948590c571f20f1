"""Alternating least squares of one matrix with side information, and its objective."""

import dataclasses

import numpy as np

from kerasfusion.factorization.als_step import Design, Shared, half_step
from kerasfusion.factorization.blocks import Block, share, with_zero_row
from kerasfusion.factorization.buckets import Bucket, plan


@dataclasses.dataclass
class Side:
    """The rows, or the columns.

    Args:
        factors: float `(n, K)`; with biases the last one is the bias.
        ridge: float `(n,)`, the weight of every row's squared norm.
        buckets: Its entries, planned: those of the ratings, then those of `block` where that lists them.
        block: `Block` of its side information, or None.
        loadings: float `(F, K)`, or None.
        loadings_ridge: float `(F,)`, or None.
    """

    factors: np.ndarray
    ridge: np.ndarray
    buckets: list[Bucket] = dataclasses.field(default_factory=list)
    block: Block | None = None
    loadings: np.ndarray | None = None
    loadings_ridge: np.ndarray | None = None

    def plan(self, entries):
        """Take the side's entries in; `entries` are the ratings', with this side's as rows."""
        if self.block is not None and self.block.entries is not None:
            entries = entries.beside(self.block.entries)
        self.buckets = plan(entries, self.factors.shape[1])

    def outside(self):
        """What of the objective does not change in the other side's half-step."""
        total = float(self.ridge.astype(np.float64) @ np.square(self.factors, dtype=np.float64).sum(axis=1))
        return total + (self.block.loss(self.factors, self.loadings) if self.block else 0.0)

    def loadings_penalty(self):
        if self.block is None:
            return 0.0
        return float(self.loadings_ridge @ np.square(self.loadings, dtype=np.float64).sum(axis=1))


@dataclasses.dataclass(frozen=True)
class Alternation:
    """The half-steps of both sides.

    Args:
        pool: Threads, from `workers`.
        biases: Whether the last factor of either side is its bias.
        implicit: Whether what is not listed is a 0 of weight 1.
        nonnegative: Whether the factors (not the biases and loadings) are at least 0.
        solver: "cg" or "cholesky".
    """

    pool: object
    biases: bool
    implicit: bool
    nonnegative: bool
    solver: str

    def update_factors(self, side, other):
        """Solve one side's factors, given the other's; returns the objective's part that depends on them."""
        table, offsets, last, background = with_zero_row(other.factors), None, None, None
        if self.biases:
            # The other side's bias is known and taken off; in its place, a one is regressed on: this side's bias.
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
        """What all rows of a side have in common: complete side information, and implicit feedback's zeros."""
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
        """Solve the loadings of a side's features; returns by how much the objective changed."""
        if side.block is None:
            return 0.0
        before = side.block.loss(side.factors, side.loadings) + side.loadings_penalty()
        side.loadings, after = side.block.update_loadings(side.factors, side.loadings_ridge, self.pool)
        return after - before

    def update(self, side, other):
        """One half-step: factors, then loadings; returns the whole objective."""
        objective = self.update_factors(side, other)
        objective += other.outside() + other.loadings_penalty() + side.loadings_penalty()
        return objective + self.update_loadings(side)
