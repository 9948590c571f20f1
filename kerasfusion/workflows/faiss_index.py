import numpy as np

from kerasfusion.files import atomic_write

# Queries compared with everything at once: 64 with a million rows are 0.25 GB of float32.
QUERIES = 64


def faiss_index(embeddings, queries, path, kind="hnsw", k=10):
    """Write a FAISS index of embeddings, for galleries past a million, and say what it misses.

    A SavedModel from `kf.index` compares a query with everything. That is exact, and takes time and memory in step
    with the gallery. The kinds `"ivf"` and `"hnsw"` look at a part of it; the share of the exact answers that they
    find is measured on your queries, as it depends on them: texts lie elsewhere in the space than images.

    Args:
        embeddings: float `(n, d)`, rows of length 1, such as from `kf.evaluation.embed_images`. The index answers
            with row numbers.
        queries: float `(q, d)`, such as from `kf.evaluation.embed_texts` of the validation split.
        path: File to write, read again by `faiss.read_index`.
        kind: `"flat"`, everything, exactly; `"ivf"`, the nearest of about 4√n cells (needs least memory beside the
            rows); or `"hnsw"`, a graph of neighbors (quicker to ask, slower to build).
        k: Answers by which recall is counted.

    Returns:
        dict: `recall`, the share of the exact `k` nearest that the index finds, over all queries; `rows`, `queries`,
        `k` and `kind`.

    Raises:
        ImportError: The extra `[faiss]` is not installed.
        ValueError: An unknown kind, or shapes that do not fit each other.

    Example:

    ```python
    _, images = kf.evaluation.embed_images(run.model, data.splits["train"])
    texts = kf.evaluation.embed_texts(run.model, data.splits["validation"])
    print(kf.workflows.faiss_index(images, texts, "photos.faiss", kind="ivf")["recall"])
    ```
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError("faiss_index needs FAISS: pip install 'kerasfusion[faiss]'.") from error
    rows, asked = (np.ascontiguousarray(part, "float32") for part in (embeddings, queries))
    if rows.ndim != 2 or rows.shape[1:] != asked.shape[1:] or not len(asked) or not 1 <= k <= len(rows):
        raise ValueError(
            f"faiss_index needs embeddings (n, d), queries (q, d) and k from 1 to n, not {rows.shape}, {asked.shape} "
            f"and {k}."
        )
    metric, width = faiss.METRIC_INNER_PRODUCT, rows.shape[1]
    if kind == "flat":
        index = faiss.IndexFlatIP(width)
    elif kind == "ivf":
        cells = max(1, min(round(4 * len(rows) ** 0.5), len(rows) // 39))  # k-means wants 39 rows of each
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, cells, metric)
        index.nprobe = max(1, cells // 16)
        index.train(rows)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, 32, metric)
        index.hnsw.efConstruction, index.hnsw.efSearch = 100, max(64, 2 * k)
    else:
        raise ValueError(f"faiss_index: there is no kind {kind!r}; choose flat, ivf or hnsw.")
    index.add(rows)
    with atomic_write(path) as temporary:
        faiss.write_index(index, str(temporary))
    shared = 0
    for start in range(0, len(asked), QUERIES):
        part = asked[start : start + QUERIES]
        exact = np.argpartition(-(part @ rows.T), k - 1, axis=1)[:, :k]
        found = index.search(part, k)[1]
        shared += (found[:, :, None] == exact[:, None]).sum()
    recall = float(shared / (len(asked) * k))
    return {"recall": recall, "rows": len(rows), "queries": len(asked), "k": k, "kind": kind}
