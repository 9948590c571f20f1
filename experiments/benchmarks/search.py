"""What a served search takes: milliseconds of one query among 100,000 images, beside NumPy and FAISS.

    python experiments/benchmarks/search.py

A dual encoder of the zoo with 256 numbers an image is exported with a gallery of random directions, and asked
through the C API of TensorFlow, batch 1: `search`, with all that it takes to read the sentence, and `embed_text`,
which is that reading alone. NumPy (a product, `argpartition`, the ten put in order) and FAISS's exact index, where
the extra `[faiss]` is installed, search the same gallery for an embedding that is there already. All take turns;
medians. What the weights are changes no time.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import kerasfusion as kf
from kerasfusion.evaluation.results import append_results
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import CApiSession
from kerasfusion.serving.gallery import Gallery

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--images", type=int, default=100_000)
parser.add_argument("--width", type=int, default=256)
parser.add_argument("--rounds", type=int, default=100)
parser.add_argument("--results", type=Path, default=Path("experiments/results/search.csv"))
arguments = parser.parse_args()

K, SIDE = 10, 64
QUERY = "a dog runs along the beach behind a red ball"
words = tuple(dict.fromkeys(QUERY.split())) + tuple(f"word{i}" for i in range(5000))
schema = Schema(
    (
        Feature("text", "text", ("caption",), length=24, vocabulary=words),
        Feature("image", "image", ("image",), size=(SIDE, SIDE)),
    ),
    (Task("match", "retrieval", "image"),),
)
random = np.random.default_rng(0)
gallery = random.normal(size=(arguments.images, arguments.width)).astype("float32")
gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
model = kf.create_model("dual_lstm_cnn", schema, units=arguments.width)
image = tf.io.encode_jpeg(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).numpy()


def by_numpy(query):
    """Places of the ten nearest, the nearest first."""
    scores = gallery @ query
    best = np.argpartition(-scores, K)[:K]
    return best[np.argsort(-scores[best])]


with tempfile.TemporaryDirectory() as folder:
    ids = [f"images/{i}.jpg" for i in range(len(gallery))]
    inputs = {"text": [QUERY.encode()], "image_bytes": [image]}
    found = Gallery(ids, gallery, K)
    version = kf.serving.export_model(model, schema, Path(folder) / "search", inputs, gallery=found)
    with CApiSession(version) as session:
        text = {"text": inputs["text"]}
        query = session.run("embed_text", text)["embedding"][0]
        calls = {
            "SavedModel, search": lambda: session.run("search", text),
            "SavedModel, embed_text": lambda: session.run("embed_text", text),
            "NumPy": lambda: by_numpy(query),
        }
        try:
            import faiss
        except ImportError:
            print("FAISS is not installed (pip install 'kerasfusion[faiss]') and is left out.")
        else:
            index = faiss.IndexFlatIP(arguments.width)
            index.add(gallery)
            calls["FAISS, flat"] = lambda: index.search(query[None], K)
            assert set(index.search(query[None], K)[1][0]) == set(by_numpy(query))
        expected = [ids[i].encode() for i in by_numpy(query)]
        assert session.run("search", text)["ids"][0].tolist() == expected
        times = {name: [] for name in calls}
        for i in range(arguments.rounds + 10):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                if i >= 10:
                    times[name].append(1000 * (time.perf_counter() - started))

metric = f"ms, batch 1, {arguments.images:,} x {arguments.width}"
rows = [{"model": name, "metric": metric, "value": statistics.median(some)} for name, some in times.items()]
for row in rows:
    print(f"{row['model']:26} {row['value']:8.2f}  {row['metric']}")
append_results(arguments.results, rows, "search", "python experiments/benchmarks/search.py")
