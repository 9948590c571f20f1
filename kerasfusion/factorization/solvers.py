"""Three ways to solve the regressions of a bucket's rows, and the regressions themselves.

Each minimizes `xᵀ(GᵀAG + S + ridge I)x - 2bᵀx` for every row, with `b = GᵀAv + products`, from `x` on where it is
approximate. It returns `x` and `xᵀ(b + residual)`, by which the objective is below that of zeros; the residual is
`b - (GᵀAG + S + ridge I)x`.
"""

import dataclasses

import numpy as np
from scipy.linalg import get_lapack_funcs

CG_STEPS = 3
SWEEPS = 200


@dataclasses.dataclass(frozen=True)
class Regressions:
    """One for each of `b` rows, with `K` unknowns.

    Args:
        G: float `(b, L, k)`, what the entries are regressed on.
        last: float `(b, L)`, one column more of `G`, or None: see `Design`.
        weights: float `(b, L)`, or None where every entry weighs 1: `A`.
        targets: float `(b, L)`, the entries times their weights: `Av`.
        ridge: float `(b,)`.
        shared: float `(K, K)` or `(b, K, K)`, or None: `S`.
        products: float `(b, K)`, or None.
    """

    G: np.ndarray
    last: np.ndarray | None
    weights: np.ndarray | None
    targets: np.ndarray
    ridge: np.ndarray
    shared: np.ndarray | None
    products: np.ndarray | None

    def fitted(self, x):
        """`Gx`, `(b, L)`."""
        if self.last is None:
            return np.matmul(self.G, x[..., None])[..., 0]
        z = np.matmul(self.G, x[:, :-1, None])[..., 0]
        z += self.last * x[:, -1:]
        return z

    def gathered(self, z):
        """`Gᵀz`, `(b, K)`."""
        if self.last is None:
            return np.matmul(z[:, None], self.G)[:, 0]
        x = np.empty((len(z), self.G.shape[2] + 1), z.dtype)
        np.matmul(z[:, None], self.G, out=x[:, None, :-1])
        np.einsum("bl,bl->b", z, self.last, out=x[:, -1])
        return x

    def weighted(self, z):
        """`Az`."""
        return z if self.weights is None else z * self.weights

    def beyond_entries(self, x):
        """`(S + ridge I)x`."""
        q = self.ridge[:, None] * x
        if self.shared is not None:
            q += x @ self.shared if self.shared.ndim == 2 else np.matmul(x[:, None], self.shared)[:, 0]
        return q

    def right_side(self):
        """`b`."""
        b = self.gathered(self.targets)
        return b if self.products is None else b + self.products

    def normal_matrices(self):
        """`GᵀAG + S + ridge I`."""
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
    """A few steps of conjugate gradients from the last solution (Takács et al., RecSys 2011)."""
    x = x.copy()
    # Each product with G is a pass over more numbers than a cache holds: `b` is never formed.
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
        # A row that is solved already has no direction left.
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
    """The exact solution; where nothing is regularized, the one of least norm."""
    H, b = rows.normal_matrices(), rows.right_side()
    if rows.ridge.min() > 0:
        (posv,) = get_lapack_funcs(("posv",), (H,))
        x = np.empty_like(b)
        for i in range(len(b)):
            # The transpose of a symmetric matrix is in LAPACK's order already: nothing is copied.
            _, x[i], failed = posv(H[i].T, b[i], overwrite_a=True)
            if failed:
                raise singular(H)
    else:
        x = least_norm(H, b)
    return x, np.einsum("bk,bk->b", x, b)


def coordinate_descent(rows, x, lower):
    """The solution with `x >= lower`, coordinate by coordinate (Franc et al., CAIP 2005)."""
    b = rows.right_side()
    x, residual = descend(rows.normal_matrices(), b, x, lower)
    return x, np.einsum("bk,bk->b", x, b + residual)


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


def least_norm(H, b):
    inverse = np.linalg.pinv(H, rcond=10 * H.shape[-1] * np.finfo(H.dtype).eps, hermitian=True)
    return np.matmul(inverse, b[..., None])[..., 0]


def times(H, x):
    """`Hx` for every row."""
    return x @ H if H.ndim == 2 else np.matmul(H, x[..., None])[..., 0]


SOLVERS = {"cg": conjugate_gradient, "cholesky": cholesky, "nonnegative": coordinate_descent}
