"""What every decoder shares: word vectors, several texts of one context, one step at a time."""

import keras
from keras import ops


class Decoder(keras.layers.Layer):
    """Base class: a context and the words so far to a vector that tells the next word.

    In training all words are given (teacher forcing) and `call` computes every place at once. When words are made,
    `step` takes one word and a `state` of what was computed before it, so that a word costs the same at every place.
    Both give the same numbers. A subclass says how in `build_decoder`, `remember`, `begin` and `step`, and may
    override `decode`, which without that takes one step after the other.

    Several texts of one context, K captions of one image or K beams, are a further axis: what depends on the
    context alone is computed once.

    Args:
        vocabulary_size: Number of token ids, the four special ones included.
        units: Width `d` of word vectors and output.
        dropout: Dropout rate on the word vectors and on the output.

    Call arguments:
        context: dict with `sequence` float `(B, n, e)`, `mask` bool `(B, n)` with one True a row at least, and
            `pooled` float `(B, e)`.
        ids: int32 `(B, T)` or `(B, K, T)`: the start token and the words so far; 0 is padding behind them.

    Returns:
        float `(B, T, d)` or `(B, K, T, d)`: what place j holds depends on the words up to j and tells word j + 1.
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
        """Create the layers; `context_shape` has the shapes of the context's entries."""
        raise NotImplementedError

    def remember(self, context):
        """What all steps need of the context: a structure of tensors `(B, …)`."""
        raise NotImplementedError

    def begin(self, memory, texts):
        """The state before the first step: a structure of tensors `(B, K, …)` for K `texts` of each context."""
        raise NotImplementedError

    def step(self, memory, state, words, place, training=None):
        """One word further.

        Args:
            memory: What `remember` gave.
            state: What `begin` or the step before gave.
            words: float `(B, K, d)`, vectors of the words at this place.
            place: int, or int32 scalar: 0 is the start token's.
            training: As in Keras.

        Returns:
            tuple: float `(B, K, d)` and the new state.
        """
        raise NotImplementedError

    def decode(self, context, words, training=None):
        """All places at once: float `(B, K, T, d)` word vectors to the same shape."""
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
        """`step` for token ids int32 `(B, K)`, as when words are made."""
        return self.step(memory, state, self.embedding(ids), place)

    def dense(self, name, width, units, activation=None, use_bias=True):
        """A dense layer on `width` channels, built, in this layer's precision."""
        layer = keras.layers.Dense(
            units, activation=activation, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )
        layer.build((None, width))
        return layer

    def batch_norm(self, name, width):
        """Batch normalization of the context's vector, built, in this layer's precision.

        What a pretrained network makes of different images is mostly one vector. Left as it is, that part alone
        drives a recurrent network's gates to their ends, where what differs between images is not seen.
        """
        layer = keras.layers.BatchNormalization(momentum=0.9, name=name, dtype=self.dtype_policy)
        layer.build((None, width))
        return layer

    def lengthened(self, words):
        """Word vectors of about unit length as gates notice them: each place has about unit size."""
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
