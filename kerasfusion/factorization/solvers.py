"""Ridge regressions of the rows of a bucket, and three solvers.

A solver minimizes `xᵀ(GᵀAG + S + ridge I)x - 2bᵀx` for each row, with `b = GᵀAv + products`; an iterative one starts
from `x`. It returns `x` and the decrease of the objective relative to zeros, `xᵀ(b + residual)`, where the residual
is `b - (GᵀAG + S + ridge I)x`.
"""

import dataclasses

import numpy as np
from scipy.linalg import get_lapack_funcs

CG_STEPS = 3
SWEEPS = 200


@dataclasses.dataclass(frozen=True)
class Regressions:
    """Regressions of `b` rows with `K` unknowns each.

    Args:
        G: float `(b, L, k)`, regressors.
        last: float `(b, L)`, a last column of `G`, or `None`; see `Design`.
        weights: float `(b, L)`, `A`; `None` if all entries have weight 1.
        targets: float `(b, L)`, entries times weights, `Av`.
        ridge: float `(b,)`, regularization.
        shared: float `(K, K)` or `(b, K, K)`, `S`, or `None`.
        products: float `(b, K)`, or `None`.
    """

    G: np.ndarray
    last: np.ndarray | None
    weights: np.ndarray | None
    targets: np.ndarray
    ridge: np.ndarray
    shared: np.ndarray | None
    products: np.ndarray | None

    def fitted(self, x):
        """Return `Gx`, `(b, L)`."""
        if self.last is None:
            return np.matmul(self.G, x[..., None])[..., 0]
        z = np.matmul(self.G, x[:, :-1, None])[..., 0]
        z += self.last * x[:, -1:]
        return z

    def gathered(self, z):
        """Return `Gᵀz`, `(b, K)`."""
        if self.last is None:
            return np.matmul(z[:, None], self.G)[:, 0]
        x = np.empty((len(z), self.G.shape[2] + 1), z.dtype)
        np.matmul(z[:, None], self.G, out=x[:, None, :-1])
        np.einsum("bl,bl->b", z, self.last, out=x[:, -1])
        return x

    def weighted(self, z):
        """Return `Az`."""
        return z if self.weights is None else z * self.weights

    def beyond_entries(self, x):
        """Return `(S + ridge I)x`."""
        q = self.ridge[:, None] * x
        if self.shared is not None:
            q += x @ self.shared if self.shared.ndim == 2 else np.matmul(x[:, None], self.shared)[:, 0]
        return q

    def right_side(self):
        """Return `b`."""
        b = self.gathered(self.targets)
        return b if self.products is None else b + self.products

    def normal_matrices(self):
        """Return `GᵀAG + S + ridge I`."""
        G, k = self.G, self.G.shape[2]
        H = np.matmul((G if self.weights is None else G * self.weights[..., None]).transpose(0, 2, 1), G)
        if self.last is not None:
            inner, H = H, np.empty((len(G), k + 1, k + 1), G.dtype)
            H[:, :k, :k] = inner
            H[:, k] = self.gathered(self.weighted(self.last))
            H[:, :k, k] = H[:, k, :k]
        if self.shared is not None:
            H += self.shared
        np.einsum("bkk->bk", H)[...] += self.ridge[:, None]
        return H


def conjugate_gradient(rows, x, lower):
    """Run a few steps of conjugate gradients from the last solution (Takács et al., RecSys 2011)."""
    x = x.copy()
    # Each product with G reads more numbers than the CPU cache holds, so `b` is never formed.
    fitted = rows.fitted(x)
    residual = rows.gathered(rows.targets - rows.weighted(fitted)) - rows.beyond_entries(x)
    known = residual
    if rows.products is not None:
        residual += rows.products
        known = residual + rows.products
    explained = np.einsum("bl,bl->b", fitted, rows.targets) + np.einsum("bk,bk->b", x, known)
    direction, power = residual.copy(), np.einsum("bk,bk->b", residual, residual)
    for last in range(CG_STEPS - 1, -1, -1):
        step = rows.gathered(rows.weighted(rows.fitted(direction))) + rows.beyond_entries(direction)
        curvature = np.einsum("bk,bk->b", direction, step)
        # Rows that are already solved have no direction left.
        length = np.divide(power, curvature, out=np.zeros_like(power), where=curvature > 0)
        x += length[:, None] * direction
        explained += length * power
        if last:
            step *= length[:, None]
            residual -= step
            before, power = power, np.einsum("bk,bk->b", residual, residual)
            direction *= np.divide(power, before, out=np.zeros_like(power), where=before > 0)[:, None]
            direction += residual
    return x, explained


def cholesky(rows, x, lower):
    """Solve exactly; without regularization, return the minimum-norm solution."""
    H, b = rows.normal_matrices(), rows.right_side()
    if rows.ridge.min() > 0:
        (posv,) = get_lapack_funcs(("posv",), (H,))
        x = np.empty_like(b)
        for i in range(len(b)):
            # The transpose of a symmetric matrix is in the memory order of LAPACK, so nothing is copied.
            _, x[i], failed = posv(H[i].T, b[i], overwrite_a=True)
            if failed:
                raise singular(H)
    else:
        x = least_norm(H, b)
    return x, np.einsum("bk,bk->b", x, b)


def coordinate_descent(rows, x, lower):
    """Solve with the constraint `x >= lower` by coordinate descent (Franc et al., CAIP 2005)."""
    b = rows.right_side()
    x, residual = descend(rows.normal_matrices(), b, x, lower)
    return x, np.einsum("bk,bk->b", x, b + residual)


def descend(H, b, x, lower):
    """Minimize `xᵀHx - 2bᵀx` over `x >= lower`; `H` is `(b, K, K)` or one matrix for all rows."""
    x = np.maximum(x, lower)
    diagonal = np.einsum("...kk->...k", H)
    # A coordinate without curvature does not affect any known entry.
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
    """Solve for rows without entries, which all share the matrix `S + ridge I`."""
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
    """The error for a singular system."""
    return ValueError(
        f"The regularized equations are singular in {H.dtype}: increase regularization"
        + (", or use dtype='float64'." if H.dtype == np.float32 else ".")
    )


def least_norm(H, b):
    """Return the minimum-norm solution of `Hx = b` for each row."""
    inverse = np.linalg.pinv(H, rcond=10 * H.shape[-1] * np.finfo(H.dtype).eps, hermitian=True)
    return np.matmul(inverse, b[..., None])[..., 0]


def times(H, x):
    """Return `Hx` for each row."""
    return x @ H if H.ndim == 2 else np.matmul(H, x[..., None])[..., 0]


SOLVERS = {"cg": conjugate_gradient, "cholesky": cholesky, "nonnegative": coordinate_descent}
