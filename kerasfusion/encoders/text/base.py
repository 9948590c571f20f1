"""What every text encoder shares: word embeddings, the mask, the shape of the output."""

import keras
from keras import ops


class TextEncoder(keras.layers.Layer):
    """Base class: token ids to a sequence, one pooled vector and a mask.

    A subclass builds its layers in `build_encoder` and computes `(sequence, pooled)` in `encode`.

    Args:
        vocabulary_size: Number of token ids, the four special ones included.
        units: Width `d` of the output.
        embedding_dim: Width of the word vectors; `None` means `units`.
        dropout: Dropout rate on the word vectors.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        dict: `sequence` float `(B, L, d)`, zero at padding; `pooled` float `(B, d)`;
        `mask` bool `(B, L)`, True at words. A text without words gives a defined, constant output.
    """

    def __init__(self, vocabulary_size, units, embedding_dim=None, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        width = embedding_dim or units
        # Word vectors of about unit length. Keras's default (0.03 a place) is so small that, without a
        # normalisation behind it, a network sees nearly the same text everywhere for its first epochs.
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            width,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.embedding_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, ids_shape):
        self.embedding.build(ids_shape)
        self.build_encoder((*ids_shape, self.embedding_dim or self.units))

    def build_encoder(self, embedded_shape):
        """Create the layers behind the embedding; `embedded_shape` is `(B, L, embedding_dim)`."""
        raise NotImplementedError

    def encode(self, embedded, mask, training):
        """Return `(sequence, pooled)` for word vectors `(B, L, e)` and their mask `(B, L)`."""
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
        }


def masked_sum(embedded, mask):
    """Sum over the words: `(B, L, e)`, `(B, L)` -> `(B, e)`."""
    return ops.sum(embedded * ops.cast(mask, embedded.dtype)[..., None], axis=1)
