"""What the input pipeline costs: training steps with it and without, and images decoded a second.

    python experiments/benchmarks/pipeline.py

Images are made on the spot. *Steps*: an epoch of `classifier_gated` at 64 px, batch 64, its batches from pixels
in memory, from the cache on disk, and from memory with augmentation, each against as many calls of the same compiled
step on one batch that is in memory already. *Decoding*: JPEGs of 500 px that are decoded in every epoch, batches
without a model, against `tf.io.decode_jpeg` and the same resizing alone, in a parallel map and in one thread. The
sides take turns in one process; medians of `--rounds` rounds.

JPEG can be decoded at 1/2, 1/4 and 1/8 of its size (`ratio=`), which is faster. It is not used: the pixels would no
longer be those that the export makes of the same bytes, whose decoder is chosen when it runs and has no such setting.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.evaluation.results import append_results
from kerasfusion.models import get_heads
from kerasfusion.training.compile import compile_model

BATCH = 64

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--rows", type=int, default=3200, help="rows of the table for the training steps")
parser.add_argument("--jpegs", type=int, default=1600, help="files of 500 px, copies of the first 160")
parser.add_argument("--results", type=Path, default=Path("experiments/results/pipeline.csv"))
arguments = parser.parse_args()


def image(random, side):
    """A few soft-edged discs on a gradient, with noise: a JPEG of it is about as large as one of a photo."""
    y, x = np.mgrid[0:side, 0:side] / side
    pixels = np.stack([x, y, 1 - x], axis=-1) * random.uniform(50, 200, 3)
    for _ in range(8):
        cx, cy, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.03, 0.2)
        inside = 1 / (1 + np.exp((np.hypot(x - cx, y - cy) - radius) * 100))[..., None]
        pixels = pixels * (1 - inside) + random.uniform(0, 255, 3) * inside
    return np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


def table(folder, rows, side, encode, ending):
    """A table of `rows` image files, each with a sentence and one of two labels."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    distinct = [encode(image(random, side)).numpy() for _ in range(min(rows, 160))]
    for i in range(rows):
        (folder / f"{i}.{ending}").write_bytes(distinct[i % len(distinct)])
    frame = pd.DataFrame({"photo": [f"{i}.{ending}" for i in range(rows)]})
    frame["text"] = [f"a thing of kind {i % 7} in room {i}" for i in range(rows)]
    frame["label"] = [("hall", "attic")[i % 2] for i in range(rows)]
    frame.attrs["folder"] = str(folder)
    return frame


def load(frame, **options):
    return kf.data.load(frame, image="photo", text="text", label="label", **options)


def take_turns(sides):
    """Median seconds, by the clock and of the processors, of each side; the first round is not counted."""
    clocks = (time.perf_counter, time.process_time)
    seconds = {name: [] for name in sides}
    for i in range(arguments.rounds + 1):
        for name, run in sides.items():
            started = [clock() for clock in clocks]
            run()
            if i:
                seconds[name].append([clock() - start for clock, start in zip(clocks, started, strict=True)])
    return {name: [statistics.median(part) for part in zip(*values, strict=True)] for name, values in seconds.items()}


def step_times(folder):
    """Milliseconds of a training step by where its batches come from."""
    frame = table(folder / "small", arguments.rows, 64, tf.io.encode_png, "png")
    memory, disk = load(frame), load(frame, cache_dir=folder / "cache")
    keras.utils.set_random_seed(0)
    model = kf.create_model("classifier_gated", memory.schema)
    compile_model(model, get_heads(model), memory.schema, kf.training.TrainingConfig(), total_steps=10_000)
    step = model.make_train_function() or model.train_function
    augment, _ = kf.data.choose_augmentation(memory.splits["train"])
    batches = {
        "pixels in memory": BatchedDataset(memory.splits["train"], BATCH, shuffle=True),
        "cache on disk": BatchedDataset(disk.splits["train"], BATCH, shuffle=True),
        "pixels in memory, augmented": BatchedDataset(memory.splits["train"], BATCH, shuffle=True, augment=augment),
    }
    datasets = {name: made.dataset() for name, made in batches.items()}
    steps = next(iter(batches.values())).steps
    whole_batch = next(iter(datasets["pixels in memory"]))
    one = tf.data.Dataset.from_tensors(whole_batch).repeat(steps)

    def epoch(dataset):
        iterator = iter(dataset)
        for _ in range(steps):
            logs = step(iterator)
        return [float(value) for value in logs.values()]

    sides = {"one batch in memory": lambda: epoch(one)}
    sides.update({name: lambda dataset=dataset: epoch(dataset) for name, dataset in datasets.items()})
    return {name: seconds * 1000 / steps for name, (seconds, _) in take_turns(sides).items()}


def decoding_rates(folder):
    """Images a second, and of a processor's second, of JPEGs of 500 px made 128 px, without a model."""
    frame = table(folder / "large", arguments.jpegs, 500, lambda p: tf.io.encode_jpeg(p, quality=90), "jpg")
    train = load(frame, image_size=128).splits["train"]
    bank = train.banks["image"]
    decoded = kf.data.ImageStore(bank.keys, bank.size, memory_limit=0)
    train.banks["image"] = decoded
    files = [bank.keys[i] for i in train.arrays["image"]]

    def raw(path):
        pixels = tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), bank.size, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)

    paths = tf.data.Dataset.from_tensor_slices(files)
    single = tf.data.Options()
    single.threading.private_threadpool_size = 1
    sides = {
        "BatchedDataset, decoded in every epoch": BatchedDataset(train, BATCH, shuffle=True).dataset(),
        "decode and resize alone, parallel map": paths.map(raw, tf.data.AUTOTUNE).batch(BATCH).prefetch(1),
        "decode and resize alone, one thread": paths.map(raw).batch(BATCH).with_options(single),
    }
    times = take_turns({name: lambda dataset=dataset: [None for _ in dataset] for name, dataset in sides.items()})
    return {name: [len(files) / part for part in both] for name, both in times.items()}


with tempfile.TemporaryDirectory() as folder:
    steps = step_times(Path(folder))
    rates = decoding_rates(Path(folder))
rows = [{"model": name, "metric": "milliseconds per step", "value": value} for name, value in steps.items()]
bare = steps["one batch in memory"]
rows += [{"model": name, "metric": "steps / on one batch", "value": value / bare} for name, value in steps.items()]
most = rates["decode and resize alone, parallel map"]
for name, (rate, of_processor) in rates.items():
    rows.append({"model": name, "metric": "images per second", "value": rate})
    rows.append({"model": name, "metric": "rate / decoding alone", "value": rate / most[0]})
    rows.append({"model": name, "metric": "the same per processor second", "value": of_processor / most[1]})
for row in rows:
    print(f"{row['model']:40} {row['value']:10.3f}  {row['metric']}")
command = f"python experiments/benchmarks/pipeline.py --rounds {arguments.rounds}"
append_results(arguments.results, rows, "pipeline", command)
