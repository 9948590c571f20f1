"""Ctrl-C and SIGTERM while training: finish the step, write a checkpoint, then stop."""

import logging
import signal
import threading

logger = logging.getLogger(__name__)


class Interruption:
    """Context in which the first Ctrl-C (or SIGTERM, as from a scheduler) only sets `asked`; a second stops at once.

    A signal that arrives in the middle of a step would leave weights that belong to no step. Training looks at
    `asked` between steps instead. Outside of the main thread, where Python handles no signals, nothing changes.

    Example:

    ```python
    with Interruption() as interruption:
        while not interruption.asked:
            step()
    ```
    """

    def __init__(self):
        self.asked = False
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_):
        self._put_back()

    def _ask(self, number, frame):
        self.asked = True
        self._put_back()
        logger.info("Stopping after this step and writing a checkpoint; once more stops at once.")

    def _put_back(self):
        while self._before:
            signal.signal(*self._before.popitem())
