"""What a served caption takes: milliseconds of one request by length, and of one more word.

    python experiments/benchmarks/caption_latency.py

Captioners of the zoo, 256 wide, 2,600 words, images of 128 pixels, are exported and asked through the C API of
TensorFlow, batch 1. Their weights are random and the end is made impossible, so that every caption has as many
words as are allowed; what the words are changes no time. One export for each length; requests of all lengths take
turns. *A further word* is the time of the longest minus that of the shortest by the difference of words; that it
does not grow with the length is said by the same from 10 to 20 words beside from 20 to 40. *Without a cache* is
what Keras takes of the same weights to run over all words so far for each new one, as a decoder without a state
does.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import kerasfusion as kf
from kerasfusion.decoders.generation import END
from kerasfusion.evaluation.results import append_results
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import CApiSession

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--models", nargs="+", default=["caption_lstm", "caption_attend", "fusion_transformer"])
parser.add_argument("--lengths", type=int, nargs="+", default=[5, 10, 20, 40])
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--results", type=Path, default=Path("experiments/results/caption_latency.csv"))
arguments = parser.parse_args()

WORDS, SIDE = tuple(f"word{i}" for i in range(2600)), 128
image = tf.io.encode_jpeg(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).numpy()


def captioner(name, length):
    """A captioner that never ends before so many words, and its schema."""
    schema = Schema(
        (Feature("image", "image", ("image",), size=(SIDE, SIDE)),),
        (Task("caption", "captioning", "caption", vocabulary=WORDS, length=length + 2),),
    )
    model = kf.create_model(name, schema, units=256)
    bias = model.head.dense.bias
    bias.assign(np.where(np.arange(len(WORDS) + 4) == END, -1e4, 0.0))
    return model, schema


def without_cache(model, length):
    """All words so far through the network again for each new one, in one traced function."""

    @tf.function
    def write(pixels):
        context = model.encode_context({"image": pixels, "image_present": tf.constant([True])})
        ids = tf.one_hot([0], length + 1, on_value=2, off_value=0, dtype=tf.int32)
        for place in tf.range(length):
            logits = model.head(model.decoder(context, ids))[:, place]
            following = tf.argmax(logits[:, 4:], axis=-1, output_type=tf.int32) + 4
            ids = tf.tensor_scatter_nd_update(ids, [[0, place + 1]], following)
        return ids

    pixels = tf.zeros((1, SIDE, SIDE, 3), tf.uint8)
    return lambda: write(pixels)


def medians(calls):
    """Median milliseconds of each call; the calls take turns."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
        call()
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(some) for name, some in times.items()}


rows = []
for name in arguments.models:
    with tempfile.TemporaryDirectory() as folder:
        calls, sessions = {}, []
        for length in arguments.lengths:
            model, schema = captioner(name, length)
            inputs = {"image_bytes": [image]}
            version = kf.serving.export_model(model, schema, Path(folder) / str(length), inputs)
            session = CApiSession(version)
            sessions.append(session)
            for strategy in (b"greedy", b"beam"):
                given = {**inputs, "prompt": [b""], "strategy": [strategy]}
                words = session.run("caption", given)["caption"][0].split()
                assert len(words) == length, (len(words), length)
                calls[length, strategy.decode()] = lambda session=session, given=given: session.run("caption", given)
            calls[length, "without a cache"] = without_cache(model, length)
        found = medians(calls)
        for session in sessions:
            session.close()
    for (length, search), milliseconds in found.items():
        rows.append({"model": f"{name}, {search}", "metric": f"ms, {length} words", "value": milliseconds})
    for search in ("greedy", "beam", "without a cache"):
        for first, last in itertools.pairwise(arguments.lengths):
            each = (found[last, search] - found[first, search]) / (last - first)
            metric = f"ms for a further word, {first} to {last}"
            rows.append({"model": f"{name}, {search}", "metric": metric, "value": each})
for row in rows:
    print(f"{row['model']:40} {row['metric']:40} {row['value']:.2f}")
command = "python experiments/benchmarks/caption_latency.py"
append_results(arguments.results, rows, "caption_latency", command, 0)
