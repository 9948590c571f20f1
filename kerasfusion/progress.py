"""Progress messages: modules log them to their own loggers, `verbose=` decides whether they are shown."""

import contextlib
import logging
import sys

PACKAGE = logging.getLogger("kerasfusion")


@contextlib.contextmanager
def progress(verbose):
    """Show the package's progress messages within this context, or silence them.

    Messages are INFO records of the loggers `kerasfusion.*` and go to the handlers that `logging` has. Where there is
    none, they are printed to standard output.

    Args:
        verbose: Whether to show progress: 0 or False is silent, anything else shows it.

    Example:

    ```python
    logger = logging.getLogger(__name__)
    with progress(verbose):
        logger.info("Training %s", name)
    ```
    """
    level, handler = PACKAGE.level, None
    PACKAGE.setLevel(logging.INFO if verbose else logging.WARNING)
    if verbose and not PACKAGE.hasHandlers():
        handler = logging.StreamHandler(sys.stdout)
        PACKAGE.addHandler(handler)
    try:
        yield
    finally:
        PACKAGE.setLevel(level)
        if handler is not None:
            PACKAGE.removeHandler(handler)
