"""How long one request takes: exported models asked in turns through TensorFlow's C API."""

import contextlib
import statistics
import time

from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.reference import FILE, load_reference

ROUNDS = 30


def measure_latency(versions, rounds=ROUNDS):
    """Milliseconds that `serving_default` takes for one row, raw strings and encoded images in.

    All models are loaded at once and asked in turns, so that a busy moment of the machine meets them all alike. The
    rows are those that the exports carry for `verify`.

    Args:
        versions: Name -> `pathlib.Path` of an exported version.
        rounds: Times that each is asked, after its first answer to every row.

    Returns:
        dict name -> float, the median.

    Example:

    ```python
    measure_latency({"gated": Path("saved_models/gated/1"), "concat": Path("saved_models/concat/1")})
    ```
    """
    with contextlib.ExitStack() as stack:
        asked, times = {}, {name: [] for name in versions}
        for name, version in versions.items():
            session = stack.enter_context(CApiSession(version))
            inputs, _ = load_reference(version / FILE)["serving_default"]
            count = len(next(iter(inputs.values())))
            rows = [{key: value[i : i + 1] for key, value in inputs.items()} for i in range(count)]
            for row in rows:
                session.run("serving_default", row)
            asked[name] = session, rows
        for turn in range(rounds):
            for name, (session, rows) in asked.items():
                started = time.perf_counter()
                session.run("serving_default", rows[turn % len(rows)])
                times[name].append(time.perf_counter() - started)
    return {name: 1000 * statistics.median(taken) for name, taken in times.items()}
