"""What each form of an exported network costs: latency, size and accuracy, beside Keras and ONNX Runtime.

    pip install "kerasfusion[lite,bench]"
    python experiments/benchmarks/export_formats.py RUN [RUN ...]

Every RUN is exported plain, frozen, in bfloat16, with 8-bit weights for LiteRT and as ONNX. All take token ids and
pixels (the signature `tensors`). Each form runs in a process of its own, because threads are set once per process; in
every round each process makes a few calls while the others wait. A figure is the median over rounds of a round's
median.

"1 thread" is TF Serving with `--tensorflow_intra_op_parallelism=1 --tensorflow_inter_op_parallelism=-1`: operations
run one after the other in the thread of the request.
"""

import argparse
import functools
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerasfusion.serving.lite_model import FILE as LITE
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.onnx_model import FILE as ONNX

BATCHES = (1, 64)
CALLS = {1: 30, 64: 5}
WARM = {1: 5, 64: 2}


def saved_model(folder, form, **threads):
    from kerasfusion.serving import CApiSession

    session = CApiSession(folder / form / "1", **threads)
    return functools.partial(session.run, "tensors")


def lite(folder, form, threads):
    from kerasfusion.serving import LiteModel

    model = LiteModel(folder / form / "1" / LITE, threads)
    return lambda x: model.run({name: x[name] for name in model.inputs})


def onnx(folder, threads):
    from kerasfusion.serving import OnnxModel

    model = OnnxModel(folder / "variables" / "1" / ONNX, threads)
    return lambda x: model.run({name: x[name] for name in model.inputs})


def keras_predict(run):
    import kerasfusion as kf

    return functools.partial(kf.load(run).model.predict_on_batch)


def contenders(run, folder):
    """Name -> what makes the function to time, in that function's own process."""
    found = {}
    for name, form in (("", "variables"), (", frozen", "frozen"), (", bfloat16", "bfloat16")):
        found[f"SavedModel{name}"] = functools.partial(saved_model, folder, form)
        one = {"intra_op_threads": 1, "inter_op_threads": -1}
        found[f"SavedModel{name}, 1 thread"] = functools.partial(saved_model, folder, form, **one)
    for threads in (1, 2):
        end = "1 thread" if threads == 1 else f"{threads} threads"
        found[f"LiteRT int8, {end}"] = functools.partial(lite, folder, "bfloat16", threads)
        found[f"ONNX Runtime, {end}"] = functools.partial(onnx, folder, threads)
    found["Keras"] = functools.partial(keras_predict, run)
    return found


def answer(make, batches, pipe):
    """In a process of its own: at every message, time some calls and send their median in milliseconds."""
    call = make()
    pipe.send("ready")
    for size in iter(pipe.recv, None):
        times = []
        for i in range(WARM[size] + CALLS[size]):
            started = time.perf_counter()
            call(batches[size])
            if i >= WARM[size]:
                times.append((time.perf_counter() - started) * 1000)
        pipe.send(statistics.median(times))


def latencies(made, batches, rounds):
    """Dict (contender, batch size) -> milliseconds."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, make in made.items():
        pipes[name], end = context.Pipe()
        processes.append(context.Process(target=answer, args=(make, batches, end), daemon=True))
        processes[-1].start()
        end.close()
    for name, pipe in pipes.items():
        assert pipe.recv() == "ready", name
    times = {(name, size): [] for name in made for size in BATCHES}
    for _ in range(rounds):
        for size in BATCHES:
            for name, pipe in pipes.items():
                pipe.send(size)
                times[name, size].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return {key: statistics.median(values) for key, values in times.items()}


def inputs_of(run, rows):
    """The first `rows` test rows as the model takes them."""
    import kerasfusion as kf
    from kerasfusion.data.pipeline import BatchedDataset

    test = kf.workflows.load_run_data(run).splits["test"]
    x, *_ = next(BatchedDataset(test.take(np.arange(rows) % len(test)), rows).dataset().as_numpy_iterator())
    return {name: x[name] for name in run.model.input}


def megabytes(paths):
    return sum(path.stat().st_size for path in paths) / 1e6


def loaded(version):
    """What TF Serving reads of a version."""
    return [version / "saved_model.pb", *(version / "variables").iterdir()]


def scores(version, who):
    tasks = read_metadata(version)["accuracy"]["tasks"]
    return {found[who]["name"]: found[who]["value"] for found in tasks.values()}


def rows_of(run_folder, folder, rounds):
    import kerasfusion as kf

    run = kf.load(run_folder)
    batches = {size: inputs_of(run, size) for size in BATCHES}
    versions = {
        "variables": kf.export(run, folder / "variables", onnx=True),
        "frozen": kf.export(run, folder / "frozen", freeze=True),
        "bfloat16": kf.export(run, folder / "bfloat16", bfloat16=True, lite=True),
    }
    for version in versions.values():
        report = kf.verify(version)
        if not report.ok:
            raise SystemExit(str(report))
    found = latencies(contenders(run_folder, folder), batches, rounds)

    name = run.config["model"]
    lines = [
        {"model": f"{name}: {who}", "metric": f"milliseconds, batch {size}", "value": value}
        for (who, size), value in found.items()
    ]
    ours = [who for who, _ in found if not who.startswith(("ONNX", "Keras"))]
    for size, chosen, label in (
        (1, ours, "best of ours / best ONNX Runtime"),
        (64, [who for who in ours if who.startswith("SavedModel")], "best SavedModel / best ONNX Runtime"),
    ):
        best = min(chosen, key=lambda who: found[who, size])
        rival = min(found[who, size] for who, _ in found if who.startswith("ONNX"))
        print(f"{name}, batch {size}: {best} is the best of ours")
        value = found[best, size] / rival
        lines.append({"model": f"{name}: {label}", "metric": f"ratio, batch {size}", "value": value})
    sizes = {
        "SavedModel": loaded(versions["variables"]),
        "SavedModel, frozen": loaded(versions["frozen"]),
        "SavedModel, bfloat16": loaded(versions["bfloat16"]),
    }
    sizes["LiteRT int8, 1 thread"] = [versions["bfloat16"] / LITE]
    sizes["ONNX Runtime, 1 thread"] = [versions["variables"] / ONNX]
    lines += [{"model": f"{name}: {who}", "metric": "megabytes", "value": megabytes(p)} for who, p in sizes.items()]
    for who, form, entry in (
        ("Keras", "frozen", "keras"),
        ("SavedModel, frozen", "frozen", "saved_model"),
        ("SavedModel, bfloat16", "bfloat16", "saved_model"),
        ("LiteRT int8, 1 thread", "bfloat16", "lite"),
    ):
        for metric, value in scores(versions[form], entry).items():
            lines.append({"model": f"{name}: {who}", "metric": metric, "value": value})
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="A run whose data is still there.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--results", type=Path, default=Path("experiments/results/export_formats.csv"))
    arguments = parser.parse_args()
    lines = []
    for run in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            lines += rows_of(run, Path(folder), arguments.rounds)
    for line in lines:
        print(f"{line['model']:55} {line['value']:10.4f}  {line['metric']}")
    from kerasfusion.evaluation import append_results

    command = f"python experiments/benchmarks/export_formats.py {' '.join(map(str, arguments.runs))}"
    append_results(arguments.results, lines, "export_formats", command)


if __name__ == "__main__":
    main()
