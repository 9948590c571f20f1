"""Decode token ids to text and sample tokens, as TensorFlow ops for reports and SavedModels."""

import dataclasses

import numpy as np
import tensorflow as tf

from kerasfusion.preprocessing.text import join_words, standardizer, text_vectorizer
from kerasfusion.schema import SPECIAL_TOKENS


def drawn(rows, temperature, top_k, top_p, seeds):
    """Build the sampling function of `kf.decoders.sample`, with one seed per row.

    A row's samples do not depend on the other rows of the batch. Temperature, `top_k` and `top_p` are applied in this
    order, as in Transformers.

    Args:
        rows: int scalar, number of rows.
        temperature: float, scalar or `(rows,)`; 0 is greedy.
        top_k: int, scalar or `(rows,)`; 0 keeps all tokens.
        top_p: float, scalar or `(rows,)`.
        seeds: int `(rows,)`.

    Returns:
        Function for the argument `choose` of `sample`.
    """

    def column(values, dtype):
        return tf.broadcast_to(tf.cast(values, dtype), (rows,))[:, None]

    temperature, top_p, top_k = column(temperature, tf.float32), column(top_p, tf.float32), column(top_k, tf.int32)
    seeds = tf.cast(seeds, tf.int32)

    def choose(scores, place):
        scores = filter_scores(scores / tf.maximum(temperature, 1e-6), top_k, top_p)
        uniform = tf.map_fn(
            lambda seed: tf.random.stateless_uniform((scores.shape[-1],), tf.stack([seed, place]), minval=1e-20),
            seeds,
            fn_output_signature=tf.float32,
        )
        # Gumbel-max trick: the argmax of scores plus Gumbel noise is a sample from their softmax.
        noise = -tf.math.log(-tf.math.log(uniform))
        return tf.argmax(scores + tf.where(temperature > 0, noise, 0.0), axis=-1, output_type=tf.int32)

    return choose


def filter_scores(scores, top_k, top_p):
    """Apply top-k and then top-p filtering to scores.

    Args:
        scores: float32 `(rows, V)`, log-probabilities up to a constant.
        top_k: int32 `(rows, 1)`; 0 keeps all tokens.
        top_p: float32 `(rows, 1)`. The most likely token is always kept.

    Returns:
        float32 `(rows, V)`, scores with -1e9 for filtered tokens.
    """
    size = scores.shape[-1]
    best = tf.sort(scores, direction="DESCENDING")
    among = tf.range(size) < tf.where(top_k > 0, top_k, size)
    probabilities = tf.nn.softmax(tf.where(among, best, -np.inf))
    # Keep a token while the cumulative probability before it is below top_p. Rounded sums can reach 1 before the last
    # token, so top_p = 1 is handled separately.
    before = tf.cumsum(probabilities, axis=-1, exclusive=True)
    likely = among & ((before < top_p) | (top_p >= 1))
    kept = tf.maximum(tf.reduce_sum(tf.cast(likely, tf.int32), axis=-1, keepdims=True), 1)
    return tf.where(scores >= tf.gather(best, kept - 1, batch_dims=1), scores, -1e9)


def words_of(ids, task):
    """Map token ids `(…, T)` to words, tf.string `(…, T)`; `""` for special tokens."""
    words = tf.constant([*[""] * len(SPECIAL_TOKENS), *task.vocabulary])
    return tf.gather(words, ids)


class Prompts:
    """Encode prompts, the required beginnings of generated texts.

    Args:
        task: `Task` of type `"captioning"`.

    Attributes:
        vectorizer: `keras.layers.TextVectorization`, which an export must track.
    """

    def __init__(self, task):
        self.task = task
        # A caption without its start and end tokens.
        self.length = task.length - 2
        self.vectorizer = text_vectorizer(dataclasses.replace(task, length=self.length))
        self._standardize = standardizer(task)

    def ids(self, prompts):
        """Map prompts, tf.string `(B,)`, to token ids, int32 `(B, P)`, padded with 0; 1 is an unknown word."""
        return tf.cast(self.vectorizer(prompts), tf.int32)

    def text(self, prompts, told):
        """Decode generated ids, int32 `(B, T)`, to tf.string `(B,)`; words of the prompt are kept as given."""
        given = tf.strings.split(self._standardize(prompts)).to_tensor("", shape=(None, self.length))
        words = words_of(told, self.task)
        given = tf.pad(given, ((0, 0), (0, tf.shape(words)[1] - self.length)), constant_values="")
        return join_words(tf.where(given != "", given, words))
