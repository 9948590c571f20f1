"""The process behind `verify()`: never imports Keras or Python TensorFlow, and says so at its end.

It writes one JSON line when a check begins and one with its row when it is done, so that the parent knows
what was being checked when the process dies.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from kerasfusion.feature_kinds import KINDS
from kerasfusion.serving import lite_model, onnx_model, reference, warmup
from kerasfusion.serving.c_library import tensorflow_version, use_libraries
from kerasfusion.serving.capi import CApiSession, ServingError
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.tasks import TASKS
from kerasfusion.serving.verify_forms import NETWORK, check_forms
from kerasfusion.serving.verify_report import Failure
from kerasfusion.serving.webp_rows import has_webp, leave_out, reads_webp

BATCHES = (1, 3, 32)
# Room for the graph, the reference and the warm-up records.
SPARE_BYTES = 600_000
# Of a deep network, the graph that uses, saves and restores each variable, and names it in every signature, is more.
FEW_VARIABLES, BYTES_PER_VARIABLE = 32, 6_000
# So many signatures are counted in that; each further one holds the network again.
FEW_SIGNATURES = 4
# Of an export whose card does not say.
TOLERANCE = 1e-5
FORBIDDEN_TYPES = ("float16", "bfloat16")
FORBIDDEN_MODULES = ("tensorflow", "keras")
JUNK = b"\x00\x01 this is not an image \xff\xfe"


class Report:
    """Runs checks and writes their rows."""

    def __init__(self, stream):
        self._stream = stream

    def _write(self, **message):
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()

    def check(self, name, function, *args, info=False):
        """Runs one check; returns whether it passed. What it returns is the detail of its row."""
        self._write(at=name)
        try:
            ok, detail = True, function(*args)
        # Whatever goes wrong in a check is that check's row: the others still have to run.
        except (Failure, ServingError, FileNotFoundError) as error:
            ok, detail = False, str(error)
        except Exception as error:
            ok, detail = False, f"{type(error).__name__}: {error}"
        # Errors of TensorFlow span lines; a row does not.
        self._write(at=name, row=[name, None if ok and info else ok, " ".join(str(detail or "").split())])
        return ok

    def loaded(self, tensorflow):
        """Tells the parent which TensorFlow runs the checks."""
        self._write(at="loads", tensorflow=tensorflow)

    def end(self):
        """Tells the parent that the process got to its end."""
        self._write(at="")


class SignatureChecks:
    """The checks of one signature against its stored inputs and outputs."""

    def __init__(self, session, name, inputs, outputs, card):
        self.session = session
        self.name = name
        self.inputs = inputs
        self.expected = outputs
        self.card = card
        self.spec = session.signatures[name]
        self.first_call = None

    def run(self, inputs):
        return self.session.run(self.name, inputs)

    def batched(self, role):
        """Names whose first dimension is open, that is the batch."""
        return [name for name, (_, shape) in self.spec[role].items() if shape is None or shape[:1] == (None,)]

    def rows(self):
        """Number of rows of the stored inputs; 0 where the signature takes no batch."""
        sizes = {name: len(self.inputs[name]) for name in self.batched("inputs") if name in self.inputs}
        if len(set(sizes.values())) > 1 or 0 in sizes.values():
            raise Failure(f"The stored inputs have different numbers of rows, or none: {sizes}")
        return next(iter(sizes.values()), 0)

    def take(self, indices):
        """Stored inputs and outputs of some rows, in some order."""
        indices = np.asarray(indices)
        rows = self.rows()
        inputs = dict(self.inputs)
        inputs.update({name: self.inputs[name][indices] for name in self.batched("inputs") if name in inputs})
        expected = dict(self.expected)
        for name in self.batched("outputs"):
            if name not in expected:
                continue
            if expected[name].shape[:1] != (rows,):
                raise Failure(f"`{name}` has shape {expected[name].shape} for {rows} rows of input")
            expected[name] = expected[name][indices]
        return inputs, expected

    def compare(self, expected, actual, keep=None):
        """Raises on the first outputs that differ; `keep` leaves only some rows to compare."""
        missing = sorted(set(expected) ^ set(actual))
        if missing:
            raise Failure(f"The outputs and the stored ones are not the same: {', '.join(missing)}")
        problems = []
        close = reference.too_close(expected, self.card["types"], self.card["tolerance"])
        for name in sorted(expected):
            want, got = expected[name], actual[name]
            if name in self.batched("outputs") and want.shape == got.shape:
                compared = np.ones(len(want), bool) if keep is None else np.array(keep)
                if name in close:
                    compared = np.expand_dims(compared, tuple(range(1, close[name].ndim))) & ~close[name]
                want, got = want[compared], got[compared]
            problems.append(reference.difference(name, want, got, self.card["tolerance"]))
        problems = [problem for problem in problems if problem]
        if problems:
            raise Failure("; ".join(problems))

    def outputs(self):
        """The stored inputs give Keras's outputs. Its first call is the signature's first."""
        inputs = self.take([0])[0] if self.rows() else self.inputs
        start = time.perf_counter()
        self.run(inputs)
        self.first_call = time.perf_counter() - start
        self.compare(self.expected, self.run(self.inputs))
        within = "" if self.card["tolerance"] == TOLERANCE else f" within {self.card['tolerance']:g}"
        close = reference.too_close(self.expected, self.card["types"], self.card["tolerance"])
        many = sum(int(rows.sum()) for rows in close.values())
        left = f", {many} name{'s' if many > 1 else ''} too close to call" if many else ""
        return f"{len(self.expected)} outputs, {self.rows()} rows equal Keras's{within}{left}"

    def batch(self, size):
        """Rows do not depend on the size of the batch, nor on the other rows in it."""
        rows = self.rows()
        # Backwards, so that rows meet others than the ones they were stored with.
        several = [np.arange(size)[::-1] % rows] if size > 1 else [[row] for row in range(min(rows, 8))]
        for indices in several:
            inputs, expected = self.take(indices)
            self.compare(expected, self.run(inputs))

    def images(self):
        """Inputs that take encoded images -> the output that says whether they could be read, or `None`."""
        flags = {}
        for name in self.batched("inputs"):
            if name.endswith("_bytes") and self.spec["inputs"][name][0] == "string":
                candidates = (f"{name.removesuffix('_bytes')}_ok", "image_ok")
                flags[name] = next((flag for flag in candidates if flag in self.spec["outputs"]), None)
        return flags

    def corrupt(self, image, flag):
        """An image that cannot be read leaves the other rows alone, and is reported."""
        inputs, expected = self.take(np.arange(max(3, self.rows())) % self.rows())
        # Of a video, a row of frames.
        readable = [bool(np.any(content != b"")) for content in inputs[image]]
        if flag:
            readable = [a and bool(b) for a, b in zip(readable, expected[flag], strict=True)]
        if True not in readable:
            raise Failure(f"None of the stored rows has a readable image in `{image}`")
        victim = readable.index(True)
        others = np.arange(len(readable)) != victim
        good = inputs[image][victim]
        half = np.array([_half(frame) for frame in good], object) if isinstance(good, np.ndarray) else _half(good)
        for kind, content in (("junk", JUNK), ("truncated", half), ("empty", b"")):
            damaged = inputs[image].copy()
            damaged[victim] = content
            self._corrupt_batch(kind, {**inputs, image: damaged}, expected, others, flag)
        every = np.full_like(inputs[image], JUNK)
        self._corrupt_batch("only junk", {**inputs, image: every}, expected, np.zeros_like(others), flag)
        return f"junk, truncated, empty and only junk: the other rows unchanged, {_flag_text(flag)}"

    def _corrupt_batch(self, kind, inputs, expected, others, flag):
        try:
            actual = self.run(inputs)
        except ServingError as error:
            raise Failure(f"One unreadable image ({kind}) fails the whole batch: {error}") from None
        try:
            self.compare(expected, actual, keep=others)
        except Failure as failure:
            raise Failure(f"One unreadable image ({kind}) changes the other rows: {failure}") from None
        if flag and actual[flag][~others].any():
            raise Failure(f"`{flag}` is true for an unreadable image ({kind})")
        for name, value in actual.items():
            if value.dtype.kind == "f" and np.isnan(value).any():
                raise Failure(f"`{name}` is NaN for an unreadable image ({kind})")

    def latency(self):
        """First call and median of the following ones, batch 1."""
        inputs = self.take([0])[0] if self.rows() else self.inputs
        times = []
        # At least five for a median, more while they are quick.
        while len(times) < 5 or (len(times) < 25 and sum(times) < 0.5):
            start = time.perf_counter()
            self.run(inputs)
            times.append(time.perf_counter() - start)
        return f"first call {self.first_call * 1e3:.1f} ms, then {statistics.median(times) * 1e3:.2f} ms"


def _half(good):
    """The beginning of an image. A GIF cut in half still has a whole first frame; cut in the header no format has."""
    return good[:12] if good.startswith(b"GIF") else good[: len(good) // 2]


def _flag_text(flag):
    return f"`{flag}` false" if flag else "no output says which"


def check_files(folder):
    """The files of a SavedModel are there: TensorFlow loads one without variables, and fails when it runs."""
    needed = ("saved_model.pb", "variables/variables.index")
    missing = [name for name in needed if not (folder / name).is_file()]
    shards = [path.name for path in folder.glob("variables/variables.data-*-of-*")]
    count = int(shards[0].rsplit("-", 1)[1]) if shards else 1
    wanted = [f"variables.data-{shard:05d}-of-{count:05d}" for shard in range(count)]
    missing += [f"variables/{name}" for name in wanted if name not in shards]
    if missing:
        raise Failure(f"Missing: {', '.join(missing)}")
    return f"saved_model.pb, variables.index, {count} data file{'s' if count > 1 else ''}"


def check_types(session):
    """TF Serving's REST interface cannot write half precision."""
    found = [
        f"`{output}` of `{name}` is {dtype}"
        for name, spec in session.signatures.items()
        for output, (dtype, _) in spec["outputs"].items()
        if dtype in FORBIDDEN_TYPES
    ]
    if found:
        raise Failure(f"{', '.join(found)}: cast to float32")
    return "no output is half precision"


def check_size(folder, card, signatures=FEW_SIGNATURES):
    """The export holds the weights once, the vocabulary once, and little else."""
    # What other runtimes run are models of their own, which TF Serving never reads; the stored examples hold the
    # user's own images, and are as large as these are.
    names = (lite_model.FILE, lite_model.SCHEMA_FILE, onnx_model.FILE, reference.FILE, warmup.FILE)
    others = {folder / name for name in names} | set((folder / NETWORK).rglob("*"))
    files = [path for path in folder.rglob("*") if path.is_file() and path not in others]
    total = sum(path.stat().st_size for path in files)
    weights = sum(path.stat().st_size for path in files if path.relative_to(folder).parts[0] == "variables")
    weights += card["constant_bytes"]
    vocabulary = card["vocabulary_bytes"]
    per_variable = BYTES_PER_VARIABLE * max(1.0, signatures / FEW_SIGNATURES)
    spare = SPARE_BYTES + per_variable * max(0, card.get("variables", 0) - FEW_VARIABLES)
    spare += sum(TASKS[type_].spare_bytes for type_ in card["types"].values())
    spare += sum(KINDS[kind].spare_bytes for kind in card.get("features", {}).values())
    allowed = weights + vocabulary + spare
    text = (
        f"{total / 1e6:.3f} MB, at most {allowed / 1e6:.3f} "
        f"(weights {weights / 1e6:.3f} + vocabulary {vocabulary / 1e6:.3f} + {spare / 1e6:.1f})"
    )
    if total > allowed:
        raise Failure(text)
    return text


def check_warmup(folder, session):
    """Replays the warm-up records, as TF Serving does before it serves."""
    path = folder / warmup.FILE
    if not path.is_file():
        raise Failure(f"{warmup.FILE} is missing")
    requests = warmup.read_warmup(path)
    if not requests:
        raise Failure(f"{warmup.FILE} is empty")
    for number, (signature, inputs, _) in enumerate(requests):
        try:
            session.run(signature, inputs)
        except ServingError as error:
            raise Failure(f"Record {number} (`{signature}`): {error}") from None
    return f"{len(requests)} record{'s' if len(requests) > 1 else ''} replayed"


def check_process():
    """Nothing was imported that could hide what TF Serving lacks."""
    loaded = [name for name in FORBIDDEN_MODULES if name in sys.modules]
    if loaded:
        raise Failure(f"The process that checks has imported {', '.join(loaded)}")
    return "ran without Keras and without Python TensorFlow"


def check_references(folder, session, found):
    """Every signature has stored inputs and outputs, and every stored one a signature."""
    path = folder / reference.FILE
    if not path.is_file():
        raise Failure(f"{reference.FILE} is missing: there is nothing to compare with")
    found.update(reference.load_reference(path))
    unknown = sorted(set(found) - set(session.signatures))
    if unknown:
        raise Failure(f"Stored, but no signature of the model: {', '.join(unknown)}")
    return f"{len(found)} signature{'s' if len(found) != 1 else ''} stored"


def _no_reference():
    raise Failure("No inputs and outputs of this signature are stored")


def check_signature(report, checks):
    """Writes the rows of one signature."""
    name = checks.name
    if not report.check(f"{name}: outputs", checks.outputs) and checks.first_call is None:
        # It does not run at all: the rest would be the same message again.
        return
    if checks.rows():
        for size in BATCHES:
            report.check(f"{name}: batch of {size}", checks.batch, size)
        for image, flag in checks.images().items():
            report.check(f"{name}: unreadable {image}", checks.corrupt, image, flag)
    report.check(f"{name}: latency", checks.latency, info=True)


def check_without_webp(report, checks):
    """Leaves stored rows with WebP images out of a signature's checks, in a row of their own; whether some stay."""
    webp = has_webp(checks)
    if not webp.any():
        return True
    return report.check(f"{checks.name}: WebP", leave_out, checks, webp, info=True) and not webp.all()


def card_of(folder, tolerance=None):
    """The export's card with what the checks need; `tolerance` goes before the card's own."""
    card = {"tolerance": TOLERANCE, "types": {}, "constant_bytes": 0, "vocabulary_bytes": 0, **read_metadata(folder)}
    return card if tolerance is None else {**card, "tolerance": tolerance}


def check_export(report, folder, tolerance=None):
    """Writes all rows."""
    card = card_of(folder, tolerance)
    report.check("files", check_files, folder)
    sessions, signatures = [], FEW_SIGNATURES

    def load():
        try:
            session = CApiSession(folder)
        except ServingError as error:
            if error.status in ("OUT_OF_RANGE", "DATA_LOSS"):
                # TensorFlow names the operation that read it, not the file.
                raise Failure(f"{error}. A file in variables/ is damaged or cut short") from None
            raise
        sessions.append(session)
        report.loaded(tensorflow_version())
        return f"signatures: {', '.join(session.signatures)}"

    if report.check("loads", load):
        (session,) = sessions
        found = {}
        report.check("output types", check_types, session)
        report.check("references", check_references, folder, session, found)
        for name in session.signatures:
            if name in found:
                checks = SignatureChecks(session, name, *found[name], card)
                if reads_webp(tensorflow_version()) or check_without_webp(report, checks):
                    check_signature(report, checks)
            else:
                report.check(f"{name}: outputs", _no_reference)
        report.check("warm-up", check_warmup, folder, session)
        signatures = len(session.signatures)
        session.close()
        if "tensors" in found:
            check_forms(report, folder, card, found)
    report.check("size", check_size, folder, card, signatures)
    report.check("process", check_process)
    report.end()


def main(arguments=None):
    """Checks one folder and writes JSON lines to standard output."""
    parser = argparse.ArgumentParser(prog="kerasfusion.serving.verify_worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--libraries", type=Path)
    options = parser.parse_args(arguments)
    if options.libraries is not None:
        use_libraries(options.libraries)
    # What TensorFlow's C++ prints must not land between our lines.
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    check_export(Report(stream), options.folder, options.tolerance)


if __name__ == "__main__":
    main()
