"""Initial factors of joint factorization: canonical correlations, then the leading residual of each view."""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.utils.extmath import randomized_svd

from kerasfusion.factorization.baselines import RidgeCCA
from kerasfusion.factorization.views import common_rows

# Ridge of the initial canonical correlations, and the width that views are reduced to before.
START_RIDGE = 0.01
START_WIDTH = 512


def shared_start(blocks, factors, seed):
    """Initialize shared factors with canonical correlations, fitted on the items that have all views.

    Args:
        blocks: Dict of name -> `Block`.
        factors: int, number of factors. Factors beyond the rank of the data start with small random values.
        seed: int or `None`, random seed.

    Returns:
        float `(n, factors)`, in the type of the blocks.
    """
    reduced = {name: reduce(block, seed) for name, block in blocks.items()}
    present = {name: block.present for name, block in blocks.items()}
    complete = common_rows({name: (reduced[name], present[name]) for name in blocks})
    count = max(0, min(factors, sum(matrix.shape[1] for matrix in reduced.values()), complete.sum() - 1))
    shared = 0.01 * np.random.default_rng(seed).standard_normal((len(complete), factors))
    if count:
        shared[:, :count] = RidgeCCA(count, START_RIDGE).fit(reduced, present=present).transform(reduced, present)
    return shared.astype(next(iter(reduced.values())).dtype)


def reduce(block, seed):
    """Reduce a block to a dense matrix of at most `START_WIDTH` leading directions; missing entries become 0."""
    matrix = block.matrix
    if block.entries is not None:
        entries = block.entries
        matrix = sparse.csr_array((entries.values, (entries.rows, entries.columns)), shape=block.shape)
    if not sparse.issparse(matrix) and block.shape[1] <= START_WIDTH:
        return matrix
    width = min(START_WIDTH, min(block.shape))
    left, values, _ = randomized_svd(matrix, width, random_state=seed)
    return left * values


def leading_residual(block, shared, loadings, count, seed):
    """Leading factors and loadings `(P, Q)` of the residual of a block after the shared factors."""
    matrix, shift = block.matrix, block.shift
    if block.entries is not None:
        entries = block.entries
        matrix = sparse.csr_array((entries.values, (entries.rows, entries.columns)), shape=block.shape)
        shift = np.zeros(block.shape[1], shared.dtype)
    known = np.where(block.present[:, None], shared, 0)
    has = block.present.astype(shared.dtype)
    operator = LinearOperator(
        block.shape,
        matvec=lambda x: matrix @ x.ravel() - has * (shift @ x.ravel()) - known @ (loadings.T @ x.ravel()),
        rmatvec=lambda x: matrix.T @ x.ravel() - shift * (has @ x.ravel()) - loadings @ (known.T @ x.ravel()),
        dtype=shared.dtype,
    )
    start = np.random.default_rng(seed).standard_normal(min(block.shape)).astype(shared.dtype)
    left, values, right = svds(operator, count, v0=start)
    root = np.sqrt(values)
    return left * root, right.T * root
