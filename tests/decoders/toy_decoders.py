"""A context, and every decoder in small."""

import functools

import keras
import numpy as np

from kerasfusion.decoders import DECODERS
from kerasfusion.heads import CaptionHead

ROWS, CELLS, WIDTH, UNITS, WORDS, LENGTH = 3, 6, 5, 8, 11, 5
SETTINGS = {"transformer": {"num_heads": 2, "num_layers": 2}}
IDS = np.array([[2, 4, 5, 6, 7], [2, 10, 1, 9, 0], [2, 8, 8, 0, 0]], "int32")


def context_of(rows=ROWS, seed=1):
    random = np.random.default_rng(seed)
    mask = random.random((rows, CELLS)) < 0.6
    mask[:, 0] = True
    return {
        "sequence": random.normal(size=(rows, CELLS, WIDTH)).astype("float32"),
        "mask": mask,
        "pooled": random.normal(size=(rows, WIDTH)).astype("float32"),
    }


def make(kind, **changes):
    return DECODERS[kind](**{"vocabulary_size": WORDS, "units": UNITS, **SETTINGS.get(kind, {}), **changes})


@functools.cache
def built(kind, words=WORDS, scale=1.0):
    """A decoder and its head, shared by the tests that leave them as they were; `scale` makes it surer."""
    keras.utils.set_random_seed(0)
    decoder, head = make(kind, vocabulary_size=words), CaptionHead(words)
    head(decoder(context_of(), np.minimum(IDS, words - 1)))
    head.dense.kernel.assign(head.dense.kernel * scale)
    return decoder, head


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")
