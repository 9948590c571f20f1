"""How to serve the model: commands, a request, the answer."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

from kerasfusion.evaluation.html_report.html import code, element, join, section, table

PORT = 8501
MOST_CLASSES = 10


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
    docker = f'docker run -p {PORT}:{PORT} -v "$PWD"{volume} -e {variable} tensorflow/serving'
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
        _searching(parts, f"kerasfusion index {run} IMAGES {quoted}"),
        _writing(parts, row),
        element("p", "Without a server:"),
        code(_without_server(parts)),
        id_="serve",
    )


def _searching(parts, command):
    """What a match answers besides: a gallery's search, and labels that the caller names."""
    if not parts.schema.of_type("retrieval"):
        return None
    (text,), (image,) = parts.schema.of_kind("text"), parts.schema.of_kind("image")
    image_input = {f"{image.name}_bytes": {"b64": _IMAGE}}
    requests = {
        "search": {text.name: parts.details["sample"][text.name]},
        "search_by_image": image_input,
        "zero_shot": {**image_input, "labels": ["a first label", "another one"]},
    }
    lines = (
        json.dumps({"signature_name": name, "instances": [row]}, ensure_ascii=False) for name, row in requests.items()
    )
    said = (
        "Searches answer with ids, the images' paths, and scores, their cosines, the nearest first. zero_shot "
        "answers with a label, and scores and probabilities of all."
    )
    return join(
        element("p", "With a folder of images inside, to be searched by text and by image:"),
        code(command),
        element("p", "Requests name the signature; labels may be any texts:"),
        code("\n".join(lines)),
        element("p", said),
    )


def _writing(parts, row):
    """What a captioner answers besides: captions searched for or drawn, and those that begin with given words."""
    if not parts.schema.of_type("captioning"):
        return None
    requests = {
        "caption": {**row, "prompt": "", "strategy": "beam"},
        "caption_sample": {**row, "prompt": "", "temperature": 0.8, "top_k": 50, "top_p": 0.95, "seed": 1},
    }
    lines = (
        json.dumps({"signature_name": name, "instances": [one]}, ensure_ascii=False) for name, one in requests.items()
    )
    said = (
        'They answer with the same names. A caption begins with the words of its prompt, "" for none; strategy is '
        "greedy or beam, and equal seeds draw equally."
    )
    return join(
        element("p", "Other ways to write; the request names the signature:"),
        code("\n".join(lines)),
        element("p", said),
    )


def _renamed(schema):
    """Which columns have other names in requests and answers; nothing where all have their own."""
    names = [(item.title, item.name) for item in schema.features + schema.tasks if item.title != item.name]
    return table("Names made safe for servers", ("column", "name"), names, class_="facts") if names else None


_IMAGE = "<base64 of a PNG or JPEG file>"


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
        if feature.kind == "image":
            row[f"{feature.name}_bytes"] = {"b64": _IMAGE}
        else:
            row[feature.name] = sample[feature.name]
    return row


def answers(schema):
    """Names of a served model's outputs and what they are: list of `(name, meaning)`."""
    found = []
    several = len(schema.tasks) > 1
    for task in schema.tasks:
        if task.type == "retrieval":
            found.append(("similarity", "the cosine of image and text, -1 to 1"))
            continue
        if task.type == "captioning":
            found.append((task.name, "what is written, the likeliest word each time"))
            found.append(("log_probability", "of all of its words together, and the end"))
            continue
        probabilities = f"{task.name}_probabilities" if several else "probabilities"
        if task.type == "regression":
            found.append((task.name, "the number"))
            continue
        found.append((task.name, "tags divided by |" if task.type == "multilabel" else "the name of the class"))
        classes = ", ".join(task.classes[:MOST_CLASSES])
        if len(task.classes) > MOST_CLASSES:
            classes += f", … ({len(task.classes):,}, in the order of schema.json)"
        found.append((probabilities, f"one for each of: {classes}"))
    for feature in schema.of_kind("image"):
        found.append((f"{feature.name}_ok", "whether the image could be read; if not, it counts as missing"))
    return found


def _curl(row, address):
    body = json.dumps({"instances": [row]}, ensure_ascii=False).replace("'", "'\\''")
    body = body.replace(_IMAGE, "'$(base64 -w0 image.png)'")
    return f"curl -d '{body}' \\\n    {shlex.quote(address)}"


def _python(row, address):
    lines = ["import base64, json, urllib.request", ""]
    values = {key: repr(value) for key, value in row.items()}
    if any(isinstance(value, dict) for value in row.values()):
        lines += ['image = base64.b64encode(open("image.png", "rb").read()).decode()']
        values.update({key: '{"b64": image}' for key, value in row.items() if isinstance(value, dict)})
    lines.append("row = {" + ", ".join(f"{key!r}: {value}" for key, value in values.items()) + "}")
    lines.append('body = json.dumps({"instances": [row]}).encode()')
    lines.append(f"answer = urllib.request.urlopen({address!r}, body)")
    lines.append('print(json.load(answer)["predictions"])')
    return "\n".join(lines)


def _without_server(parts):
    cells, sample = {}, parts.details["sample"]
    for feature in parts.schema.features:
        if feature.kind == "numeric":
            cells.update(zip(feature.columns, sample[feature.name], strict=True))
        else:
            cells[feature.columns[0]] = "image.png" if feature.kind == "image" else sample[feature.name]
    return f"import kerasfusion as kf\n\nrun = kf.load({parts.folder!r})\nprint(run.predict([{cells!r}]))"
