"""Progress messages: modules log them to their own loggers, `verbose=` decides whether they are shown."""

import contextlib
import logging
import sys

PACKAGE = logging.getLogger("kerasfusion")


@contextlib.contextmanager
def progress(verbose):
    """Show the package's progress messages within this context, or silence them.

    Messages are INFO records of the loggers `kerasfusion.*`. They go to the handlers of the logger `kerasfusion`;
    where it has none, they are printed to standard output, and not a second time by handlers of the root logger.

    Args:
        verbose: Whether to show progress: 0 or False is silent, anything else shows it.

    Example:

    ```python
    logger = logging.getLogger(__name__)
    with progress(verbose):
        logger.info("Training %s", name)
    ```
    """
    level, propagate, handler = PACKAGE.level, PACKAGE.propagate, None
    PACKAGE.setLevel(logging.INFO if verbose else logging.WARNING)
    if verbose and not PACKAGE.handlers:
        handler = logging.StreamHandler(sys.stdout)
        PACKAGE.addHandler(handler)
        PACKAGE.propagate = False
    try:
        yield
    finally:
        PACKAGE.setLevel(level)
        PACKAGE.propagate = propagate
        if handler is not None:
            PACKAGE.removeHandler(handler)
