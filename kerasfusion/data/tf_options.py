import os

import tensorflow as tf

# Calls of a map that run side by side: more hold more batches in memory, and few machines read faster by them.
PARALLEL_CALLS = min(8, os.cpu_count() or 1)
PREFETCHED = 2


def without_autotune(dataset):
    """A dataset whose iteration ends as soon as its last element is there: tf.data's autotuning is off.

    The autotuner's thread sleeps for 10 ms, then for 20, 40 and so on up to a minute, and an iterator that ends waits
    until it next wakes, with nothing to do. So an epoch can take twice as long as the work in it. What tf.data would
    have tuned has to be set: use `PARALLEL_CALLS` and `PREFETCHED`, not `tf.data.AUTOTUNE`.

    Args:
        dataset: A `tf.data.Dataset`.

    Returns:
        The `tf.data.Dataset`, also of what is made of it by `map`, `prefetch` and the like.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
