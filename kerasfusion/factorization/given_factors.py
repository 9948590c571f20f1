"""Factors that another model learned, with the predictions of a factorization."""

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from kerasfusion.factorization.ratings import merge, places_of, read_triples
from kerasfusion.factorization.recommendation import RecommenderMixin


class GivenFactors(RecommenderMixin, BaseEstimator):
    """Recommendations from factors that another model learned: `score = u_i · v_j + c_j`.

    `LightGCN`, `VBPR` and `TwoTower` of `kf.models` score in this way. A fitted `GivenFactors` ranks, finds similar
    items and is exported as a `CollectiveMatrixFactorization` is.

    Args:
        row_factors: float `(n, k)`, of the users.
        column_factors: float `(m, k)`, of the items.
        column_bias: Optional float `(m,)`.
        row_ids: Optional ids `(n,)`. Defaults to `None`: 0, 1, ...
        column_ids: Optional ids `(m,)`, likewise.

    Attributes:
        row_factors_, column_factors_, row_bias_, column_bias_, mean_, row_ids_, column_ids_, ratings_: As of
            `CollectiveMatrixFactorization`.

    Example:

    ```python
    users, items, bias = lightgcn.to_numpy()
    model = GivenFactors(users, items, bias, row_ids=user_ids, column_ids=item_ids).fit(ratings)
    ids, scores = model.recommend("ann", 10)  # items that ann has no rating of
    ```
    """

    # All values count as strengths.
    _implicit = True

    def __init__(self, row_factors, column_factors, column_bias=None, *, row_ids=None, column_ids=None):
        self.row_factors = row_factors
        self.column_factors = column_factors
        self.column_bias = column_bias
        self.row_ids = row_ids
        self.column_ids = column_ids

    def fit(self, X, y=None):
        """Take the factors, and note what is rated already.

        Args:
            X: Ratings as for `CollectiveMatrixFactorization.fit`, or a table of row id and column id alone. What is
                rated is left out of recommendations.
            y: Ignored.

        Returns:
            self

        Raises:
            ValueError: If factors, bias and ids differ in number, an id is there twice, or a rating is of an unknown
                row or column.
        """
        U, V = (np.asarray(value, "float32") for value in (self.row_factors, self.column_factors))
        if U.ndim != 2 or V.ndim != 2 or U.shape[1] != V.shape[1]:
            raise ValueError(f"Factors must be (n, k) and (m, k). Received: {U.shape} and {V.shape}")
        bias = np.zeros(len(V)) if self.column_bias is None else self.column_bias
        ids = {"row": (self.row_ids, len(U)), "column": (self.column_ids, len(V))}
        found = {name: pd.Index(range(n) if given is None else given) for name, (given, n) in ids.items()}
        for name, (_, n) in ids.items():
            if len(found[name]) != n or not found[name].is_unique:
                raise ValueError(f"{name}_ids must be {n:,} different ids, one for each row of {name}_factors.")
        if np.shape(bias) != (len(V),):
            raise ValueError(f"column_bias must be ({len(V)},). Received: {np.shape(bias)}")
        triples = read_triples(X, "float32", implicit=True)
        rows = places_of(triples.rows, found["row"], "row")
        columns = places_of(triples.columns, found["column"], "column")
        shape = len(U), len(V)
        rows, columns, values = merge(rows, columns, triples.values, shape, "last")
        self.ratings_ = sparse.csr_array((values, (rows, columns)), shape=shape)
        self.row_factors_, self.column_factors_ = U, V
        self.row_bias_, self.column_bias_ = np.zeros(len(U), "float32"), np.asarray(bias, "float32")
        self.row_ids_, self.column_ids_, self.mean_ = found["row"], found["column"], 0.0
        return self
