"""Examples in the docstrings of the neutral floor run as they stand."""

import importlib
import pkgutil
import re
import textwrap

import keras
import numpy as np
import pytest

import kerasfusion as kf

PACKAGES = ("encoders", "decoders", "fusion", "heads", "layers", "losses", "metrics", "masking")
# They read a table, or download a preset.
NEEDS_DATA = {"BertEncoder", "CLIPImageEncoder", "CLIPTextEncoder", "KerasHubTextEncoder", "MiniLMEncoder"}
NEEDS_DATA |= {"load_word_vectors"}


def examples():
    for package in PACKAGES:
        root = importlib.import_module(f"kerasfusion.{package}")
        inner = pkgutil.walk_packages(getattr(root, "__path__", []), f"{root.__name__}.")
        for module in (root, *(importlib.import_module(info.name) for info in inner)):
            for name, found in vars(module).items():
                if getattr(found, "__module__", None) != module.__name__ or name in NEEDS_DATA:
                    continue
                code = re.search(r"```python\n(.*?)```", textwrap.dedent(f"    {found.__doc__ or ''}"), re.DOTALL)
                if code:
                    marks = (
                        [pytest.mark.slow] if module.__name__.endswith((".applications", "efficientnet_lite")) else []
                    )
                    yield pytest.param(code[1], vars(module), id=f"{package}.{name}", marks=marks)


@pytest.mark.parametrize(("code", "names"), list(examples()))
def test_the_example_runs(code, names):
    exec(code, {**names, "keras": keras, "np": np, "kf": kf})
