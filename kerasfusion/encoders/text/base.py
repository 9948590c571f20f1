"""Base class of all text encoders: token embeddings, the mask and the output dict."""

import keras
from keras import ops

from kerasfusion.encoders.text.word_vectors import load_word_vectors


class TextEncoder(keras.layers.Layer):
    """Base class: encode token ids as a sequence, a pooled vector and a mask.

    A subclass creates its layers in `build_encoder` and computes `(sequence, pooled)` in `encode`.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: Optional int, width `d` of the output. `None` omits the last dense layer, in encoders that end with
            one.
        embedding_dim: Optional int, width of the token embeddings. Defaults to that of `pretrained_embeddings`, or to
            `units` without such a file.
        dropout: float in [0, 1), dropout rate on the token embeddings. Defaults to 0.
        pretrained_embeddings: Optional str, path of a file with pretrained word vectors (see `load_word_vectors`).
            Words that it lacks get random vectors with the same standard deviation. Read when an encoder is created,
            never when one is loaded.
        trainable_embeddings: bool, whether the token embeddings are trained. Defaults to True.
        vocabulary: Optional sequence of str, the words of ids 4, 5, …; needed only with `pretrained_embeddings`, and
            not stored.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.
        training: Optional bool.

    Returns:
        dict: `sequence` float `(B, L, d)`, zero at padding; `pooled` float `(B, d)`; `mask` bool `(B, L)`, True at
        tokens. An empty text gives a defined, constant output.

    Raises:
        ValueError: invalid word vectors (see `load_word_vectors`), an `embedding_dim` that differs from theirs, or a
            vocabulary that is missing or of another size.

    Example:

    ```python
    class MaxEncoder(kf.encoders.TextEncoder):
        def build_encoder(self, embedded_shape):
            pass

        def encode(self, embedded, mask, training):
            return embedded, keras.ops.max(keras.ops.where(mask[..., None], embedded, -1.0), axis=1)


    MaxEncoder(vocabulary_size=1000, units=8)(keras.ops.array([[4, 5, 0]]))["pooled"]  # (1, 8)
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        units,
        embedding_dim=None,
        dropout=0.0,
        pretrained_embeddings=None,
        trainable_embeddings=True,
        vocabulary=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.pretrained_embeddings = None if pretrained_embeddings is None else str(pretrained_embeddings)
        self.trainable_embeddings = trainable_embeddings
        # How many words of the vocabulary the file had, and of how many; None where no file was read.
        self.words_found = None
        self._start = None if pretrained_embeddings is None else self._read(vocabulary)
        width = self.embedding_dim or units
        if width is None:
            raise ValueError(f"{self.name}: without units, say how wide word vectors are (embedding_dim).")
        # Word vectors of about unit length. Keras's default (0.03 a place) is so small that, without a
        # normalisation behind it, a network sees nearly the same text everywhere for its first epochs.
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            width,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.embedding.trainable = trainable_embeddings
        self.embedding_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, ids_shape):
        self.embedding.build(ids_shape)
        if self._start is not None:
            vectors, found = self._start
            embeddings = ops.convert_to_numpy(self.embedding.embeddings).copy()
            embeddings *= vectors[found].std() / embeddings.std()
            embeddings[-len(found) :][found] = vectors[found]
            self.embedding.embeddings.assign(embeddings)
            self._start = None
        self.build_encoder((*ids_shape, self.embedding_dim or self.units))

    def _read(self, vocabulary):
        """Read the file's vectors for the vocabulary and set `embedding_dim` to their width."""
        if vocabulary is None or self.vocabulary_size < len(vocabulary):
            held = "none" if vocabulary is None else f"one of {len(vocabulary)} words"
            raise ValueError(
                f"{self.name}: pretrained_embeddings needs the vocabulary of the {self.vocabulary_size} token ids, "
                f"and was given {held}."
            )
        vectors, found = load_word_vectors(self.pretrained_embeddings, vocabulary)
        if self.embedding_dim not in (None, vectors.shape[1]):
            raise ValueError(
                f"{self.name}: {self.pretrained_embeddings} has vectors of {vectors.shape[1]} numbers, and "
                f"embedding_dim is {self.embedding_dim}. Leave embedding_dim out."
            )
        self.embedding_dim = vectors.shape[1]
        self.words_found = int(found.sum()), len(found)
        return vectors, found

    def build_encoder(self, embedded_shape):
        """Create the layers after the embedding; `embedded_shape` is `(B, L, embedding_dim)`."""
        raise NotImplementedError

    def dense_to_units(self, shape, activation="relu"):
        """Build the dense layer that ends an encoder; an identity if `units` is None."""
        if self.units is None:
            return keras.layers.Identity(dtype=self.dtype_policy)
        dense = keras.layers.Dense(self.units, activation=activation, name="projection", dtype=self.dtype_policy)
        dense.build(shape)
        return dense

    def encode(self, embedded, mask, training):
        """Compute `(sequence, pooled)` from token embeddings `(B, L, e)` and their mask `(B, L)`."""
        raise NotImplementedError

    def call(self, ids, training=None):
        mask = ops.not_equal(ids, 0)
        embedded = self.embedding_dropout(self.embedding(ids), training=training)
        sequence, pooled = self.encode(embedded, mask, training)
        sequence = sequence * ops.cast(mask, sequence.dtype)[..., None]
        return {"sequence": sequence, "pooled": pooled, "mask": mask}

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "pretrained_embeddings": self.pretrained_embeddings,
            "trainable_embeddings": self.trainable_embeddings,
        }

    @classmethod
    def from_config(cls, config):
        # The vectors are among the saved weights: neither the file nor the vocabulary is needed again.
        layer = super().from_config({**config, "pretrained_embeddings": None})
        layer.pretrained_embeddings = config.get("pretrained_embeddings")
        return layer


def masked_sum(embedded, mask):
    """Sum over the tokens: `(B, L, e)`, `(B, L)` -> `(B, e)`."""
    return ops.sum(embedded * ops.cast(mask, embedded.dtype)[..., None], axis=1)
