"""DESIGN's arrows: which part of the package may import which, and which files may import TensorFlow.

Imports are read, not run, also those within functions.
"""

import ast
import tomllib
from pathlib import Path

import pytest

import kerasfusion

PACKAGE = Path(kerasfusion.__file__).parent

# Plain data and helpers without Keras: known to all.
FLOOR = {"bounds", "feature_kinds", "files", "lazy", "names", "presets", "problem_types", "progress", "schema"}
# The neutral floor: Keras alone, on any backend.
LAYERS = {"layers", "losses", "metrics"}
PARTS = {"encoders", "decoders", "fusion", "heads"}
MODELS = LAYERS | PARTS | {"keras_compat", "models"}
DATA = {"data", "preprocessing"}
# Part -> what it may import, besides itself and the floor.
ARROWS = {
    "bounds": set(),
    "feature_kinds": set(),
    "files": set(),
    "names": {"feature_kinds"},
    "problem_types": set(),
    "presets": {"files"},
    "progress": set(),
    "schema": {"feature_kinds", "files", "names", "problem_types"},
    "lazy": set(),
    "masking": set(),
    "keras_compat": set(),
    "preprocessing": set(),
    "pretrained": set(),
    "data": {"preprocessing", "pretrained"},
    "losses": {"masking"},
    "metrics": {"losses"},
    "layers": {"keras_compat", "losses", "masking"},
    "encoders": {"layers", "masking", "pretrained"},
    "decoders": {"layers", "masking"},
    "fusion": {"layers", "masking"},
    "heads": LAYERS,
    "models": LAYERS | PARTS | {"keras_compat"},
    "zoo": {"models"},
    "evaluation": DATA | MODELS,
    "explain": DATA | MODELS | {"evaluation"},
    "training": DATA | MODELS | {"evaluation"},
    "serving": DATA | MODELS,
    "transfer": DATA | MODELS | {"evaluation", "training"},
    "reasoning": DATA | MODELS | {"evaluation"},
    "factorization": set(),
    "workflows": DATA
    | MODELS
    | {"evaluation", "explain", "pretrained", "reasoning", "serving", "training", "transfer", "zoo"},
}
TOP = {"__init__", "cli"}
# Where TensorFlow itself is needed: tf.data, strings and encoded images, gradients, SavedModels.
TENSORFLOW = {
    "cli/jobs.py",
    "data/feature_store.py",
    "data/features/boxes.py",
    "data/features/categorical.py",
    "data/image_cache.py",
    "data/image_decoding.py",
    "data/image_shards.py",
    "data/image_store.py",
    "data/interaction_batches.py",
    "data/missing.py",
    "data/pipeline.py",
    "data/signal_store.py",
    "data/sort_of_clevr/symmetries.py",
    "data/tf_options.py",
    "data/video_store.py",
    "evaluation/caption_baselines.py",
    "evaluation/captions.py",
    "evaluation/corruption.py",
    "evaluation/features/boxes.py",
    "evaluation/features/categorical.py",
    "evaluation/features/image.py",
    "evaluation/features/signal.py",
    "evaluation/features/text.py",
    "evaluation/features/video.py",
    "evaluation/robustness.py",
    "explain/captions.py",
    "explain/saliency.py",
    "preprocessing/alpha.py",
    "preprocessing/animated_gif.py",
    "preprocessing/augmentation.py",
    "preprocessing/cleaning.py",
    "preprocessing/detokenize.py",
    "preprocessing/exif.py",
    "preprocessing/features/boxes.py",
    "preprocessing/features/categorical.py",
    "preprocessing/features/numeric.py",
    "preprocessing/features/text.py",
    "preprocessing/gif.py",
    "preprocessing/image.py",
    "preprocessing/image_formats.py",
    "preprocessing/jpeg.py",
    "preprocessing/longest_match.py",
    "preprocessing/ngrams.py",
    "preprocessing/resample.py",
    "preprocessing/signal.py",
    "preprocessing/text.py",
    "preprocessing/video.py",
    "preprocessing/wav.py",
    "preprocessing/wordpiece.py",
    "serving/caption_signatures.py",
    "serving/dual_signatures.py",
    "serving/features/boxes.py",
    "serving/features/categorical.py",
    "serving/features/image.py",
    "serving/features/numeric.py",
    "serving/features/signal.py",
    "serving/features/text.py",
    "serving/features/video.py",
    "serving/freezing.py",
    "serving/gallery.py",
    "serving/ground_signatures.py",
    "serving/image_signatures.py",
    "serving/linear_signatures.py",
    "serving/lite.py",
    "serving/raw_inputs.py",
    "serving/recommender.py",
    "serving/segment_signatures.py",
    "serving/signatures.py",
    "serving/tasks/base.py",
    "serving/tasks/multilabel.py",
    "serving/tasks/ordinal.py",
    "serving/traced_decoder.py",
    "serving/warmup.py",
    "training/adversarial.py",
    "training/distributed_contrastive.py",
    "evaluation/frozen_features.py",
    "training/gradient_cache.py",
    "training/strategy.py",
}


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        yield name, name.split("/")[0].removesuffix(".py"), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Dotted names of all that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_has_its_arrows():
    assert {part for _, part, _ in sources()} == ARROWS.keys() | TOP


def test_imports_follow_the_arrows():
    wrong = []
    for name, part, tree in sources():
        if part in TOP:
            continue
        allowed = ARROWS[part] | {part} | (set() if part in FLOOR else FLOOR)
        for target in imported(tree):
            top, _, rest = target.partition(".")
            if top == "kerasfusion" and rest.split(".")[0] not in allowed | {"__version__"}:
                wrong.append(f"{name}: {target}")
    assert wrong == []


def test_arrows_make_no_circle():
    def reach(part, seen=()):
        assert part not in seen, f"circle: {' -> '.join([*seen, part])}"
        for other in ARROWS[part]:
            reach(other, (*seen, part))

    for part in ARROWS:
        reach(part)


def test_imports_inside_the_package_are_explicit():
    whole = [
        name
        for name, _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(alias.name == "kerasfusion" for alias in node.names)
    ]
    assert whole == []


def test_tensorflow_is_imported_where_it_is_needed():
    found = {name for name, _, tree in sources() if any(t.split(".")[0] == "tensorflow" for t in imported(tree))}
    assert found == TENSORFLOW


@pytest.mark.parametrize("part", sorted(MODELS | {"zoo"}))
def test_the_neutral_floor_has_no_tensorflow(part):
    assert not [name for name in TENSORFLOW if name.split("/")[0] == part]


def test_the_calls_of_every_benchmark_are_type_checked():
    """No test runs the benchmarks; mypy looks into their untyped functions by the list in pyproject.toml."""
    root = PACKAGE.parent
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    checked = {name for entry in config["overrides"] if entry.get("check_untyped_defs") for name in entry["module"]}
    assert checked == {path.stem for path in (root / "experiments" / "benchmarks").glob("*.py")}
