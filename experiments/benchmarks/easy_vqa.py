"""easy-VQA: vqa_film against a plain Keras network, in one run, on the same decoded arrays.

    python experiments/benchmarks/easy_vqa.py --data-dir DATA

`DATA/easy_vqa/` holds `data.jsonl` (image, question, answer, split) and the images, as published
(github.com/vzhou842/easy-VQA). The plain network has the shape that the data set's author describes; its
activations are our choice: two Conv2D+pooling of 8 and 16, dense 32; bag of words through two dense layers of
32; multiplied; dense 32; Adam 5e-4, batch 32, one image per question, 8 epochs. Both get their batches from
the same cached arrays by `tf.data`. Validation is cut from train by image; a run scores the test set once,
at its end.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import evaluate_models
from kerasfusion.evaluation.results import append_results
from kerasfusion.evaluation.scores import score_by, score_predictions

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", type=Path, default=os.environ.get("KERASFUSION_DATA"), required=False)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--results", type=Path, default=Path("experiments/results/easy_vqa.csv"))
arguments = parser.parse_args()
if not arguments.data_dir:
    parser.error("say in which folder easy_vqa is: --data-dir or KERASFUSION_DATA")

table = read_table(Path(arguments.data_dir) / "easy_vqa" / "data.jsonl")
table["kind"] = "shape"
table.loc[table["answer"].isin(["yes", "no"]), "kind"] = "yes/no"
colors = ["black", "blue", "brown", "gray", "green", "red", "teal", "yellow"]
table.loc[table["answer"].isin(colors), "kind"] = "color"
data = kf.data.load(table, image="image", text="question", label="answer", split="split", slice_by="kind")
train, validation, test = (data.splits[name] for name in ("train", "validation", "test"))
task = data.schema.tasks[0]
groups = test.arrays["image"]


def plain_network():
    """A network of the data set author's shape, on our own inputs: binary bag of words made from the token ids."""
    words = data.schema["text"].vocabulary_size
    image = keras.Input((64, 64, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(image)
    for filters in (8, 16):
        x = keras.layers.MaxPooling2D()(keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = keras.layers.Dense(32, activation="tanh")(keras.layers.Flatten()(x))
    text = keras.Input((words,), name="words")
    y = keras.layers.Dense(32, activation="tanh")(keras.layers.Dense(32, activation="tanh")(text))
    joined = keras.layers.Dense(32, activation="tanh")(keras.layers.multiply([x, y]))
    return keras.Model({"image": image, "words": text}, keras.layers.Dense(len(task.classes))(joined))


def plain_batches(examples, batch_size, shuffle, seed):
    """One image per question, from the same pixels in memory; whole batches are gathered, nothing per example."""
    words = data.schema["text"].vocabulary_size
    bags = np.zeros((len(examples), words), "float32")
    np.put_along_axis(bags, examples.arrays["text"], 1.0, axis=1)
    bags[:, 0] = 0.0
    bags, index = tf.constant(bags), tf.constant(examples.arrays["image"])
    labels, bank = tf.constant(examples.labels["label"]), examples.banks["image"]
    rows = tf.data.Dataset.range(len(examples))
    if shuffle:
        rows = rows.shuffle(len(examples), seed=seed)

    def gather(i):
        pixels, _ = bank.fetch(tf.gather(index, i))
        return {"image": pixels, "words": tf.gather(bags, i)}, tf.gather(labels, i)

    batches = rows.batch(batch_size).map(gather, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


rows, ratios = [], []
for seed in range(arguments.seeds):
    print(f"\nseed {seed}: the plain network, 8 epochs")
    keras.utils.set_random_seed(seed)
    plain = plain_network()
    plain.compile(
        keras.optimizers.Adam(5e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        plain.fit(
            plain_batches(train, 32, True, seed),
            validation_data=plain_batches(validation, 256, False, seed),
            epochs=8,
            shuffle=False,
            verbose=2,
        )
        plain_seconds = time.perf_counter() - started
    decided = plain.predict(plain_batches(test, 256, False, 0), verbose=0).argmax(axis=1)
    labels = test.labels["label"]
    plain_score = score_predictions(task, labels, decided, groups)
    plain_kinds = score_by(task, labels, decided, test.frame["kind"], groups)

    print(f"\nseed {seed}: vqa_film, {arguments.epochs} epochs")
    config = kf.training.TrainingConfig(
        epochs=arguments.epochs, batch_size=128, learning_rate=3e-3, patience=None, seed=seed
    )
    keras.utils.set_random_seed(seed)
    film = kf.create_model("vqa_film", data.schema)
    with tempfile.TemporaryDirectory() as folder:
        cost = kf.training.fit(film, train, validation, config, folder)
    found = evaluate_models({"vqa_film": film}, test, train, "kind")["label"]

    ratios.append(cost["seconds"] / plain_seconds)
    scores = {"plain network": plain_score, **found.scores}
    kinds = {"plain network": plain_kinds, **found.by_kind}
    print(f"\nofficial test set, n = {len(test):,}")
    for name, own in scores.items():
        print(f"  {name:24} {own}   " + "   ".join(f"{k} {s.value:.2%}" for k, s in kinds[name].items()))
    print(f"  training: vqa_film {cost['seconds']:.1f} s, plain {plain_seconds:.1f} s, ratio {ratios[-1]:.2f}")
    for name, own in scores.items():
        tag = f"{name}, seed {seed}"
        for metric, s in {"accuracy": own, **{f"accuracy ({k})": s for k, s in kinds[name].items()}}.items():
            rows.append({"model": tag, "metric": metric, "value": s.value, "low": s.low, "high": s.high, "n": s.n})
    rows.append({"model": f"vqa_film, seed {seed}", "metric": "training seconds", "value": cost["seconds"]})
    rows.append({"model": f"plain network, seed {seed}", "metric": "training seconds", "value": plain_seconds})

rows.append({"model": "vqa_film", "metric": "training time / plain network's", "value": float(np.median(ratios))})
command = f"python experiments/benchmarks/easy_vqa.py --epochs {arguments.epochs} --seeds {arguments.seeds}"
append_results(arguments.results, rows, "easy_vqa", f"{command} --data-dir DATA")
