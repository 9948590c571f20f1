"""Many clients at once ask `kerasfusion serve`, and every answer is compared with the one known beforehand.

    python experiments/benchmarks/serving_load.py saved_models --clients 50 --seconds 60 --reload

The server is a process of its own on loopback. Requests are rows with good images, images that are junk or cut
off, missing images, and requests that are wrong in themselves. What each must be answered was computed through the
C API before; probabilities may differ by 1e-5. `--reload` puts a new version beside the first one half-way. The
clients share the machine's cores with the server. The latencies are those of all requests, from sending to the last
byte.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from kerasfusion.evaluation.results import append_results
from kerasfusion.serving import CApiSession
from kerasfusion.serving.model_config import model_folders
from kerasfusion.serving.reference import FILE, load_reference
from kerasfusion.serving.verifying import version_directory

JUNK = b"\x00\x01 this is not an image \xff\xfe"
TIMEOUT = 30.0


class Case(NamedTuple):
    """A request and what it must be answered: a status and, where that is 200, rows of outputs."""

    kind: str
    request: bytes
    status: int
    rows: list | None = None


def http_request(path, body):
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def known_rows(version, generator):
    """Distinct rows by kind, each with its answer from the C API: kind -> list of `(row, outputs)`."""
    reference = load_reference(version / FILE)["serving_default"][0]
    count = len(next(iter(reference.values())))
    images = [name for name in reference if name.endswith("_bytes")]

    def row(others):
        # The inputs of a row come from different rows of the reference, so that there are many.
        return {name: values[generator.integers(count) if others else 0] for name, values in reference.items()}

    rows = {"valid": [row(True) for _ in range(60)], "corrupt image": [], "missing image": []}
    for valid in rows["valid"][:20]:
        noise = {name: noisy_png(generator) for name in images}
        rows["valid"].append({**valid, **noise})
        for damage in (lambda content: JUNK, lambda content: content[: len(content) // 2]):
            rows["corrupt image"].append({**valid, **{name: damage(valid[name]) for name in images}})
        rows["missing image"].append({**valid, **dict.fromkeys(images, b"")})
    known = {}
    with CApiSession(version) as session:
        for kind, some in rows.items():
            inputs = {name: np.array([row[name] for row in some], values.dtype) for name, values in reference.items()}
            outputs = session.run("serving_default", inputs)
            if kind != "valid" and any(outputs[name].any() for name in outputs if name.endswith("_ok")):
                raise SystemExit(f"The model takes a {kind} for a good one.")
            answers = [{name: values[i] for name, values in outputs.items()} for i in range(len(some))]
            known[kind] = list(zip(some, answers, strict=True))
    return known


def noisy_png(generator):
    """A small image of noise."""
    buffer = io.BytesIO()
    Image.fromarray(generator.integers(0, 256, (20, 20, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def in_json(value):
    """One input of one row as JSON: bytes as base64, unless they are text."""
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value.tolist()


def make_cases(model, known, generator):
    """Requests of 1 to 8 rows: good ones, such with a damaged image among good ones, and malformed ones."""
    path = f"/v1/models/{model}:predict"
    cases = []
    for kind, number in (("valid", 150), ("corrupt image", 40), ("missing image", 20)):
        for _ in range(number):
            drawn = generator.integers(len(known["valid"]), size=generator.integers(0, 8))
            chosen = [known["valid"][i] for i in drawn]
            chosen.insert(generator.integers(len(chosen) + 1), known[kind][generator.integers(len(known[kind]))])
            instances = [{name: in_json(value) for name, value in row.items()} for row, _ in chosen]
            body = json.dumps({"instances": instances}).encode()
            cases.append(Case(kind, http_request(path, body), 200, [answer for _, answer in chosen]))
    row = {name: in_json(value) for name, value in known["valid"][0][0].items()}
    (first, *_) = row
    for at, body, status in (
        (path, b"", 400),
        (path, b'{"instances": [', 400),
        (path, b"\xff\xfe", 400),
        (path, json.dumps({"instances": []}), 400),
        (path, json.dumps({"instances": [{first: row[first]}]}), 400),
        (path, json.dumps({"instances": [{**row, first: 1.5}]}), 400),
        (path, json.dumps({"instances": [{**row, first: [row[first]]}]}), 400),
        (path, json.dumps({"instances": [row], "signature_name": "no_such"}), 400),
        (path.replace(":predict", "/labels/no_such:predict"), json.dumps({"instances": [row]}), 400),
        (path.replace(":predict", "/versions/999:predict"), json.dumps({"instances": [row]}), 404),
        ("/v1/models/no_such:predict", json.dumps({"instances": [row]}), 404),
        (path.replace(":predict", ":classify"), json.dumps({"examples": [row]}), 400),
    ):
        content = body if isinstance(body, bytes) else body.encode()
        cases += [Case("malformed", http_request(at, content), status)] * 2
    return cases


def is_right(case, status, body):
    """Whether an answer is the expected one."""
    if status != case.status:
        return False
    answer = json.loads(body)
    if case.rows is None:
        return list(answer) == ["error"] and bool(answer["error"])
    rows = answer.get("predictions", [])
    return len(rows) == len(case.rows) and all(map(same_row, case.rows, rows))


def same_row(expected, row):
    """Whether a row of outputs is the expected one; floats may differ by 1e-5."""
    if row.keys() != expected.keys():
        return False
    for name, value in expected.items():
        if isinstance(value, bytes):
            if row[name] != value.decode():
                return False
        elif value.dtype.kind == "f":
            if np.shape(row[name]) != value.shape or not np.allclose(row[name], value, rtol=0, atol=1e-5):
                return False
        elif row[name] != value.tolist():
            return False
    return True


class Load:
    """The clients, and what they count."""

    def __init__(self, port, cases):
        self.port = port
        self.cases = cases
        self.latencies = []
        self.counts = Counter()
        self.wrong = []
        self.lost = []
        self._seen = set()

    async def client(self, number, until):
        choice = random.Random(number)
        connection = None
        while time.perf_counter() < until:
            index = choice.randrange(len(self.cases))
            case = self.cases[index]
            started = time.perf_counter()
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self.port)
                status, body = await asyncio.wait_for(ask(*connection, case.request), TIMEOUT)
            except (TimeoutError, OSError, EOFError) as error:
                self.lost.append(f"{case.kind}: {type(error).__name__}: {error}")
                connection = None
                continue
            self.latencies.append(time.perf_counter() - started)
            self.counts[case.kind] += 1
            # An answer that was found right once is right the next time: the clients leave the cores to the server.
            if (index, status, body) not in self._seen:
                if is_right(case, status, body):
                    self._seen.add((index, status, body))
                else:
                    self.wrong.append(f"{case.kind}: {status} {body[:200]}")
        if connection is not None:
            connection[1].close()

    async def run(self, clients, seconds):
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self.client(number, until) for number in range(clients)))


async def ask(reader, writer, request):
    """Sends a request on a connection that is kept, and reads the status and the body of the answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    return int(status.split()[1]), await reader.readexactly(int(headers["content-length"]))


def start_server(folder, port):
    """Starts `kerasfusion serve` and waits until it listens."""
    command = [sys.executable, "-m", "kerasfusion.cli", "serve", str(folder), "--port", str(port)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    for line in server.stdout:
        if line.startswith("Listening"):
            return server
    raise SystemExit(f"The server ended with code {server.wait()}.")


def states(port, model):
    """Version -> state, as the server says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models/{model}") as answer:
        return {int(v["version"]): v["state"] for v in json.load(answer)["model_version_status"]}


async def reload_later(version, seconds):
    """Puts a copy of the version beside it as the next number, as an export does."""
    await asyncio.sleep(seconds)
    temporary = version.parent / ".next.tmp-0"
    await asyncio.to_thread(shutil.copytree, version, temporary)
    temporary.rename(version.parent / str(int(version.name) + 1))


async def run(load, version, options):
    """The clients, and the new version half-way."""
    tasks = [load.run(options.clients, options.seconds)]
    if options.reload:
        tasks.append(reload_later(version, options.seconds / 2))
    await asyncio.gather(*tasks)


def main():
    """Run it and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("saved_models", type=Path)
    parser.add_argument("--model", help="the first one of the folder if absent")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--reload", action="store_true", help="put a new version there half-way")
    parser.add_argument("--results", type=Path, default=Path("experiments/results/serving_load.csv"))
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    source = options.saved_models / options.model if options.model else model_folders(options.saved_models)[0]
    with tempfile.TemporaryDirectory() as folder:
        # A copy, so that a new version can be put there.
        version = Path(folder) / source.name / version_directory(source).name
        shutil.copytree(version_directory(source), version)
        cases = make_cases(source.name, known_rows(version, generator), generator)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = start_server(folder, port)
        try:
            load = Load(port, cases)
            started = time.perf_counter()
            asyncio.run(run(load, version, options))
            elapsed = time.perf_counter() - started
            found = states(port, source.name)
        finally:
            server.terminate()
            server.stdout.read()
            code = server.wait()
    old = int(version.name)
    reloaded = found == {old + 1: "AVAILABLE", old: "END"}
    print(f"requests by kind: {dict(load.counts)}; versions: {found}; the server ended with {code}")
    for line in [*load.wrong[:5], *load.lost[:5]]:
        print(line)
    p50, p99 = np.percentile(np.array(load.latencies) * 1000, [50, 99])
    name = f"{options.clients} clients"
    figures = {
        "requests": len(load.latencies),
        "requests / s": len(load.latencies) / elapsed,
        "p50 milliseconds": float(p50),
        "p99 milliseconds": float(p99),
        "wrong": len(load.wrong),
        "lost": len(load.lost),
    }
    if options.reload:
        figures["hot reloads"] = int(reloaded)
    rows = [{"model": name, "metric": metric, "value": value} for metric, value in figures.items()]
    for row in rows:
        print(f"{row['model']:15} {row['metric']:20} {row['value']:.5g}")
    command = f"python experiments/benchmarks/serving_load.py {options.saved_models} --clients {options.clients}"
    command += f" --seconds {options.seconds:g}" + (" --reload" if options.reload else "")
    append_results(options.results, rows, "serving_load", command)
    sys.exit(bool(load.wrong or load.lost or code or (options.reload and not reloaded)))


if __name__ == "__main__":
    main()
