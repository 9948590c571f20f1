"""What README.md and the guide name exists: Python names and arguments, commands and flags, files."""

import ast
import importlib
import inspect
import json
import re
import shlex
from pathlib import Path

import click
import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion import cli

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kerasfusion"
GUIDE = [
    ROOT / "README.md",
    PACKAGE / "README.md",
    *sorted((PACKAGE / "guide").glob("*.md")),
]
PAGES = [
    *GUIDE,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "experiments").rglob("*.md")),
    *sorted((ROOT / "saved_models").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
# Flags of other programs that the guide names.
OTHER_FLAGS = {"--help", "--no-deps"}


def page(path):
    return pytest.param(path, id=str(path.relative_to(ROOT)))


def blocks(path, language):
    return [body for kind, body in FENCE.findall(path.read_text(encoding="utf-8")) if kind == language]


def inline(path):
    return INLINE.findall(FENCE.sub("", path.read_text(encoding="utf-8")))


def resolve(dotted):
    """The object behind `kf.x.y` or `kerasfusion.x.y`."""
    first, *rest = dotted.split(".")
    assert first in ("kf", "kerasfusion")
    found = kf
    for place, name in enumerate(rest):
        if not hasattr(found, name):
            importlib.import_module(".".join(["kerasfusion", *rest[: place + 1]]))
        found = getattr(found, name)
    return found


def dotted(node):
    """`kf.x.y` of an attribute chain; None for other expressions."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(["kf", *reversed(parts)]) if isinstance(node, ast.Name) and node.id == "kf" else None


def check_call(function, node):
    """The call's positional and keyword arguments fit the signature."""
    if any(isinstance(argument, ast.Starred) for argument in node.args) or any(k.arg is None for k in node.keywords):
        return
    inspect.signature(function).bind_partial(*node.args, **{keyword.arg: None for keyword in node.keywords})


@pytest.mark.parametrize("path", [page(path) for path in GUIDE])
def test_python_snippets_compile_and_call_what_exists(path):
    imported = {}
    for source in blocks(path, "python"):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasfusion"):
                module = importlib.import_module(node.module)
                imported.update({alias.asname or alias.name: getattr(module, alias.name) for alias in node.names})
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and dotted(node):
                resolve(dotted(node))
            if isinstance(node, ast.Call) and dotted(node.func):
                check_call(resolve(dotted(node.func)), node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported:
                check_call(imported[node.func.id], node)


@pytest.mark.parametrize("path", [page(path) for path in GUIDE])
def test_names_in_prose_exist(path):
    for code in inline(path):
        for name in re.findall(r"\b(?:kf|kerasfusion)(?:\.[A-Za-z_]\w*)+", code):
            if not (ROOT / name).exists() and not name.endswith((".json", ".py")):
                resolve(name)
        call = re.fullmatch(r"(kf(?:\.\w+)+\(.*\))", code)
        if call and "..." not in code and "…" not in code:
            tree = ast.parse(call.group(1), mode="eval").body
            if isinstance(tree, ast.Call) and dotted(tree.func):
                check_call(resolve(dotted(tree.func)), tree)
        if re.fullmatch(r"(kerasfusion|experiments|tests|saved_models|\.ci)/[\w./]+", code) and "NAME" not in code:
            assert (ROOT / code).exists() or code.startswith("saved_models/"), code


def flags(command):
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("path", [page(path) for path in GUIDE])
def test_commands_and_flags_exist(path):
    lines = [line for block in blocks(path, "sh") for line in block.splitlines()]
    lines += [code for code in inline(path) if code.startswith("kerasfusion ")]
    every = set().union(*map(flags, cli.app.commands.values())) | OTHER_FLAGS
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] != ["kerasfusion"] or len(words) < 2:
            continue
        assert words[1] in cli.app.commands, line
        named = {word.split("=")[0] for word in words[2:] if word.startswith("--")}
        assert named <= flags(cli.app.commands[words[1]]) | {"--help"}, line
    for code in inline(path):
        command, _, rest = code.partition(" ")
        if code.startswith("--"):
            assert command in every, code
        elif command in cli.app.commands and rest.startswith("--"):
            assert rest.split()[0] in flags(cli.app.commands[command]) | {"--help"}, code


@pytest.mark.parametrize("path", [page(path) for path in GUIDE])
def test_requests_are_json(path):
    for block in blocks(path, "json"):
        decoder, rest = json.JSONDecoder(), block.strip()
        while rest:
            request, end = decoder.raw_decode(rest)
            assert set(request) == {"signature_name", "instances"}
            rest = rest[end:].strip()


@pytest.mark.parametrize("path", [page(path) for path in PAGES])
def test_relative_links_resolve(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", link):
            assert (path.parent / link.split("#")[0]).exists(), link


def test_the_index_names_every_page_and_every_command():
    index = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert all(f"(guide/{path.name})" in index for path in GUIDE[2:])
    table = (PACKAGE / "guide" / "command_line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `kerasfusion ([\w-]+)", table, re.MULTILINE)) == set(cli.app.commands)


def test_the_short_pages_stay_short():
    assert (ROOT / "README.md").stat().st_size <= 8192
    assert (ROOT / "README.zh.md").stat().st_size <= 8192
    assert (ROOT / "experiments" / "README.md").stat().st_size <= 7168


def test_docker_lines_name_one_release_of_the_server():
    pages = [ROOT / "saved_models" / "README.md", *sorted((PACKAGE / "guide").glob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    assert set(re.findall(r"tensorflow/serving(?![/\w])(:[\w.]+)?", text)) == {":2.20.0"}
    assert importlib.import_module("kerasfusion.evaluation.html_report.serving").IMAGE == "tensorflow/serving:2.20.0"


def test_every_extra_and_marker_is_documented():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    index = (PACKAGE / "README.md").read_text(encoding="utf-8")
    extras = pyproject.split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert all(f"| `{name}` |" in index for name in re.findall(r"^(\w+) = \[", extras, re.MULTILINE))
    markers = pyproject.split("\nmarkers = [")[1].split("\n]")[0]
    assert all(f"-m {name}`" in index for name in re.findall(r'^    "(\w+):', markers, re.MULTILINE))


@pytest.mark.slow
def test_the_layers_page_runs():
    scope = {}
    exec(blocks(PACKAGE / "guide" / "layers.md", "python")[0], scope)
    x = {"text": np.ones((2, 32), "int32"), "image": np.zeros((2, 64, 64, 3), "uint8")}
    scope["model"].fit(x, np.zeros(2, "int32"), verbose=0)


def test_the_examples_of_the_extending_page_run():
    scope = {"kf": kf}
    for source in blocks(PACKAGE / "guide" / "extending.md", "python"):
        if "register_model" not in source:
            exec(source, scope)
    values = {"text": np.ones((2, 3), "float32"), "image": np.ones((2, 4), "float32")}
    assert scope["MaxFusion"](5)(values).shape == (2, 5)
    ids = np.array([[4, 5, 0], [0, 0, 0]], "int32")
    encoded = scope["MaxEmbeddingEncoder"](vocabulary_size=8, units=5)(ids)
    assert encoded["pooled"].shape == (2, 5) and np.isfinite(encoded["pooled"]).all()
    scores = keras.ops.convert_to_tensor([[5.0, 0.0], [0.0, 5.0]])
    assert float(scope["MeanMarginLoss"]()(keras.ops.eye(2), scores)) == 0.0
    assert float(scope["MeanMarginLoss"]()(keras.ops.eye(2), -scores)) == 6.0


def test_every_command_answers_help_with_its_flags():
    for name, command in cli.app.commands.items():
        shown = command.get_help(click.Context(command, info_name=name))
        assert all(flag in shown for flag in flags(command) if flag.startswith("--")), name


def test_the_chinese_readme_has_the_same_commands():
    """Code in fences and indented, and the models of the table."""

    def code(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S) + re.findall(r"^    \S.*$", text, re.M)
        return blocks, re.findall(r"^\| (`[^|]*`) \|", text.replace("、", ", "), re.M)

    assert code("README.zh.md") == code("README.md")
