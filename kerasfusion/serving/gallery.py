"""Images to be searched, as part of a SavedModel."""

import tensorflow as tf


class Gallery(tf.Module):
    """Embeddings and names of images, searched exactly: every one is compared.

    Both are variables: a graph, which is one protocol buffer, would hold 2 GiB at most.

    Args:
        ids: `(n,)` strings, the images' names.
        embeddings: float32 `(n, d)`, rows of length 1.
        k: Images that a search gives; fewer where there are fewer.

    Raises:
        ValueError: Nothing to search, or `k` below 1.
    """

    def __init__(self, ids, embeddings, k=10):
        super().__init__()
        if not len(ids) or k < 1:
            raise ValueError(f"A gallery needs at least 1 image and k at least 1, not {len(ids)} and {k}.")
        self.size, self.k = len(ids), min(k, len(ids))
        self.ids = tf.Variable(tf.constant(ids, tf.string), trainable=False, name="gallery_ids")
        # A column for each image: with one query or a few, TensorFlow's product is faster than over rows.
        columns = tf.transpose(tf.constant(embeddings, tf.float32))
        self.columns = tf.Variable(columns, trainable=False, name="gallery_embeddings")

    def search(self, embedding):
        """The nearest first: float32 `(B, d)` to dict `ids` string `(B, k)`, `scores` float32 `(B, k)`."""
        scores = tf.matmul(embedding, self.columns)
        best = tf.math.top_k(scores, self.k)
        return {"ids": tf.gather(self.ids, best.indices), "scores": best.values}
