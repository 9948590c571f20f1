"""Counts of requests and how long they took, in the text form that Prometheus reads and under TF Serving's names."""

import bisect
import collections
import itertools
import threading

# Microseconds, as TF Serving has them: 10, growing by 1.8, up to about 20 minutes.
_BOUNDS = [10 * 1.8**power for power in range(33)]


class RequestMetrics:
    """Counts requests by model and outcome, and the latency of those that went well.

    Example:
    ```python
    metrics = RequestMetrics()
    metrics.add(answer, seconds=0.002)
    print(metrics.page())
    ```
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = collections.Counter()
        self._latencies = {}

    def add(self, answer, seconds):
        """Counts one `Answer` that took so many seconds."""
        with self._lock:
            self._counts[answer.model, answer.status] += 1
            if answer.status == "OK":
                key = (answer.model, answer.verb)
                buckets, total = self._latencies.get(key, ([0] * (len(_BOUNDS) + 1), 0.0))
                buckets[bisect.bisect_right(_BOUNDS, seconds * 1e6)] += 1
                self._latencies[key] = (buckets, total + seconds * 1e6)

    def page(self):
        """The page that Prometheus reads."""
        lines = ["# TYPE :tensorflow:serving:request_count counter"]
        with self._lock:
            for (model, status), count in sorted(self._counts.items()):
                labels = f'model_name="{_label(model)}",status="{status}"'
                lines.append(f":tensorflow:serving:request_count{{{labels}}} {count}")
            lines.append("# TYPE :tensorflow:serving:request_latency histogram")
            for (model, verb), (buckets, total) in sorted(self._latencies.items()):
                labels = f'model_name="{_label(model)}",API="{verb}",entrypoint="REST"'
                name = ":tensorflow:serving:request_latency"
                bounds = [*(f"{bound:g}" for bound in _BOUNDS), "+Inf"]
                for bound, count in zip(bounds, itertools.accumulate(buckets), strict=True):
                    lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {count}')
                lines.append(f"{name}_sum{{{labels}}} {total:g}")
                lines.append(f"{name}_count{{{labels}}} {sum(buckets)}")
        return "\n".join(lines) + "\n"


def _label(value):
    """A label's value as Prometheus reads it: a folder may be named anything."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
