"""What raw strings and bytes cost: `serving_default` against `tensors` plus one image decode, batch 1, in the C API.

    python experiments/benchmarks/serving_latency.py saved_models/shapes_vqa

The three are timed in turn, in one process; medians of 300 calls each. The decode is
Pillow's, to an array, of the same image.
"""

import argparse
import io
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.evaluation.results import append_results
from kerasfusion.serving import CApiSession
from kerasfusion.serving.reference import FILE, load_reference
from kerasfusion.serving.verifying import version_directory

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model", type=Path)
parser.add_argument("--calls", type=int, default=300)
parser.add_argument("--results", type=Path, default=Path("experiments/results/serving_latency.csv"))
arguments = parser.parse_args()

version = version_directory(arguments.model)
inputs = {
    name: {key: value[:1] for key, value in given.items()}
    for name, (given, _) in load_reference(version / FILE).items()
}
encoded = inputs["serving_default"]["image_bytes"][0]
with CApiSession(version) as session:
    calls = {
        "serving_default": lambda: session.run("serving_default", inputs["serving_default"]),
        "tensors": lambda: session.run("tensors", inputs["tensors"]),
        "one decode (Pillow)": lambda: np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")),
    }
    times = {name: [] for name in calls}
    for i in range(arguments.calls + 20):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if i >= 20:
                times[name].append((time.perf_counter() - started) * 1000)
median = {name: statistics.median(values) for name, values in times.items()}
ratio = median["serving_default"] / (median["tensors"] + median["one decode (Pillow)"])
rows = [{"model": name, "metric": "milliseconds, batch 1", "value": value} for name, value in median.items()]
rows.append({"model": "serving_default / (tensors + decode)", "metric": "ratio", "value": ratio})
for row in rows:
    print(f"{row['model']:40} {row['value']:.3f}  {row['metric']}")
append_results(
    arguments.results, rows, "serving_latency", f"python experiments/benchmarks/serving_latency.py {arguments.model}"
)
