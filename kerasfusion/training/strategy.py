"""The device that training runs on, and the precision that fits it."""

import contextlib

import keras
import tensorflow as tf


def on_gpu():
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


@contextlib.contextmanager
def precision():
    """Mixed precision while models are made on a GPU, float32 on a CPU; the policy is put back afterwards."""
    before = keras.config.dtype_policy()
    if on_gpu():
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
