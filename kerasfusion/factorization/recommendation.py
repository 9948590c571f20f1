"""What a factored matrix is asked for: single entries, the best columns of a row, columns like another."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.ratings import places_of, read_triples

ROWS_AT_ONCE = 1024


class Recommending:
    """Predictions out of `row_factors_`, `column_factors_`, the biases and the mean."""

    def predict(self, rows, columns, unknown="error"):
        """Entries of the matrix.

        Args:
            rows: Ids, one for every entry asked for.
            columns: Ids, likewise.
            unknown: What an id that was not seen in fit is: an "error", or an "average" one, without factors or bias.

        Returns:
            float `(entries,)`.

        Raises:
            ValueError: An id is not known, or `rows` and `columns` differ in length.

        Example:

        ```python
        model.predict(["ann", "bob"], ["Alien", "Up"])
        ```
        """
        check_is_fitted(self, "row_factors_")
        if unknown not in ("error", "average"):
            raise ValueError(f"unknown={unknown!r}; it is 'error' or 'average'.")
        if len(rows) != len(columns):
            raise ValueError(f"{len(rows):,} rows for {len(columns):,} columns; give one of each for every entry.")
        return self._predict_places(
            places_of(rows, self.row_ids_, "row", unknown), places_of(columns, self.column_ids_, "column", unknown)
        )

    def _predict_places(self, rows, columns):
        """Entries by place; -1 is an unknown row or column."""
        U, V = self.row_factors_, self.column_factors_
        values = np.empty(len(rows), U.dtype)
        for start in range(0, len(rows), 100_000):
            r, c = rows[start : start + 100_000], columns[start : start + 100_000]
            known_r, known_c = r >= 0, c >= 0
            product = np.einsum("ek,ek->e", U[r], V[c]) * (known_r & known_c)
            values[start : start + len(r)] = product + self.row_bias_[r] * known_r + self.column_bias_[c] * known_c
        return values + values.dtype.type(self.mean_)

    def recommend(self, row, k=10, exclude_seen=True):
        """The columns with the highest predictions for a row.

        Args:
            row: A row's id.
            k: How many; fewer come back where fewer are left.
            exclude_seen: Whether to leave out columns that the row has an entry for.

        Returns:
            `(ids, scores)`, best first.

        Example:

        ```python
        ids, scores = model.recommend("ann", 5)
        ```
        """
        check_is_fitted(self, "row_factors_")
        (place,) = places_of([row], self.row_ids_, "row")
        scores = self.column_factors_ @ self.row_factors_[place] + self.column_bias_
        scores += scores.dtype.type(self.mean_) + self.row_bias_[place]
        if exclude_seen:
            scores[self.ratings_.indices[self.ratings_.indptr[place] : self.ratings_.indptr[place + 1]]] = -np.inf
        return self._best(scores, k)

    def similar_items(self, column, k=10):
        """The columns whose factors point the same way as one's.

        Args:
            column: A column's id.
            k: How many.

        Returns:
            `(ids, similarities)`, best first: cosines from -1 to 1, the column itself left out. A column without
            factors is like none: 0.

        Example:

        ```python
        ids, similarities = model.similar_items("Alien", 5)
        ```
        """
        check_is_fitted(self, "row_factors_")
        (place,) = places_of([column], self.column_ids_, "column")
        norms = np.linalg.norm(self.column_factors_, axis=1)
        units = self.column_factors_ / np.where(norms > 0, norms, 1)[:, None]
        similarities = units @ units[place]
        similarities[place] = -np.inf
        return self._best(similarities, k)

    def _best(self, scores, k):
        if k < 1:
            raise ValueError(f"k={k!r}; it is a whole number from 1.")
        k = min(k, np.isfinite(scores).sum())
        best = np.argpartition(-scores, k - 1)[:k] if k else np.zeros(0, int)
        best = best[np.argsort(-scores[best], kind="stable")]
        return self.column_ids_[best], scores[best]

    def score(self, X, y=None):
        """How well ratings are predicted; higher is better.

        Args:
            X: Ratings in a form that `fit` takes. Ids that are not known are average ones.
            y: Ignored.

        Returns:
            Of explicit feedback the negative root mean squared error. Of implicit feedback the mean share of columns
            that a row's own are ranked above, weighted by strength: 1 is best, 0.5 chance (1 - the mean percentile
            rank of Hu et al.).
        """
        check_is_fitted(self, "row_factors_")
        triples = read_triples(X, self.dtype, self._implicit)
        rows = places_of(triples.rows, self.row_ids_, "row", "average")
        columns = places_of(triples.columns, self.column_ids_, "column", "average")
        return self._score_places(rows, columns, triples.values)

    def _score_places(self, rows, columns, values):
        if not self._implicit:
            errors = (values - self._predict_places(rows, columns)).astype(np.float64)
            return -float(np.sqrt(np.mean(errors**2)))
        total, weight = 0.0, float(values.sum(dtype=np.float64))
        if not weight:
            raise ValueError("the strengths to score by are all 0.")
        order = np.argsort(rows, kind="stable")
        for start in range(0, len(order), ROWS_AT_ONCE):
            part = order[start : start + ROWS_AT_ONCE]
            r, c = rows[part], columns[part]
            distinct, which = np.unique(r, return_inverse=True)
            scores = (self.row_factors_[distinct] * (distinct >= 0)[:, None]) @ self.column_factors_.T
            own = np.where(c >= 0, scores[which, c], 0)[:, None]
            others = scores[which]
            # Ties count one half, so that what is not known scores as chance.
            above = (own > others).mean(axis=1) + ((own == others).mean(axis=1) - (c >= 0) / others.shape[1]) / 2
            total += float(values[part] @ above)
        return total / weight
