"""Three ways to solve the regressions of a bucket's rows.

Each minimizes `xᵀ(GᵀAG + S + ridge I)x - 2bᵀx` for every row: `G` `(b, L, K)` is what its entries are regressed on,
`A` `(b, L)` their weights (None: 1), `S` what the rows share (None, `(K, K)` or `(b, K, K)`). Each returns `x` and
the residual `b - (GᵀAG + S + ridge I)x`, out of which the objective follows.
"""

import numpy as np
from scipy.linalg import get_lapack_funcs

CG_STEPS = 3
SWEEPS = 200


def conjugate_gradient(G, A, S, ridge, b, x, lower):
    """A few steps of conjugate gradients from the last solution (Takács et al., RecSys 2011)."""

    def apply(p):
        z = np.matmul(G, p[..., None])[..., 0]
        if A is not None:
            z *= A
        q = np.matmul(z[:, None, :], G)[:, 0]
        q += ridge[:, None] * p
        if S is not None:
            q += p @ S if S.ndim == 2 else np.matmul(p[:, None, :], S)[:, 0]
        return q

    x = x.copy()
    residual = b - apply(x)
    direction = residual
    power = np.einsum("bk,bk->b", residual, residual)
    for _ in range(CG_STEPS):
        step = apply(direction)
        curvature = np.einsum("bk,bk->b", direction, step)
        # A row that is solved already has no direction left.
        length = np.divide(power, curvature, out=np.zeros_like(power), where=curvature > 0)[:, None]
        x += length * direction
        residual = residual - length * step
        last, power = power, np.einsum("bk,bk->b", residual, residual)
        direction = residual + np.divide(power, last, out=np.zeros_like(power), where=last > 0)[:, None] * direction
    return x, residual


def cholesky(G, A, S, ridge, b, x, lower):
    """The exact solution; where nothing is regularized, the one of least norm."""
    H = normal_matrices(G, A, S, ridge)
    if ridge.min() > 0:
        (posv,) = get_lapack_funcs(("posv",), (H,))
        x = np.empty_like(b)
        for i in range(len(b)):
            # The transpose of a symmetric matrix is in LAPACK's order already: nothing is copied.
            _, x[i], failed = posv(H[i].T, b[i], overwrite_a=True)
            if failed:
                raise singular(H)
    else:
        x = least_norm(H, b)
    return x, np.zeros_like(b)


def coordinate_descent(G, A, S, ridge, b, x, lower):
    """The solution with `x >= lower`, coordinate by coordinate (Franc et al., CAIP 2005)."""
    return descend(normal_matrices(G, A, S, ridge), b, x, lower)


def descend(H, b, x, lower):
    """Minimize `xᵀHx - 2bᵀx` over `x >= lower`; `H` is `(b, K, K)` or one matrix for all rows."""
    x = np.maximum(x, lower)
    diagonal = np.einsum("...kk->...k", H)
    # A coordinate without curvature has no influence on anything that is known.
    usable = np.broadcast_to(diagonal > 0, x.shape)
    residual = b - times(H, x)
    enough = 10 * np.finfo(x.dtype).eps
    for _ in range(SWEEPS):
        largest = 0.0
        for f in range(x.shape[1]):
            move = np.divide(residual[:, f], diagonal[..., f], out=np.zeros_like(b[:, f]), where=usable[:, f])
            move = np.maximum(x[:, f] + move, lower[f]) - x[:, f]
            x[:, f] += move
            residual -= move[:, None] * H[..., f, :]
            largest = max(largest, np.abs(move).max())
        if largest <= enough * max(1.0, np.abs(x).max()):
            break
    return x, b - times(H, x)


def solve_shared(S, ridge, b, x, lower, nonnegative):
    """The same for rows without entries of their own, which all have one matrix `S + ridge I`."""
    H = S + ridge * np.eye(len(S), dtype=S.dtype)
    if nonnegative:
        return descend(H, b, x, lower)
    if ridge > 0:
        (posv,) = get_lapack_funcs(("posv",), (H,))
        _, x, failed = posv(H, b.T)
        if failed:
            raise singular(H)
        return x.T, np.zeros_like(b)
    return least_norm(H[None], b), np.zeros_like(b)


def singular(H):
    return ValueError(
        f"regularized equations are singular in {H.dtype}: raise regularization"
        + (", or use dtype='float64'." if H.dtype == np.float32 else ".")
    )


def normal_matrices(G, A, S, ridge):
    H = np.matmul((G if A is None else G * A[..., None]).transpose(0, 2, 1), G)
    if S is not None:
        H += S
    np.einsum("bkk->bk", H)[...] += ridge[:, None]
    return H


def least_norm(H, b):
    inverse = np.linalg.pinv(H, rcond=10 * H.shape[-1] * np.finfo(H.dtype).eps, hermitian=True)
    return np.matmul(inverse, b[..., None])[..., 0]


def times(H, x):
    """`Hx` for every row."""
    return x @ H if H.ndim == 2 else np.matmul(H, x[..., None])[..., 0]


SOLVERS = {"cg": conjugate_gradient, "cholesky": cholesky, "nonnegative": coordinate_descent}
