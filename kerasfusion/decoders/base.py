"""Base class of all decoders: token embeddings, several texts per context, decoding step by step."""

import keras
from keras import ops


class Decoder(keras.layers.Layer):
    """Base class: compute, from a context and the previous tokens, a vector that predicts the next token.

    In training, all tokens are given (teacher forcing) and `call` computes all positions at once. In generation,
    `step` takes one token and a state with everything computed before it, so the cost per token does not depend on
    the position. Both compute the same numbers. A subclass implements `build_decoder`, `remember`, `begin` and
    `step`, and may override `decode`, which by default calls `step` for every position.

    Several texts of one context, such as K captions of an image or K beams, form an additional axis: whatever depends
    only on the context is computed once.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: int, width `d` of token embeddings and output.
        dropout: float in [0, 1), dropout rate on the token embeddings and on the output. Defaults to 0.

    Call arguments:
        context: dict with `sequence` float `(B, n, e)`, `mask` bool `(B, n)` with at least one True per row, and
            `pooled` float `(B, e)`.
        ids: int32 `(B, T)` or `(B, K, T)`: the start token and the previous tokens, followed by padding (0).
        training: Optional bool.

    Returns:
        float `(B, T, d)` or `(B, K, T, d)`: the vector at position j depends on the tokens up to j and predicts token
        j + 1.
    """

    def __init__(self, vocabulary_size, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.dropout = dropout
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            units,
            # Word vectors of about unit length, as in the text encoders.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.word_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.output_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, context_shape, ids_shape):
        self.length = ids_shape[-1]
        self.embedding.build(ids_shape)
        self.build_decoder(context_shape)

    def build_decoder(self, context_shape):
        """Create the layers; `context_shape` maps the context's entries to their shapes."""
        raise NotImplementedError

    def remember(self, context):
        """Precompute what all steps need of the context: a structure of tensors `(B, …)`."""
        raise NotImplementedError

    def begin(self, memory, texts):
        """Return the state before the first step, a structure of tensors `(B, K, …)` for K `texts` per context."""
        raise NotImplementedError

    def step(self, memory, state, words, place, training=None):
        """Decode one position.

        Args:
            memory: The output of `remember`.
            state: The output of `begin` or of the previous step.
            words: float `(B, K, d)`, embeddings of the tokens at this position.
            place: int or int32 scalar, the position; 0 is that of the start token.
            training: Optional bool.

        Returns:
            tuple: float `(B, K, d)`, and the new state.
        """
        raise NotImplementedError

    def decode(self, context, words, training=None):
        """Decode all positions: token embeddings float `(B, K, T, d)` to outputs of the same shape."""
        memory = self.remember(context)
        state, found = self.begin(memory, words.shape[1] or ops.shape(words)[1]), []
        for place, word in enumerate(ops.unstack(words, axis=2)):
            output, state = self.step(memory, state, word, place, training)
            found.append(output)
        return ops.stack(found, axis=2)

    def call(self, context, ids, training=None):
        several = len(ids.shape) == 3
        words = self.word_dropout(self.embedding(ids if several else ids[:, None]), training=training)
        found = self.output_dropout(self.decode(context, words, training), training=training)
        return found if several else found[:, 0]

    def next(self, memory, state, ids, place):
        """Call `step` with token ids int32 `(B, K)`, as in generation."""
        return self.step(memory, state, self.embedding(ids), place)

    def dense(self, name, width, units, activation=None, use_bias=True):
        """Build a dense layer for inputs with `width` channels, with this layer's dtype policy."""
        layer = keras.layers.Dense(
            units, activation=activation, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )
        layer.build((None, width))
        return layer

    def batch_norm(self, name, width):
        """Build batch normalization for the context's pooled vector, with this layer's dtype policy.

        The features of a pretrained network have a large component that all images share. Without normalization, it
        saturates the gates of a recurrent network, which then cannot distinguish images.
        """
        layer = keras.layers.BatchNormalization(momentum=0.9, name=name, dtype=self.dtype_policy)
        layer.build((None, width))
        return layer

    def lengthened(self, words):
        """Scale token embeddings of about unit norm to components of about unit size, as gates expect."""
        return words * self.units**0.5

    def compute_output_shape(self, context_shape, ids_shape):
        return (*ids_shape, self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
            "dropout": self.dropout,
        }
