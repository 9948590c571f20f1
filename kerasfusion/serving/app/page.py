"""A page to try the models of a folder, built from their signatures with gradio (extra `[app]`)."""

import io
import tempfile
from pathlib import Path

from kerasfusion.serving.app.fields import HIDDEN, input_fields, open_image, read_answer
from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.model_config import model_folders, versions_in
from kerasfusion.serving.reference import FILE, load_reference

_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"RIFF": ".wav"}
_FIRST = ("search", "ground", "summarize", "caption", "serving_default")


def require_gradio():
    """Import gradio, or say which extra has it.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The page needs the extra [app]: pip install 'kerasfusion[app]'.") from error
    return gradio


def find_versions(folder):
    """The highest version of each model: dict name -> path.

    Raises:
        ServingError: There is none in the folder.
    """
    found = {}
    for path in model_folders(Path(folder)):
        versions = versions_in(path)
        if versions:
            found[path.name] = versions[max(versions)]
    if not found:
        raise ServingError(f"{folder} holds no exported model: NAME/VERSION/saved_model.pb (`kerasfusion export`).")
    return found


class Model:
    """An exported model and what its page needs, loaded when it is first chosen.

    Args:
        path: `pathlib.Path` of the version.
    """

    def __init__(self, path):
        self.path = path
        self.metadata = read_metadata(path)
        self.session = CApiSession(path)
        # Examples that a page offers as files; deleted with the model.
        self.files = tempfile.TemporaryDirectory(prefix="kerasfusion_")
        self.examples = load_reference(path / FILE) if (path / FILE).is_file() else {}

    def close(self):
        """Release the session and delete the example files."""
        self.session.close()
        self.files.cleanup()

    @property
    def signatures(self):
        """Names, the most telling one first, without the model's own tensors."""
        names = [name for name in self.session.signatures if name not in HIDDEN]
        return sorted(names, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))

    def fields(self, signature):
        """The `Field`s of a signature."""
        return input_fields(self.session.signatures[signature], self.metadata)

    def example(self, signature):
        """Values of the fields from the reference that the export holds: dict name -> value."""
        inputs, _ = self.examples.get(signature, ({}, {}))
        return {
            field.name: _shown(field, inputs[field.name][0])
            for field in self.fields(signature)
            if field.name in inputs
        }

    def answer(self, signature, values):
        """What the model answers to the values of the fields, in their order; see `read_answer`."""
        fields = self.fields(signature)
        inputs = {field.name: field.to_array(value) for field, value in zip(fields, values, strict=True)}
        image = next((value for field, value in zip(fields, values, strict=True) if field.widget == "image"), None)
        return read_answer(self.session.run(signature, inputs), self.metadata, image)


def _shown(field, value):
    if field.widget == "text":
        return value.decode("utf-8", "replace")
    if field.widget == "lines":
        return "\n".join(item.decode("utf-8", "replace") for item in value)
    if field.widget == "numbers":
        return str([round(float(item), 4) for item in value])
    return value if isinstance(value, bytes) else list(value) if field.widget == "files" else value.item()


def build_page(folder):
    """Build the page.

    Args:
        folder: Folder of models, `NAME/VERSION/`.

    Returns:
        gradio.Blocks

    Raises:
        ImportError: gradio is not installed.
        ServingError: There is no model in the folder.

    Example:

    ```python
    build_page("saved_models").launch()
    ```
    """
    gradio = require_gradio()
    versions, loaded = find_versions(folder), {}

    def model_of(name):
        if name not in loaded:
            loaded[name] = Model(versions[name])
        return loaded[name]

    with gradio.Blocks(title="kerasfusion") as page:
        gradio.Markdown("# kerasfusion\nChoose a model, give it an image and a text, and see what it answers.")
        chosen = gradio.Dropdown(list(versions), value=next(iter(versions)), label="Model")

        @gradio.render(inputs=chosen)
        def show_model(name):
            try:
                model = model_of(name)
            except ServingError as error:
                gradio.Markdown(f"**{name} cannot be loaded.** {error}")
                return
            # A new selection for each model: tabs that are rendered again have none.
            asked = gradio.Radio(model.signatures, value=model.signatures[0], label="Signature")

            @gradio.render(inputs=asked)
            def show_signature(signature):
                _show_signature(gradio, model, signature)

    return page


def _show_signature(gradio, model, signature):
    fields, example = model.fields(signature), model.example(signature)
    with gradio.Row():
        with gradio.Column():
            inputs = [_input(gradio, field, example.get(field.name), Path(model.files.name)) for field in fields]
            button = gradio.Button("Ask", variant="primary")
        with gradio.Column():
            label = gradio.Label(label="probabilities", num_top_classes=5, visible=False)
            image = gradio.Image(label="image", visible=False, interactive=False)
            table = gradio.Dataframe(label="best first", visible=False)
            other = gradio.JSON(label="other outputs")

    def ask(*values):
        try:
            answer = model.answer(signature, [_value(f, v) for f, v in zip(fields, values, strict=True)])
        except (ServingError, ValueError) as error:
            raise gradio.Error(str(error)) from error
        rows = answer.get("rows")
        return (
            gradio.update(value=answer.get("label"), visible="label" in answer),
            gradio.update(value=answer.get("image"), visible="image" in answer),
            gradio.update(
                value=rows and {"headers": list(rows[0]), "data": [list(row.values()) for row in rows]},
                visible=bool(rows),
            ),
            answer["other"],
        )

    button.click(ask, inputs, [label, image, table, other], api_name=False)


def _input(gradio, field, example, files):
    if field.widget == "image":
        return gradio.Image(open_image(example), label=field.name, type="pil", format="png")
    if field.widget in ("file", "files"):
        count = "multiple" if field.widget == "files" else "single"
        return gradio.File(_written(example, files / field.name), label=field.name, file_count=count, type="binary")
    if field.widget == "number":
        return gradio.Number(example, label=field.name, precision=0 if field.dtype.startswith("int") else None)
    lines = 4 if field.widget == "lines" else 1
    return gradio.Textbox(example, label=field.name, lines=lines)


def _written(example, folder):
    """The bytes of one or several files as files, which gradio asks for; missing frames are left out."""
    if example is None:
        return None
    parts = [part for part in (example if isinstance(example, list) else [example]) if part]
    folder.mkdir(exist_ok=True)
    for place, part in enumerate(parts):
        suffix = next((suffix for magic, suffix in _SUFFIXES.items() if part.startswith(magic)), ".bin")
        (folder / f"{place:03}{suffix}").write_bytes(part)
    paths = sorted(map(str, folder.iterdir()))
    return paths if isinstance(example, list) else paths[0]


def _value(field, value):
    """What gradio gives, as `Field.to_array` takes it."""
    if field.widget == "image" and value is not None:
        buffer = io.BytesIO()
        value.save(buffer, "PNG")
        return buffer.getvalue()
    return value
