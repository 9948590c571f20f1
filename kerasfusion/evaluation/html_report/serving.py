"""How to serve the model: commands, a request, the answer."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

from kerasfusion.evaluation.html_report.features import FEATURES
from kerasfusion.evaluation.html_report.html import code, element, section, table
from kerasfusion.evaluation.html_report.requests import FILES
from kerasfusion.evaluation.html_report.tasks import TASKS

PORT = 8501
# The newest release; its C library verifies our exports (`kerasfusion verify --tensorflow 2.20`).
IMAGE = "tensorflow/serving:2.20.0"


def serving(parts):
    """Commands and requests with the run's own names in them."""
    if parts.folder is None:
        return None
    # No request names what the model does not take. Runs of before do not say.
    taken = [f for f in parts.schema.features if f.name in parts.metrics.get("inputs", [f.name])]
    parts = dataclasses.replace(parts, schema=dataclasses.replace(parts.schema, features=taken))
    # What a name in an address may hold.
    name = re.sub(r"[^\w.-]+", "_", Path(parts.folder).resolve().name, flags=re.ASCII)
    base = f"saved_models/{name}"
    run, quoted = shlex.quote(parts.folder), shlex.quote(base)
    commands = f"kerasfusion export {run} {quoted}\nkerasfusion verify {quoted}\nkerasfusion serve {quoted}"
    volume = shlex.quote(f"/{base}:/models/{name}")
    variable = shlex.quote(f"MODEL_NAME={name}")
    docker = f'docker run -p {PORT}:{PORT} -v "$PWD"{volume} -e {variable} {IMAGE}'
    address = f"http://localhost:{PORT}/v1/models/{name}:predict"
    row = request_row(parts.schema, parts.details["sample"])
    return section(
        "Serve it",
        element("p", "Write a SavedModel, check it with TensorFlow Serving's loader, and try it (extra [serve]):"),
        code(commands),
        element("p", "In production, TensorFlow Serving answers the same requests:"),
        code(docker),
        element("p", "A request: one object for each row, images as the base64 of their file."),
        code(json.dumps({"instances": [row]}, indent=2, ensure_ascii=False)),
        _renamed(parts.schema),
        element("p", "From a shell:"),
        code(_curl(row, address)),
        element("p", "From Python:"),
        code(_python(row, address)),
        table("What comes back for each row", ("name", "what it is"), answers(parts.schema), class_="facts"),
        *(TASKS[task.type].requests(parts, row, run, quoted) for task in parts.schema.tasks),
        element("p", "Without a server:"),
        code(_without_server(parts)),
        id_="serve",
    )


def _renamed(schema):
    """Which columns have other names in requests and answers; nothing where all have their own."""
    names = [(item.title, item.name) for item in schema.features + schema.tasks if item.title != item.name]
    return table("Names made safe for servers", ("column", "name"), names, class_="facts") if names else None


def request_row(schema, sample):
    """One row of a request in TensorFlow Serving's row form.

    Args:
        schema: The run's `Schema`.
        sample: Feature -> a string or a list of numbers, to stand in the request.

    Returns:
        dict input name -> value.
    """
    row = {}
    for feature in schema.features:
        row |= FEATURES[feature.kind].request(feature, sample.get(feature.name))
    return row


def answers(schema):
    """Names of a served model's outputs and what they are: list of `(name, meaning)`."""
    found = []
    for task in schema.tasks:
        found += TASKS[task.type].outputs(task, several=len(schema.tasks) > 1)
    for feature in schema.features:
        found += FEATURES[feature.kind].answers(feature)
    return found


def _curl(row, address):
    body = json.dumps({"instances": [row]}, ensure_ascii=False).replace("'", "'\\''")
    for stand_in, (_, file) in FILES.items():
        body = body.replace(stand_in, f"'$(base64 -w0 {file})'")
    return f"curl -d '{body}' \\\n    {shlex.quote(address)}"


def _python(row, address):
    lines = ["import base64, json, urllib.request", ""]
    values = {key: repr(value) for key, value in row.items()}
    for stand_in, (variable, file) in FILES.items():
        if any(stand_in in value for value in values.values()):
            lines.append(f'{variable} = base64.b64encode(open("{file}", "rb").read()).decode()')
            given, read = f"{{'b64': {stand_in!r}}}", f'{{"b64": {variable}}}'
            values = {key: value.replace(given, read) for key, value in values.items()}
    lines.append("row = {" + ", ".join(f"{key!r}: {value}" for key, value in values.items()) + "}")
    lines.append('body = json.dumps({"instances": [row]}).encode()')
    lines.append(f"answer = urllib.request.urlopen({address!r}, body)")
    lines.append('print(json.load(answer)["predictions"])')
    return "\n".join(lines)


def _without_server(parts):
    cells, sample = {}, parts.details["sample"]
    for feature in parts.schema.features:
        cells |= FEATURES[feature.kind].cells(feature, sample.get(feature.name))
    return f"import kerasfusion as kf\n\nrun = kf.load({parts.folder!r})\nprint(run.predict([{cells!r}]))"
