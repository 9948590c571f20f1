"""Ask a served model over REST, with Python's standard library alone.

    python saved_models/clients/rest_client.py a.png "is there a red circle?"

TensorFlow Serving answers, and so does its stand-in for trying things out, `kerasfusion serve saved_models`.
"""

import argparse
import base64
import json
import urllib.error
import urllib.request
from pathlib import Path


def predict(url, model, rows, version=None, label=None, timeout=30.0):
    """Asks a model.

    Args:
        url: Of the server, such as `"http://localhost:8501"`.
        model: Its name.
        rows: List of dicts, input name -> value. `bytes` are sent as base64, which images have to be.
        version: A version's number; the highest one if neither this nor `label` is given.
        label: A version's label, such as `"stable"`.
        timeout: Seconds to wait.

    Returns:
        List with a dict of outputs for every row.

    Raises:
        ValueError: The server refuses the request; its own message.
    """
    chosen = f"/labels/{label}" if label else f"/versions/{version}" if version else ""
    body = json.dumps({"instances": [{key: _encoded(value) for key, value in row.items()} for row in rows]})
    request = urllib.request.Request(f"{url}/v1/models/{model}{chosen}:predict", body.encode())
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["predictions"]
    except urllib.error.HTTPError as refused:
        raise ValueError(f"{refused.code}: {json.load(refused)['error']}") from None


def _encoded(value):
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def main(arguments=None):
    """Ask about one image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("text")
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="shapes_vqa")
    parser.add_argument("--label", help="such as stable")
    options = parser.parse_args(arguments)
    row = {"text": options.text, "image_bytes": options.image.read_bytes()}
    (answer,) = predict(options.url, options.model, [row], label=options.label)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
