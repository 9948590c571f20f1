"""Names of columns to names of layers, signatures and inputs."""

import pytest

from kerasfusion.data import safe_names
from kerasfusion.names import LONGEST, claims, is_named_after, is_safe, reserved
from kerasfusion.schema import Feature, Schema, Task


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("front view", "front_view"),
        ("Größe", "grosse"),
        ("größe in €", "grosse_in"),
        ("a/b", "a_b"),
        ("a-b", "a_b"),
        ("123", "column_123"),
        ("self", "column_self"),
        ("class", "column_class"),
        ("ﬁnal™", "finaltm"),
        ("<b>x</b>", "b_x_b"),
        ("[/text]", "text"),
        ("_private", "private"),
        ("view 🐱", "view"),
    ],
)
def test_what_a_column_becomes(column, name):
    assert safe_names([column]) == {column: name}


@pytest.mark.parametrize("column", ["a", "Front", "a_b", "x1", "label", "match", "y" * LONGEST])
def test_what_is_safe_stays(column):
    assert safe_names([column]) == {column: column}


@pytest.mark.parametrize("column", ["", "名前", "前 view", "🐱", "\0", "\ud800", "x" * 300, " " * 300])
def test_what_has_lost_its_letters_is_told_apart_by_a_digest(column):
    (name,) = safe_names([column]).values()
    assert is_safe(name)
    assert name[-7] == "_"
    assert safe_names(["other", column])[column] == name


@pytest.mark.parametrize(
    "columns",
    [("a b", "a/b"), ("a_b", "a b"), ("Text", "text"), ("größe", "GRÖSSE"), ("a", "a_present"), ("a", "encode_a")],
)
def test_names_that_would_clash(columns):
    names = safe_names(columns)
    first, second = names.values()
    assert first.lower() != second.lower()
    assert not claims(first) & claims(second)
    assert all(is_named_after(names[column], column) for column in columns)


def test_a_safe_name_is_kept_from_columns_before_it():
    assert safe_names(["a b", "a_b"])["a_b"] == "a_b"


def test_tasks_clash_by_their_answers_alone():
    assert safe_names(["price", "average_price"], task=True)["average_price"] == "average_price"
    assert safe_names(["a", "a_probabilities"], task=True)["a_probabilities"] != "a_probabilities"
    assert safe_names(["val"], reserved(), task=True)["val"] != "val"


TEXT = Feature("text", "text", ("said",), length=2)


@pytest.mark.parametrize(
    "name", ["front view", "größe", "a/b", "", "self", "class", "123", "x" * 101, "a\0", "TEXT", 3]
)
def test_a_feature_whose_name_is_not_safe(name):
    with pytest.raises(ValueError, match=r"Schema: .*name .*ASCII letters, digits and _"):
        Schema((TEXT, Feature(name, "text", ("other",), length=2)), ())


@pytest.mark.parametrize("name", ["text_present", "encode_text", "fusion"])
def test_a_feature_that_clashes(name):
    with pytest.raises(ValueError, match=f"'{name}' clashes .* Name it '{name}_"):
        Schema((TEXT, Feature(name, "text", ("other",), length=2)), ())


@pytest.mark.parametrize("name", ["größe", "front view", "text_ok", "head_a"])
def test_a_task_whose_name_is_not_safe(name):
    features = (TEXT, Feature("head_head_a", "text", ("other",), length=2))
    with pytest.raises(ValueError, match=f"Schema: the task name '{name}'"):
        Schema(features, (Task(name, "regression", "column"),))


def test_a_name_of_an_older_run_that_names_no_input():
    assert Schema((TEXT,), (Task("hair-color", "regression", "hair-color"),)).tasks[0].name == "hair-color"


def test_titles():
    assert Feature("front_view", "image", ("front view",)).title == "front view"
    assert Feature("column_7ec262", "text", ("名前",)).title == "名前"
    assert Feature("image", "image", ("photo",)).title == "image"
    assert Feature("numbers", "numeric", ("a", "b")).title == "numbers"
    assert Task("grosse", "regression", "größe").title == "größe"
    assert Task("label", "regression", "größe").title == "label"
    assert Task("mood", "regression", "column").title == "mood"
    assert Task("by_hand", "regression", "").title == "by_hand"


def test_a_schema_comes_back_from_its_file(tmp_path):
    columns = ["front view", "größe", "名前", "a\0", "\ud800", "[/text]"]
    names = safe_names(columns)
    schema = Schema(tuple(Feature(names[c], "text", (c,), length=2) for c in columns), ())
    schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == schema
    assert [feature.title for feature in schema.features] == columns
