"""Loads, watches and unloads the versions of models, as TF Serving's manager does."""

import contextlib
import logging
import threading
import time
from pathlib import Path

from kerasfusion.serving import warmup
from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.errors import INVALID_ARGUMENT, NOT_FOUND, UNKNOWN, ServingError
from kerasfusion.serving.model_config import MODELS_FILE, read_models, versions_in

logger = logging.getLogger(__name__)


class ModelVersion:
    """One version of a model.

    Args:
        model: Name of the model.
        number: The version.
        path: Its folder.

    Attributes:
        state: `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`, TF Serving's words.
        error: The `ServingError` that ended it, or `None`.
        session: Its `CApiSession` while it is available.
    """

    def __init__(self, model, number, path):
        self.model = model
        self.number = number
        self.path = path
        self.state = "LOADING"
        self.error = None
        self.session = None
        self.users = 0
        self.files = None

    def load(self):
        """Loads it and replays its warm-up requests, so that no caller pays for the first call."""
        self.files = _files(self.path)
        session = CApiSession(self.path)
        try:
            if (self.path / warmup.FILE).is_file():
                for signature, inputs, _ in warmup.read_warmup(self.path / warmup.FILE):
                    session.run(signature, inputs)
        except BaseException:
            session.close()
            raise
        self.session = session

    def may_load_again(self):
        """Whether it ended well, or its files are no longer those that failed."""
        return self.state == "END" and (self.error is None or self.files != _files(self.path))


class ModelManager:
    """The models of a folder, each in the versions that should be served.

    A version that appears is loaded and warmed up beside the one that serves; only then is the old one taken off, and
    freed after the requests that still run on it. A version that cannot be loaded leaves the old one serving, and is
    tried again when its files change. `models.config` is read again at every poll.

    As in TF Serving, a model whose folder disappears goes on serving: a mount that is away may come back. A version
    whose folder disappears from a model's folder that is still there is unloaded, after the requests on it. What goes
    wrong with one model is said once, and leaves it and the others as they are.

    Args:
        folder: What `read_models()` takes.

    Raises:
        ServingError: The folder or its `models.config` cannot be read.

    Example:
    ```python
    manager = ModelManager("saved_models")
    manager.poll()
    with manager.use("shapes_vqa") as version:
        version.session.run("serving_default", inputs)
    ```
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._configs = {model.name: model for model in read_models(folder)}
        self._complaints = {}
        self._versions = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = None

    @property
    def models(self):
        """Model name -> its `ModelConfig`."""
        return self._configs

    def versions(self, model):
        """Every version of a model that was ever loaded or tried, the highest first."""
        with self._changed:
            known = dict(self._versions.get(model, {}))
        return [known[number] for number in sorted(known, reverse=True)]

    def available(self, model):
        """The versions of a model that answer requests, the highest first."""
        return [version for version in self.versions(model) if version.state == "AVAILABLE"]

    @contextlib.contextmanager
    def use(self, model, number=None, label=None):
        """Gives a version that stays loaded within the `with` block.

        Args:
            model: Name of the model.
            number: Its version; the highest available one if neither this nor `label` is given.
            label: A label of `models.config`.

        Raises:
            ServingError: There is no such model, version or label; TF Serving's own words.
        """
        if label is not None:
            labels = self._configs[model].labels if model in self._configs else {}
            if label not in labels:
                raise ServingError(f"Unrecognized servable version label: {label}", INVALID_ARGUMENT)
            number = labels[label]
        with self._changed:
            found = [v for v in self._versions.get(model, {}).values() if v.state == "AVAILABLE"]
            found = [version for version in found if number in (None, version.number)]
            if not found:
                wanted = f"Latest({model})" if number is None else f"Specific({model}, {number})"
                raise ServingError(f"Servable not found for request: {wanted}", NOT_FOUND)
            version = max(found, key=lambda version: version.number)
            version.users += 1
        try:
            yield version
        finally:
            with self._changed:
                version.users -= 1
                self._changed.notify_all()

    def poll(self):
        """Brings what is loaded into line with what is on disk."""
        with self._complaining("the models stay as they are"):
            self._configs = self._read_configs()
        for name in {**self._configs, **self._versions}:
            with self._complaining(f"model {name} stays as it is"):
                self._update(name, self._configs.get(name))

    def watch(self, seconds=1.0):
        """Polls again and again, in a thread of its own."""
        self._thread = threading.Thread(target=self._watch, args=(seconds,), name="models", daemon=True)
        self._thread.start()

    def close(self):
        """Stops watching and frees every model, after the requests that still run."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
        for name in self._versions:
            for version in self.available(name):
                self._unload(version)

    def _watch(self, seconds):
        while not self._stopping.wait(seconds):
            self.poll()

    @contextlib.contextmanager
    def _complaining(self, effect):
        """Tell of an error once, as long as it stays the same. Nothing that lies in a folder may end the watch."""
        try:
            yield
        except Exception as error:
            text = f"{str(error) or type(error).__name__}: {effect}"
            if self._complaints.get(effect) != text:
                self._tell(text)
            self._complaints[effect] = text
        else:
            self._complaints.pop(effect, None)

    def _tell(self, line):
        # Standard output may be a pipe that nobody reads any more.
        with contextlib.suppress(OSError, ValueError):
            logger.info(line)

    def _read_configs(self):
        configs = {model.name: model for model in read_models(self.folder)}
        if not (self.folder / MODELS_FILE).is_file():
            # `models.config` would still name a model whose folder is away.
            away = {name: model for name, model in self._configs.items() if not model.base_path.is_dir()}
            configs = {**away, **configs}
        return configs

    def _update(self, name, config):
        # As TF Serving: a folder that is gone altogether may come back, one that is empty was emptied on purpose.
        if config and not config.base_path.is_dir():
            raise ServingError(f"Could not find base path {config.base_path}", NOT_FOUND)
        on_disk = versions_in(config.base_path) if config else {}
        wanted = config.wanted(on_disk) if config else []
        for number in wanted:
            known = self._versions.get(name, {}).get(number)
            if known is None or known.may_load_again():
                self._load(ModelVersion(name, number, on_disk[number]))
        available = self.available(name)
        if wanted and not any(version.number in wanted for version in available):
            return
        for version in available:
            if version.number not in wanted:
                self._unload(version)

    def _load(self, version):
        with self._changed:
            self._versions.setdefault(version.model, {})[version.number] = version
        started = time.perf_counter()
        try:
            version.load()
        # Whatever is wrong with one version must not take the others down; the status shows it.
        except Exception as error:
            version.error = error if isinstance(error, ServingError) else ServingError(str(error), UNKNOWN)
            version.state = "END"
            serving = ", ".join(str(v.number) for v in self.available(version.model))
            goes_on = f"; version {serving} goes on serving" if serving else ""
            self._tell(f"{version.model}: version {version.number} failed: {version.error}{goes_on}")
            return
        with self._changed:
            version.state = "AVAILABLE"
        seconds = time.perf_counter() - started
        self._tell(f"{version.model}: version {version.number} is available, loaded and warmed up in {seconds:.1f} s")

    def _unload(self, version):
        with self._changed:
            version.state = "UNLOADING"
            self._changed.wait_for(lambda: not version.users)
        version.session.close()
        version.session = None
        version.state = "END"
        self._tell(f"{version.model}: version {version.number} is unloaded")


def _files(folder):
    """What changes when a file of the folder does. A link may point nowhere."""
    paths = sorted(folder.rglob("*"))
    stats = [(str(path), path.stat() if path.exists() else path.lstat()) for path in paths]
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
