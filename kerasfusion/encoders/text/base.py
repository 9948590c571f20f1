"""What every text encoder shares: word embeddings, the mask, the shape of the output."""

import keras
from keras import ops

from kerasfusion.encoders.text.word_vectors import load_word_vectors


class TextEncoder(keras.layers.Layer):
    """Base class: token ids to a sequence, one pooled vector and a mask.

    A subclass builds its layers in `build_encoder` and computes `(sequence, pooled)` in `encode`.

    Args:
        vocabulary_size: Number of token ids, the four special ones included.
        units: Width `d` of the output; None, for the encoders whose last layer is a dense one, leaves that out.
        embedding_dim: Width of the word vectors; `None` means that of `pretrained_embeddings`, or `units` without
            such a file.
        dropout: Dropout rate on the word vectors.
        pretrained_embeddings: File of pretrained word vectors (see `load_word_vectors`). Words that it lacks begin
            with random vectors of the same spread. It is read when an encoder is made, never when one is loaded.
        trainable_embeddings: Whether training may change the word vectors.
        vocabulary: The words of ids 4, 5, …, wanted with `pretrained_embeddings` alone; the encoder does not keep
            them.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        dict: `sequence` float `(B, L, d)`, zero at padding; `pooled` float `(B, d)`;
        `mask` bool `(B, L)`, True at words. A text without words gives a defined, constant output.

    Raises:
        ValueError: what `load_word_vectors` raises, vectors of another width than `embedding_dim`, or a vocabulary
            that is absent or not of the size given.
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
        """The file's vectors for the vocabulary, and their width as that of the embedding."""
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
        """Create the layers behind the embedding; `embedded_shape` is `(B, L, embedding_dim)`."""
        raise NotImplementedError

    def dense_to_units(self, shape, activation="relu"):
        """The dense layer that ends an encoder, built for inputs of this shape; nothing where `units` is None."""
        if self.units is None:
            return keras.layers.Identity(dtype=self.dtype_policy)
        dense = keras.layers.Dense(self.units, activation=activation, name="projection", dtype=self.dtype_policy)
        dense.build(shape)
        return dense

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
    """Sum over the words: `(B, L, e)`, `(B, L)` -> `(B, e)`."""
    return ops.sum(embedded * ops.cast(mask, embedded.dtype)[..., None], axis=1)
