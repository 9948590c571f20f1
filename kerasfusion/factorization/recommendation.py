"""Predictions of a factorized matrix: entries, recommendations, similar columns and scores."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.ratings import places_of, read_triples

ROWS_PER_CHUNK = 1024


class RecommenderMixin:
    """Predictions from `row_factors_`, `column_factors_`, the biases and the mean."""

    def predict(self, rows, columns, unknown="error"):
        """Predict entries of the matrix.

        Args:
            rows: Row ids `(entries,)`.
            columns: Column ids `(entries,)`.
            unknown: `"error"` to raise on ids that were not in `fit`, or `"average"` to use zero factors and bias.
                Defaults to `"error"`.

        Returns:
            float `(entries,)`.

        Raises:
            ValueError: If an id is unknown, or `rows` and `columns` differ in length.

        Example:

        ```python
        model.predict(["ann", "bob"], ["Alien", "Up"])
        ```
        """
        check_is_fitted(self, "row_factors_")
        if unknown not in ("error", "average"):
            raise ValueError(f"unknown must be 'error' or 'average'. Received: unknown={unknown!r}")
        if len(rows) != len(columns):
            raise ValueError(
                f"rows and columns must have the same length. Received: {len(rows):,} rows for {len(columns):,} "
                "columns"
            )
        return self._predict_places(
            places_of(rows, self.row_ids_, "row", unknown), places_of(columns, self.column_ids_, "column", unknown)
        )

    def _predict_places(self, rows, columns):
        """Predict entries by index; -1 is an unknown row or column."""
        U, V = self.row_factors_, self.column_factors_
        values = np.empty(len(rows), U.dtype)
        for start in range(0, len(rows), 100_000):
            r, c = rows[start : start + 100_000], columns[start : start + 100_000]
            known_r, known_c = r >= 0, c >= 0
            product = np.einsum("ek,ek->e", U[r], V[c]) * (known_r & known_c)
            values[start : start + len(r)] = product + self.row_bias_[r] * known_r + self.column_bias_[c] * known_c
        return values + values.dtype.type(self.mean_)

    def recommend(self, row, k=10, exclude_seen=True):
        """Recommend the columns with the highest predictions for a row.

        Args:
            row: Row id.
            k: int, maximum number of columns. Defaults to `10`.
            exclude_seen: Whether to leave out columns that the row has an entry for. Defaults to `True`.

        Returns:
            tuple: column ids and scores, best first.

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
        """Find the columns most similar to a column, by cosine similarity of their factors.

        Args:
            column: Column id.
            k: int, maximum number of columns. Defaults to `10`.

        Returns:
            tuple: column ids and similarities from -1 to 1, best first, without the column itself. Columns with zero
            factors have similarity 0.

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
            raise ValueError(f"k must be a positive integer. Received: k={k!r}")
        k = min(k, np.isfinite(scores).sum())
        best = np.argpartition(-scores, k - 1)[:k] if k else np.zeros(0, int)
        best = best[np.argsort(-scores[best], kind="stable")]
        return self.column_ids_[best], scores[best]

    def score(self, X, y=None):
        """Score predictions of ratings; higher is better.

        Args:
            X: Ratings, as in `fit`. Unknown ids get zero factors and bias.
            y: Ignored.

        Returns:
            float. For explicit feedback, the negative root mean squared error. For implicit feedback, 1 minus the
            mean percentile rank (Hu et al., ICDM 2008), weighted by strength: 1 is best, 0.5 is chance.
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
            raise ValueError("All strengths are 0, so there is nothing to score.")
        order = np.argsort(rows, kind="stable")
        for start in range(0, len(order), ROWS_PER_CHUNK):
            part = order[start : start + ROWS_PER_CHUNK]
            r, c = rows[part], columns[part]
            distinct, which = np.unique(r, return_inverse=True)
            scores = (self.row_factors_[distinct] * (distinct >= 0)[:, None]) @ self.column_factors_.T
            own = np.where(c >= 0, scores[which, c], 0)[:, None]
            others = scores[which]
            # Ties count one half, so that unknown ids score as chance.
            above = (own > others).mean(axis=1) + ((own == others).mean(axis=1) - (c >= 0) / others.shape[1]) / 2
            total += float(values[part] @ above)
        return total / weight
