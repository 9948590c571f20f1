import csv
import dataclasses
import json
import re
import shlex
import types
from html.parser import HTMLParser

import pandas as pd
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import evaluate_models, save_report, write_run_report
from kerasfusion.evaluation.html_report.html import Html, element, table
from kerasfusion.evaluation.html_report.serving import request_row
from kerasfusion.evaluation.linear_baseline import recommend
from kerasfusion.schema import Schema

NASTY = "<script>alert(1)</script>"
TASKS = ("color", "tags", "shade", "fits")


class Page(HTMLParser):
    """Tags with their attributes, and the text of each section; fails on tags that are not closed in order."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags, self.open, self.sections, self.text = [], [], {}, ""
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attributes)["id"]
            self.sections[self.section] = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += f"{data}\n"
        if "section" in self.open:
            self.sections[self.section] += f"{data}\n"


def with_only(data, kinds, tasks):
    """The same data with fewer features and tasks."""
    schema = data.schema.only(*kinds)
    schema = Schema(schema.features, tuple(task for task in schema.tasks if task.name in tasks))
    splits = {name: split.with_features(schema) for name, split in data.splits.items()}
    return dataclasses.replace(data, schema=schema, splits=splits)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    frame = color_table(folder, rows=60)
    frame["color"] = frame["color"].replace("blue", NASTY)
    frame["description"] = "salt & pepper, \"quoted\" and 'quoted' <b>"
    frame.loc[3, "color"] = None
    frame.attrs["folder"] = str(folder)
    return kf.data.load(frame, image="photo", text="description", numeric="age", label=list(TASKS))


@pytest.fixture(scope="module")
def models(data):
    """Models that were never trained: pages are about any model."""
    settings = {"fusion": "sum", "units": 4, "image_encoder": "small_cnn"}
    return {"fused": kf.create_model("classifier_concat", data.schema, **settings)}


@pytest.fixture(scope="module")
def found(data, models):
    return evaluate_models(models, data.splits["test"], data.splits["train"])


def fake_run(folder, data, found, slice_by=None):
    """A run's folder as training leaves it, with figures made up, and its page."""
    folder.mkdir()
    data.schema.save(folder / "schema.json")
    (folder / "model.keras").write_bytes(b"k" * 1_230_000)
    config = {
        "model": "fused",
        "changes": {"units": 4},
        "training": dataclasses.asdict(kf.training.TrainingConfig(epochs=7, seed=5)),
        "source": data.source,
        "slice_by": slice_by,
        "machine": "abacus",
    }
    metrics = {
        "tasks": {name: found[name].to_dict() for name in (task.name for task in data.schema.tasks)},
        "model": "fused",
        "parameters": 4321,
        "train_seconds": {"fused": 61.5, "text only": 30.25},
        "epochs": {"fused": 3, "text only": 2},
        "best_epoch": {"fused": 2, "text only": 1},
        "predict_ms_per_row": 0.5,
        "rows": {name: len(split) for name, split in data.splits.items()},
    }
    names = ["loss", "val_loss"]
    for task in data.schema.tasks:
        own = {"multilabel": "tag_accuracy", "regression": "mae"}.get(task.type, "accuracy")
        prefix = f"{task.name}_" if len(data.schema.tasks) > 1 else ""
        names += [f"{prefix}{own}", f"val_{prefix}{own}"]
    with open(folder / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["epoch", *names], *([i, *[0.25 * i] * len(names)] for i in (1, 2, 3))])
    path = save_report(folder, found, data, config, metrics)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory, data, found):
    return Page(fake_run(tmp_path_factory.mktemp("runs") / "pets & co", data, found))


def test_the_verdicts_come_first(page, found):
    start = page.text.index("fused on DataFrame")
    for task in TASKS:
        assert start < page.text.index(found[task].verdict) < page.text.index("What was asked")


def test_a_simple_baseline_that_is_not_beaten_is_recommended_before_all_else(page, found):
    # The models were never trained.
    simple = {name for task in TASKS if (name := found[task].recommended) is not None}
    assert simple & {"majority", "text lookup", "image lookup"}
    start = page.text.index("fused on DataFrame")
    for name in simple:
        assert start < page.text.index(recommend(name)) < page.text.index("What was asked")


def test_what_was_asked(page):
    asked = page.sections["asked"]
    for said in ("DataFrame", "units = 4", "seed = 5", "tensorflow 2.", "abacus", "--image-size", "fits (binary)"):
        assert said in asked


def test_the_profile_of_the_data(page, data):
    told = page.sections["data"]
    rows = {name: len(split) for name, split in data.splits.items()}
    assert f"59 rows: {rows['train']} train, {rows['validation']} validation, {rows['test']} test." in told
    assert "label missing" in told and "row 4, color" in told
    assert "The images came as 16 × 16" in told and "Values of age" in told and "words unknown" in told


def test_curves_and_costs(page):
    assert "3 epoch(s) of at most 7. The weights kept are those of epoch 2" in page.sections["training"]
    labels = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg"]
    assert "loss, by epoch: training from 0.25 to 0.75; validation from 0.25 to 0.75" in labels
    for said in ("4,321", "1.23 MB", "61.5", "30.2", "0.5 ms", "2,000", "abacus"):
        assert said in page.sections["costs"]


@pytest.mark.parametrize("task", TASKS)
def test_results_of_each_task(page, found, task):
    told = page.sections[f"results-{TASKS.index(task)}"]
    scores = found[task].scores
    assert list(scores) == ["fused", "majority", "text lookup"]
    assert all(f"{name}\n{score}\n" in told for name, score in scores.items())
    if task == "shade":
        assert "The largest errors" in told and "The smallest errors" in told
    else:
        assert "The most confident wrong answers" in told and "Precision, recall and F1" in told
    assert ("Confusion matrix" in told) == (task in ("color", "fits"))


def test_rows_are_named_by_their_number_in_the_table(page, found, data):
    test = data.splits["test"]
    wrong = found["fits"].labels != found["fits"].decided
    sure = found["fits"].prediction["probabilities"].max(axis=1)
    surest = found["fits"].rows[wrong][sure[wrong].argmax()]
    told = page.sections["results-3"]
    first = told[told.index("The most confident wrong answers") :]
    assert re.search(r"row (\d+) · (\S+)", first).groups() == (
        str(test.frame.index[surest] + 1),
        test.frame["photo"].iloc[surest],
    )


def test_serving_uses_the_names_of_the_run(page):
    told = page.sections["serve"]
    for said in (
        "saved_models/pets_co\nkerasfusion verify saved_models/pets_co\n",
        "/models/pets_co",
        "tags_probabilities",
        "image_ok",
        "'photo': 'image.png'",
    ):
        assert said in told
    body = next(part for part in re.split(r"\n(?=\{)", told) if part.startswith('{\n  "instances"'))
    row = json.JSONDecoder().raw_decode(body)[0]["instances"][0]
    assert set(row) == {"text", "image_bytes", "numbers"} and row["text"].startswith("salt & pepper")
    assert list(row["image_bytes"]) == ["b64"] and len(row["numbers"]) == 1


def test_the_shell_line_survives_quotes(page):
    told = page.sections["serve"]
    line = told[told.index("curl -d") : told.index("From Python")]
    command, flag, body, address = shlex.split(line.replace("\\\n", " ").replace("$(base64 -w0 image.png)", "AAAA"))
    row = json.loads(body)["instances"][0]
    assert row["image_bytes"] == {"b64": "AAAA"} and "'quoted'" in row["text"]
    assert (command, flag, address) == ("curl", "-d", "http://localhost:8501/v1/models/pets_co:predict")


def test_the_python_lines_run(page):
    told = page.sections["serve"]
    lines = told[told.index("import base64") : told.index("What comes back")]
    compile(lines, "sample", "exec")
    compile(told[told.index("import kerasfusion") :], "sample", "exec")


def test_everything_of_the_user_is_escaped(page):
    assert "<script" not in page.source and "&lt;script&gt;alert(1)&lt;/script&gt;" in page.source
    assert NASTY in page.sections["results-0"] and NASTY in page.sections["data"]
    assert "salt &amp; pepper, &quot;quoted&quot; and &#x27;quoted&#x27; &lt;b&gt;" in page.source
    assert "salt & pepper, \"quoted\" and 'quoted' <b>" in page.sections["results-1"]


def test_nothing_is_loaded_from_elsewhere(page):
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base", "form"}
    for _, attributes in page.tags:
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert attributes.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert len(page.source) < 1_500_000


def test_it_can_be_read_by_everyone(page):
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags and tags.count("h1") == 1
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert all(a["alt"] for tag, a in page.tags if tag == "img")
    assert all(a["aria-label"] and a["role"] == "img" for tag, a in page.tags if tag == "svg")
    # A table that is wider than a phone scrolls in a box of its own, which the keyboard reaches.
    boxes = [a for tag, a in page.tags if tag == "div" and (a.get("class") or "").startswith("scroll")]
    assert len(boxes) == tags.count("table") and all(box["tabindex"] == "0" for box in boxes)
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {a["href"][1:] for tag, a in page.tags if tag == "a"} == targets


def test_the_page_is_made_again_of_the_folder(page, tmp_path, data, found):
    path = fake_run(tmp_path / "again", data, found)
    first = path.read_bytes()
    path.unlink()
    assert write_run_report(path.parent) == path and path.read_bytes() == first
    (path.parent / "details.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"details\.json"):
        write_run_report(path.parent)


@pytest.mark.parametrize("kinds", [("text",), ("image",), ("numeric", "text")])
@pytest.mark.parametrize("task", TASKS)
def test_any_kind_of_table_has_its_page(tmp_path, data, found, kinds, task):
    page = Page(fake_run(tmp_path / "run", with_only(data, kinds, (task,)), {task: found[task]}, None))
    assert set(page.sections) == {"asked", "data", "training", "results-0", "costs", "serve"}
    assert ("image.png" in page.sections["serve"]) == ("image" in kinds)
    assert ("img" in {tag for tag, _ in page.tags}) == ("image" in kinds)


def test_a_page_about_another_table_leaves_training_out(tmp_path, data, models):
    folder = tmp_path / "run"
    folder.mkdir()
    config = {"model": "fused", "slice_by": "kind"}
    run = kf.training.Run(folder, data.schema, models["fused"], config, {})
    frame = pd.concat([split.frame for split in data.splits.values()]).head(12)
    frame["kind"] = ["odd", "even"] * 6
    frame.attrs.update(source="other.csv", folder=data.splits["test"].frame.attrs["folder"])
    frame.iloc[0, frame.columns.get_loc("photo")] = "gone.png"
    reports, _ = kf.evaluate(run, frame, page=tmp_path / "other.html")
    page = Page(tmp_path / "other.html")
    assert set(page.sections) == {"asked", "data", *(f"results-{i}" for i in range(4))}
    assert reports["fits"].verdict in page.text and "12 rows." in page.sections["data"]
    assert "file does not exist; taken as missing" in page.sections["data"]
    assert "By kind" in page.sections["results-0"] and "odd" in page.sections["results-0"]


def test_training_writes_the_page(tmp_path, data):
    run = kf.train(
        with_only(data, ("text",), ("fits",)),
        "text_only",
        tmp_path / "run",
        kf.training.TrainingConfig(epochs=1),
        units=2,
    )
    page = Page(tmp_path / "run" / "report.html")
    assert run.metrics["tasks"]["fits"]["verdict"] in page.text and "results-0" in page.sections


def test_markup_is_escaped_unless_it_is_markup():
    assert element("td", "a < b", element("b", '"'), None, ["&"], title='"', hidden=None) == (
        '<td title="&quot;">a &lt; b<b>&quot;</b>&amp;</td>'
    )
    assert isinstance(element("br"), Html) and element("br") == "<br>"
    assert '<th scope="row" class="number">&lt;i&gt;</th>' in table("c", ("x",), [["<i>"]], numeric=(0,))


def test_several_inputs_of_a_kind_keep_their_names():
    features = tuple(
        types.SimpleNamespace(name=name, kind=kind)
        for name, kind in (("front", "image"), ("back", "image"), ("title", "text"))
    )
    row = request_row(types.SimpleNamespace(features=features), {"title": "a cup"})
    assert list(row) == ["front_bytes", "back_bytes", "title"] and row["title"] == "a cup"
