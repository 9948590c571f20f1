"""What a decoder says, made into text: by the same TensorFlow code in reports and inside a SavedModel."""

import dataclasses

import tensorflow as tf

from kerasfusion.data.schema import SPECIAL_TOKENS
from kerasfusion.preprocessing.text import join_words, standardize, text_vectorizer


def drawn(rows, temperature, top_k, top_p, seeds):
    """How `kf.decoders.sample` draws words, each row by a seed of its own, whatever other rows are beside it.

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
        scores = scores / tf.maximum(temperature, 1e-6)
        size = scores.shape[-1]
        best = tf.sort(scores, direction="DESCENDING")
        probabilities = tf.nn.softmax(best)
        # A word is kept while those before it make up less than top_p; the first always is.
        before = tf.cumsum(probabilities, axis=-1, exclusive=True)
        kept = tf.reduce_sum(tf.cast(before < top_p, tf.int32), axis=-1, keepdims=True)
        kept = tf.maximum(tf.where(top_k > 0, tf.minimum(kept, top_k), kept), 1)
        least = tf.gather(best, kept - 1, batch_dims=1)
        scores = tf.where(scores >= least, scores, -1e9)
        uniform = tf.map_fn(
            lambda seed: tf.random.stateless_uniform((size,), tf.stack([seed, place]), minval=1e-20),
            seeds,
            fn_output_signature=tf.float32,
        )
        # The largest of the scores with Gumbel noise is a draw by their probabilities.
        noise = -tf.math.log(-tf.math.log(uniform))
        return tf.argmax(scores + tf.where(temperature > 0, noise, 0.0), axis=-1, output_type=tf.int32)

    return choose


def words_of(ids, task):
    """Token ids `(…, T)` as words, tf.string `(…, T)`; "" for all that is no word of the vocabulary."""
    words = tf.constant([*[""] * len(SPECIAL_TOKENS), *task.vocabulary])
    return tf.gather(words, ids)


class Prompts:
    """The words that a text is to begin with.

    Args:
        task: A `Task` of kind `"caption"`.

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
