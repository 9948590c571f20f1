"""The package's progress messages."""

import contextlib
import logging


@contextlib.contextmanager
def logged():
    """List of the messages that the package logs within this context, as they come."""
    lines, logger = [], logging.getLogger("kerasfusion")
    level, handler = logger.level, logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
