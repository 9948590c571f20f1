"""Columns named as no layer, signature or server may be: trained on, exported, predicted and reported."""

import html
import json

import numpy as np
import pandas as pd
import pytest
from hostile.budget import examples
from hypothesis import given
from hypothesis import strategies as st
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import safe_names
from kerasfusion.names import claims, is_named_after, is_safe, reserved
from kerasfusion.schema import Schema
from kerasfusion.serving import CApiSession
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.signatures import Signatures

# Names that clash once they are safe: in another case, after replacement, with what is derived from them.
PARTS = ["a", "A", "a_", "a_b", "a b", "a/b", "ä", "_", "", "self", "None", "val_", "fusion", "名前", "🐱", "\0", "1"]
AFFIXES = [
    "_present",
    "_bytes",
    "_ok",
    "_probabilities",
    "encode_",
    "head_",
    "[/b]",
    "<b>",
    "%s",
    "{}",
    "\\",
    "'",
    '"',
]
COLUMNS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.lists(st.sampled_from(PARTS + AFFIXES), max_size=4).map("".join),
        st.text(st.sampled_from("aA_ é"), min_size=90, max_size=130),
    ),
    max_size=12,
    unique=True,
)


@pytest.mark.hostile
@examples(200, 10_000)
@given(COLUMNS, st.booleans())
def test_safe_names(columns, task):
    names = safe_names(columns, reserved(), task)
    assert list(names) == columns
    assert all(is_safe(name) and is_named_after(name, column) for column, name in names.items())
    claimed = [reserved(), *(claims(name, task) for name in names.values())]
    assert sum(map(len, claimed)) == len(set().union(*claimed))
    assert len({name.lower() for name in names.values()}) == len(columns)
    # The same names again, of the same columns and of the names themselves.
    assert safe_names(columns, reserved(), task) == names
    assert safe_names(names.values(), reserved(), task) == {name: name for name in names.values()}
    # Alone, a safe column keeps its name; so it does among others that are not safe.
    for column in columns:
        if names[column] != column and is_safe(column):
            safe = [other for other in columns if is_safe(other) and other != column]
            assert claims(column, task) & reserved().union(*(claims(other, task) for other in safe))


# Graphs that are made quickly.
SMALL = {"text_encoder": "bag_of_words", "image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 4}
PAIRS = [
    ("front view", "front_view"),
    ("größe", "GRÖSSE"),
    ("Text", "text"),
    ("self", "class"),
    ("x", "x_present"),
    ("encode_x", "x"),
    ("x", "x_bytes"),
    ("image", "image_ok"),
    ("label", "label_probabilities"),
    ("123", "x" * 300),
    ("[/text]", "<b>a</b>\0"),
    ("🐱", "名前" * 40),
    ("fusion", "embedding"),
    ("val", "text_only"),
    ("a:0", "a>b"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    return color_table(folder, rows=40).drop(columns=["tags", "patient"]), folder


@pytest.mark.parametrize("pairs", [PAIRS[:4], pytest.param(PAIRS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_names_at_once(table, pairs):
    """Read, made a model of, traced as the signatures of an export."""
    frame, folder = table
    columns = list(dict.fromkeys(name for pair in pairs for name in pair))
    images, half = max(2, len(columns) // 10), len(columns) // 2
    roles = {"image": columns[:images], "text": columns[images:half], "label": columns[half:]}
    sources = {"image": "photo", "text": "description", "label": "color"}
    named = pd.DataFrame({name: frame[sources[kind]] for kind, names in roles.items() for name in names})
    data = kf.data.load(named, image_dir=str(folder), image_size=8, **roles)
    assert Schema.from_dict(json.loads(json.dumps(data.schema.to_dict()))) == data.schema
    assert [item.title for item in data.schema.features + data.schema.tasks] == columns
    model = kf.create_model("classifier_sum", data.schema, **SMALL)
    signatures = Signatures(model, data.schema)
    answer, specs = signatures.endpoints()["serving_default"]
    outputs = answer(*(np.array([b""]) for _ in specs))
    assert len({spec.name.lower() for spec in specs}) == len(data.schema.features)
    # Of each label the class and its probabilities, of each image whether it could be read.
    assert len(outputs) == 2 * len(data.schema.tasks) + images


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_of_names(table, pair):
    """Each pair as texts beside an only image and an only label, whose names are given."""
    frame, _ = table
    first, second = pair
    named = (
        frame[["description", "color"]]
        .set_axis([first, "answer"], axis=1)
        .assign(**{second: frame["shade"].map(str)})
    )
    data = kf.data.load(named, text=list(pair), label="answer")
    assert [feature.columns[0] for feature in data.schema.features] == list(pair)
    assert [task.name for task in data.schema.tasks] == ["label"]
    kf.create_model("text_only", data.schema, text_encoder="bag_of_words", units=4)


def test_names_that_pandas_and_files_do_not_take(table, tmp_path):
    """`self` is an argument of pandas's own; a folder of a cache may not have a name of 1,000 bytes."""
    frame, folder = table
    image = "名前" * 60
    named = frame.rename(columns={"age": "self", "photo": image})
    given = {"image": image, "image_dir": str(folder), "image_size": 8}
    data = kf.data.load(named, label="color", sample_weight="self", cache_dir=tmp_path, **given)
    assert data.splits["train"].weights["label"].max() > 1
    assert len(list(tmp_path.iterdir())) == 1
    told = frame[["photo"]].assign(caption=[["one", "two"]] * len(frame)).set_axis([image, "self"], axis=1)
    assert kf.data.load(told, label="self", problem_type="captioning", **given).schema.tasks[0].column == "self"


IMAGES, TEXTS = ["front view", "größe"], ["Text", "text", "[/b]"]
# The graph of a task has its price: two of them, and all with the slow tests.
FEW = {"<b>Farbe</b>": "color", "<b>Farbe</b>_probability": "color"}
ALL = {"self": "fits", **FEW, "shade ½": "shade"}


@pytest.fixture(scope="module", params=["few", pytest.param("all", marks=pytest.mark.slow)])
def run(request, tmp_path_factory):
    """A run on columns of all kinds with such names, its folder with the table, and the labels."""
    folder = tmp_path_factory.mktemp("nasty")
    labels = FEW if request.param == "few" else ALL
    frame = color_table(folder, rows=60)
    named = {
        **dict.fromkeys(IMAGES, frame["photo"]),
        **dict.fromkeys(TEXTS, frame["description"]),
        **{name: frame[column] for name, column in labels.items()},
        "class": frame["age"],
        "front view_ok": frame["age"],
    }
    pd.DataFrame(named).to_csv(folder / "table.csv", index=False)
    roles = {"image": IMAGES, "text": TEXTS, "label": list(labels), "numeric": ["class"]}
    data = kf.data.load(folder / "table.csv", image_size=8, **roles)
    config = kf.training.TrainingConfig(epochs=1)
    return kf.train(data, "classifier_sum", folder / "run", config, baselines=False, **SMALL), folder, labels


def test_a_run_says_the_columns_own_names(run):
    run, _, labels = run
    assert kf.load(run.path).schema == run.schema
    for task in run.schema.tasks:
        assert run.metrics["tasks"][task.name]["verdict"].startswith(f"{task.column}: ")
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<b>Farbe" not in page
    for shown in (*map(html.escape, labels), "größe", "[/b]", "front_view_bytes"):
        assert shown in page


def test_predicted_tables_have_the_columns_own_names(run):
    run, folder, labels = run
    found = kf.workflows.predict(run, folder / "table.csv")
    assert found.columns.is_unique
    # The table has the labels and one of the names already.
    own = [f"predicted_{name}" for name in labels]
    further = ["<b>Farbe</b>_probability_2", "<b>Farbe</b>_probability_probability"]
    further += [*["self_probability"] * ("self" in labels), "predicted_front view_ok", "größe_ok"]
    assert set(found.columns[-len(own) - len(further) :]) == {*own, *further}
    assert set(found["predicted_<b>Farbe</b>"]) <= {"red", "green", "blue"}
    reports, skipped = kf.evaluate(run, folder / "table.csv", page=folder / "evaluation.html")
    assert len(reports) == len(labels)
    assert not skipped.counts
    assert "<b>Farbe" not in (folder / "evaluation.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_export_is_verified_and_maps_columns_to_names(run):
    run, folder, _ = run
    version = kf.export(run, folder / "saved")
    assert kf.verify(version).ok
    card = read_metadata(version)
    assert card["inputs"] == {
        "front view": "front_view_bytes",
        "größe": "grosse_bytes",
        "Text": "Text",
        "text": run.schema.features[3].name,
        "[/b]": "b",
        "class": "numbers",
    }
    assert card["outputs"] == {task.column: task.name for task in run.schema.tasks}
    table = pd.read_csv(folder / "table.csv", nrows=3)
    image = [(folder / path).read_bytes() for path in table["front view"]]
    given = {card["inputs"][column]: image for column in IMAGES}
    given.update({card["inputs"][column]: [text.encode() for text in table[column]] for column in TEXTS})
    with CApiSession(version) as session:
        answers = session.run("serving_default", {**given, "numbers": table[["class"]].to_numpy("float32")})
    predicted = run.predict(table, image_dir=str(folder))
    answered = [answer.decode() for answer in answers[card["outputs"]["<b>Farbe</b>"]]]
    assert answered == list(predicted["<b>Farbe</b>"])
