"""A FAISS index on disk and its recall; all but the first need faiss-cpu: `pytest -m faiss`."""

import importlib.util
import sys

import numpy as np
import pytest

from kerasfusion.workflows import faiss_index

missing = importlib.util.find_spec("faiss") is None


def directions(*degrees):
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[faiss\]'"):
        faiss_index(directions(0, 90), directions(10), tmp_path / "index", k=1)


@pytest.mark.faiss
@pytest.mark.skipif(missing, reason="needs faiss-cpu: pip install 'kerasfusion[faiss]'")
class TestWithFaiss:
    @pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
    def test_the_nearest_are_found(self, tmp_path, kind):
        import faiss

        found = faiss_index(directions(0, 30, 60, 90), directions(2, 70), tmp_path / "index", kind, k=2)
        assert found == {"recall": 1.0, "rows": 4, "queries": 2, "k": 2, "kind": kind}
        cosines, rows = faiss.read_index(str(tmp_path / "index")).search(directions(2, 70), 2)
        assert rows.tolist() == [[0, 1], [2, 3]]
        np.testing.assert_allclose(cosines, np.cos(np.deg2rad([[2, 28], [10, 20]])), atol=1e-5)
        assert [path.name for path in tmp_path.iterdir()] == ["index"]

    def test_recall_is_of_the_exact_nearest(self, tmp_path):
        import faiss

        random = np.random.default_rng(0)
        rows, queries = (random.normal(size=(n, 32)).astype("float32") for n in (3000, 100))
        found = faiss_index(rows, queries, tmp_path / "index", "ivf", k=5)
        answers = faiss.read_index(str(tmp_path / "index")).search(queries, 5)[1]
        exact = np.argsort(-(queries @ rows.T), axis=1)[:, :5]
        shared = sum(len({*a} & {*b}) for a, b in zip(answers.tolist(), exact.tolist(), strict=True))
        assert found["recall"] == shared / 500 < 1

    def test_what_makes_no_index(self, tmp_path):
        with pytest.raises(ValueError, match="no kind 'lsh'; choose flat, ivf or hnsw"):
            faiss_index(directions(0, 90), directions(10), tmp_path / "index", "lsh", k=1)
        with pytest.raises(ValueError, match="k from 1 to n"):
            faiss_index(directions(0, 90), directions(10), tmp_path / "index", k=3)
        assert not list(tmp_path.iterdir())
