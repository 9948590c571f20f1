"""Import lazily loaded names at once where they are wanted, as for building API pages."""

import os
import sys


def load_if_eager(package):
    """Import every public name into `package` if the environment variable `EAGER_IMPORT` is set.

    Args:
        package: `__name__` of an imported package whose `__getattr__` imports the names of its `__all__`.
    """
    if os.environ.get("EAGER_IMPORT"):
        module = sys.modules[package]
        for name in module.__all__:
            if name not in vars(module):
                setattr(module, name, getattr(module, name))
