"""A decoder whose step is stored once in a SavedModel, whichever loops call it."""

import tensorflow as tf


class TracedDecoder:
    """What `sample`, `beam_search` and `score` need of a decoder; its step is one function of the graph.

    A loop holds a copy of all that is done in it. Four loops would hold the network four times, which is more than
    the weights of a small captioner.

    Args:
        decoder: A built `Decoder`.
    """

    def __init__(self, decoder):
        self.length = decoder.length
        self.vocabulary_size = decoder.vocabulary_size
        self.remember = decoder.remember
        self.begin = decoder.begin
        self._decoder = decoder
        self._next = None

    def next(self, memory, state, ids, place):
        """The decoder's `next`."""
        if self._next is None:
            signature = [
                tf.nest.map_structure(lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), memory),
                # One text in a sample, several in a beam search.
                tf.nest.map_structure(lambda part: tf.TensorSpec((None, None, *part.shape[2:]), part.dtype), state),
                tf.TensorSpec((None, None), tf.int32),
                tf.TensorSpec((), tf.int32),
            ]
            self._next = tf.function(self._decoder.next, input_signature=signature, autograph=False)
        hidden, after = self._next(memory, state, ids, place)
        # A loop's variables keep their shapes.
        hidden = tf.ensure_shape(hidden, (*ids.shape, None))
        return hidden, tf.nest.map_structure(lambda new, old: tf.ensure_shape(new, old.shape), after, state)
