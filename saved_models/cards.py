"""Model cards and the table of models, from the metadata of the presets and exports."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from kerasfusion.files import write_text
from kerasfusion.presets import find_preset, list_presets, read_preset
from kerasfusion.serving import CApiSession, reference

VERIFIED = "verified.csv"
MARKERS = "<!-- presets -->", "<!-- /presets -->"
SHOWN = 24
# Of these, the first that a model has is shown with a request.
SIGNATURES = ("search", "ground", "summarize", "serving_default")
CARD = """# {name}

{summary}

| | |
|---|---|
| model | {model} |
| inputs | {inputs} |
| answers | {tasks} |
| trained on | {data} |
| license | {license} |
| made by | `{command}` |
| written by | kerasfusion {kerasfusion}, Keras {keras} |
| versions here | {versions} |

**Not for**: {limits}

## Metrics

On the test split of this training; intervals are of 95 %. The experiment behind it: {page}.

{metrics}

## Use it

```python
import kerasfusion as kf

run = kf.from_preset("{name}")
row = kf.data.example("{name}")  # {columns}
```

In TensorFlow Serving, or `kerasfusion serve saved_models`:

    POST /v1/models/{name}:predict
    {request}

answers, for this row, with

    {response}

## Signatures

{signatures}
"""


def write_card(name, recipe, folder):
    """Write `README.md` of a preset's SavedModel from its metadata and its reference."""
    preset = read_preset(find_preset(name))
    versions = sorted((path for path in folder.glob("[0-9]*") if path.is_dir()), key=lambda path: int(path.name))
    newest = versions[-1]
    stored = reference.load_reference(newest / reference.FILE)
    shown = next(signature for signature in SIGNATURES if signature in stored)
    inputs, outputs = stored[shown]
    with CApiSession(newest) as session:
        signatures = session.signatures
    write_text(
        folder / "README.md",
        CARD.format(
            **{key: preset[key] for key in ("name", "summary", "data", "license", "command", "kerasfusion", "keras")},
            model=f"`{preset['model']}`" if preset["model"] else "built by the tutorial",
            inputs=", ".join(f"`{column}` ({kind})" for column, kind in preset["inputs"].items()),
            tasks=", ".join(f"`{task}` ({kind})" for task, kind in preset["tasks"].items()) or "its inputs",
            versions=", ".join(f"`{version.name}`" for version in versions),
            limits=preset["limits"],
            page=f"[{recipe.page}](../../experiments/results/{recipe.page}.md)",
            metrics=metrics_table(preset["metrics"]),
            columns=", ".join(preset["inputs"]),
            request=json.dumps({"signature_name": shown, "instances": [example(inputs)]}, ensure_ascii=False),
            response=json.dumps({"predictions": [example(outputs)]}, ensure_ascii=False),
            signatures=signature_list(signatures),
        ),
    )


def metrics_table(metrics):
    lines = ["| metric | value | interval | rows |", "|---|---|---|---|"]
    for row in metrics:
        interval = f"{number(row['low'])} to {number(row['high'])}" if row.get("low") is not None else ""
        rows = f"{int(row['n']):,}" if row.get("n") else ""
        lines.append(f"| {row['metric']} | {number(row['value'])} | {interval} | {rows} |")
    return "\n".join(lines)


def number(value):
    return f"{value:.4g}"


def example(tensors):
    """The first row of named tensors as JSON of TensorFlow Serving, long strings and lists cut."""
    return {name: cell(name, np.asarray(value)[0]) for name, value in sorted(tensors.items())}


def cell(name, value):
    if isinstance(value, bytes):
        if not name.endswith("_bytes"):
            return value.decode("utf-8", "replace")
        return {"b64": reference_bytes(value)}
    if isinstance(value, np.ndarray) and value.ndim:
        shown = [cell(name, item) for item in value[:4]]
        return shown + ["…"] * (len(value) > len(shown))
    value = value.item() if hasattr(value, "item") else value
    return round(value, 4) if isinstance(value, float) else value


def reference_bytes(value):
    text = base64.b64encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def signature_list(signatures):
    lines = []
    for name, signature in sorted(signatures.items()):
        sides = (tensors(signature[side]) for side in ("inputs", "outputs"))
        lines.append(f"- `{name}`: " + " → ".join(sides))
    return "\n".join(lines)


def tensors(described):
    return ", ".join(f"`{name}` {dtype} {shape(dimensions)}" for name, (dtype, dimensions) in described.items())


def shape(dimensions):
    if dimensions is None:
        return "of any shape"
    open_sizes = iter("BNKM")
    return f"({', '.join(next(open_sizes) if size is None else str(size) for size in dimensions)})"


def write_table(saved_models):
    """Write the table of presets into `saved_models/README.md`, between its markers."""
    lines = ["| model | what it does | metric on the test split | verified in TensorFlow |", "|---|---|---|---|"]
    for name in list_presets():
        preset = read_preset(find_preset(name))
        first = preset["metrics"][0]
        cells = [f"[{name}]({name}/README.md)", preset["summary"], f"{first['metric']}: {number(first['value'])}"]
        lines.append(f"| {' | '.join([*cells, ', '.join(releases(saved_models, name))])} |")
    page = Path(saved_models) / "README.md"
    start, end = MARKERS
    table = "\n".join([start, *lines, end])
    write_text(page, re.sub(f"{start}.*{end}", lambda _: table, page.read_text(encoding="utf-8"), flags=re.DOTALL))


def releases(saved_models, name):
    """The releases of TensorFlow that a model's newest version was verified in, by `verified.csv`."""
    path = Path(saved_models) / VERIFIED
    if not path.is_file():
        return []
    newest = max((int(folder.name) for folder in (Path(saved_models) / name).glob("[0-9]*")), default=0)
    checked = pd.read_csv(path, dtype=str)
    mine = (checked["model"] == name) & (checked["version"] == str(newest)) & (checked["verified"] == "True")
    return checked.loc[mine, "tensorflow"].tolist()
