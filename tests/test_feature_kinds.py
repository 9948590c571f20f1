"""Feature kinds are registry entries: every layer has one for each, and nothing else in the package asks for one."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import kerasfusion as kf
from kerasfusion.feature_kinds import FEATURE_KINDS, KINDS
from kerasfusion.schema import Feature

PACKAGE = Path(kf.__file__).parent
REGISTRIES = ("data", "preprocessing", "encoders", "evaluation", "evaluation.html_report", "serving")
_KINDS = "|".join(FEATURE_KINDS)
# A feature's kind compared with a name, looked for among names, or used to choose out of a dict on the spot.
ASKED = re.compile(
    rf"""\b\w*kinds?\b["'\])]*\s*(==|!=|\bin\b|\bnot\ in\b)\s*[(\[{{]?["']({_KINDS})["']|of_kind\(\s*["']"""
    r"""|\}\[\w*\.?kind\]"""
)
_MAJOR = "several texts of one image in a row of a batch"
_PAIRS = "which image a text belongs to"
_CAPTIONS = "texts that describe images"
# Where the question is about images and texts themselves.
ALLOWED = {
    "data/augmentation_choice.py": "what may be changed in an image",
    "data/clean.py": _PAIRS,
    "data/loading.py": _PAIRS,
    "data/pipeline.py": _MAJOR,
    "data/tasks/retrieval.py": _PAIRS,
    "data/retokenizing.py": "another tokenizer for texts",
    "evaluation/bag_of_words.py": "n-grams of texts",
    "evaluation/caption_baselines.py": _CAPTIONS,
    "evaluation/caption_report.py": _CAPTIONS,
    "evaluation/captions.py": _CAPTIONS,
    "evaluation/embedding.py": _PAIRS,
    "evaluation/html_report/requests.py": _PAIRS,
    "evaluation/html_report/retrieval.py": _PAIRS,
    "evaluation/reranking.py": _PAIRS,
    "evaluation/retrieval_report.py": _PAIRS,
    "evaluation/run_figures.py": "drawings of images, with their texts below",
    "evaluation/signal_statistics.py": "means over time",
    "evaluation/tasks/retrieval.py": _PAIRS,
    "explain/captions.py": _CAPTIONS,
    "models/contrastive_trainer.py": _PAIRS,
    "models/dual.py": _PAIRS,
    "models/autoencoder.py": "decoders of images and texts",
    "models/grounding.py": "one text that refers to a place in one image",
    "models/inputs.py": "n-grams of texts",
    "models/gan.py": "images drawn from texts",
    "serving/dual_signatures.py": _PAIRS,
    "serving/ground_signatures.py": "one text that refers to a place in one image",
    "serving/image_signatures.py": "images drawn from texts",
    "serving/segment_signatures.py": "parts of a video",
    "serving/tasks/box.py": "a box in one image",
    "training/gradient_cache.py": _PAIRS,
    "training/tasks.py": _MAJOR,
    "transfer/modal_augmentation.py": "tags of an image, written behind a text",
    "workflows/context.py": _CAPTIONS,
    "workflows/export_baseline.py": "n-grams of texts",
    "workflows/index.py": "a gallery of images",
    "workflows/model_families.py": "which families of the zoo, all of a text and an image, suit the data",
    "workflows/pairs.py": _PAIRS,
    "workflows/pretrained_features.py": "sentence embeddings of texts",
}


def asking():
    """Lines of the package that ask for a kind, outside of the registries: path -> lines."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE)
        if "features" in name.parts or path.name == "feature_kinds.py":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if ASKED.search(line) and "`" not in line and 'columns.of_kind("text"), columns.reasons' not in line:
                found.setdefault(name.as_posix(), []).append(f"{name}:{number}: {line.strip()}")
    return found


@pytest.mark.parametrize("layer", REGISTRIES)
def test_every_layer_knows_every_kind(layer):
    registry = importlib.import_module(f"kerasfusion.{layer}.features")
    assert set(registry.FEATURES) == set(FEATURE_KINDS)
    files = {path.stem for path in Path(registry.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert files == set(FEATURE_KINDS)


def test_no_layer_asks_for_a_kind():
    strange = [line for name, lines in asking().items() if name not in ALLOWED for line in lines]
    assert not strange, "\n".join(strange)


def test_no_exception_is_left_over():
    assert set(ALLOWED) == set(asking())


@pytest.mark.parametrize(
    "line",
    [
        'if feature.kind == "image":',
        'x if f.kind in ("text", "numeric") else y',
        'if kinds != {"image"}:',
        'schema.of_kind("numeric")',
        "}[feature.kind](feature)",
    ],
)
def test_a_question_is_found(line):
    assert ASKED.search(line)


def test_every_kind_can_be_named_in_python_and_on_the_command_line():
    from kerasfusion.cli.options import data_options

    options = {option for param in data_options(lambda: None).__click_params__ for option in param.opts}
    assert {f"--{kind}" for kind in KINDS} <= options
    assert set(KINDS) <= set(inspect.signature(kf.data.load).parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_refuses_what_a_kind_lacks(kind):
    assert KINDS[kind].problem(Feature("a", kind, ("a",))) is not None


def test_shapes_may_have_any_rank():
    boxes = type(KINDS["text"])("boxes", "", shape=("length", "size", 4), dtype="float32")
    assert boxes.input_shape(Feature("a", "text", ("a",), length=3, size=(5, 6))) == (3, 5, 6, 4)
