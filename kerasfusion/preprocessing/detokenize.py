"""What a decoder says, made into text: by the same TensorFlow code in reports and inside a SavedModel."""

import dataclasses

import numpy as np
import tensorflow as tf

from kerasfusion.preprocessing.text import join_words, standardize, text_vectorizer
from kerasfusion.schema import SPECIAL_TOKENS


def drawn(rows, temperature, top_k, top_p, seeds):
    """How `kf.decoders.sample` draws words, each row by a seed of its own, whatever other rows are beside it.

    Temperature, then `top_k`, then `top_p` of what that leaves, as in Transformers.

    Args:
        rows: Number of rows, `()`.
        temperature: float, `()` or `(rows,)`; 0 takes the likeliest.
        top_k: int, `()` or `(rows,)`; 0 for all.
        top_p: float, `()` or `(rows,)`.
        seeds: int `(rows,)`.

    Returns:
        The function that `sample` takes as `choose`.
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
        # The largest of the scores with Gumbel noise is a draw by their probabilities.
        noise = -tf.math.log(-tf.math.log(uniform))
        return tf.argmax(scores + tf.where(temperature > 0, noise, 0.0), axis=-1, output_type=tf.int32)

    return choose


def filter_scores(scores, top_k, top_p):
    """Rule out all but the `top_k` likeliest words, then all but those of them that make up `top_p`.

    Args:
        scores: float32 `(rows, V)`, log-probabilities up to a constant.
        top_k: int32 `(rows, 1)`; 0 for all.
        top_p: float32 `(rows, 1)`; the likeliest word always stays.

    Returns:
        float32 `(rows, V)`: the scores, very low where a word is ruled out.
    """
    size = scores.shape[-1]
    best = tf.sort(scores, direction="DESCENDING")
    among = tf.range(size) < tf.where(top_k > 0, top_k, size)
    probabilities = tf.nn.softmax(tf.where(among, best, -np.inf))
    # A word is kept while those before it make up less than top_p. Rounded sums may reach 1 before the last word, so
    # a top_p of 1 is not compared with them.
    before = tf.cumsum(probabilities, axis=-1, exclusive=True)
    likely = among & ((before < top_p) | (top_p >= 1))
    kept = tf.maximum(tf.reduce_sum(tf.cast(likely, tf.int32), axis=-1, keepdims=True), 1)
    return tf.where(scores >= tf.gather(best, kept - 1, batch_dims=1), scores, -1e9)


def words_of(ids, task):
    """Token ids `(…, T)` as words, tf.string `(…, T)`; "" for all that is no word of the vocabulary."""
    words = tf.constant([*[""] * len(SPECIAL_TOKENS), *task.vocabulary])
    return tf.gather(words, ids)


class Prompts:
    """The words that a text is to begin with.

    Args:
        task: A `Task` of type `"captioning"`.

    Attributes:
        vectorizer: To be tracked by an export.
    """

    def __init__(self, task):
        self.task = task
        # Room for as many words as a caption may have.
        self.length = task.length - 2
        self.vectorizer = text_vectorizer(dataclasses.replace(task, length=self.length))

    def ids(self, prompts):
        """tf.string `(B,)` to int32 `(B, P)`, 0 behind the words; 1 for those that the model does not know."""
        return tf.cast(self.vectorizer(prompts), tf.int32)

    def text(self, prompts, told):
        """What a decoder told, int32 `(B, T)`, as tf.string `(B,)`; the prompt's words are those that were given."""
        given = tf.strings.split(standardize(prompts)).to_tensor("", shape=(None, self.length))
        words = words_of(told, self.task)
        given = tf.pad(given, ((0, 0), (0, tf.shape(words)[1] - self.length)), constant_values="")
        return join_words(tf.where(given != "", given, words))
