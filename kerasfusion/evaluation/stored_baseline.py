"""The base class of the classical baselines: what `kf.train` fits them on, and their file."""

import zipfile

import numpy as np

from kerasfusion.files import atomic_write


class StoredBaseline:
    """A baseline that is fitted on `Examples`, predicts as a model's heads do, and is kept as arrays.

    Attributes:
        name: str, what it is called in reports.
        models: dict task name -> fitted model; without the tasks that it cannot learn.
    """

    name: str

    @classmethod
    def problem(cls):
        """Why it cannot be used here, or None."""
        return None

    @classmethod
    def suits(cls, data):
        """Whether `Data` has what it is fitted on."""
        raise NotImplementedError

    def reads(self, examples):
        """Whether the rows have all that it reads."""
        raise NotImplementedError

    def predict(self, examples):
        """Predict as a model's heads do.

        Args:
            examples: `Examples`.

        Returns:
            dict task in `models` -> dict with `probabilities` `(n, C)` or `value` `(n,)`.
        """
        raise NotImplementedError

    def to_arrays(self):
        """All that is kept, as numeric arrays: dict name -> array."""
        raise NotImplementedError

    def from_arrays(self, arrays):
        """Set all attributes from the mapping that `to_arrays` gave."""
        raise NotImplementedError

    def save(self, path):
        """Write it into an `.npz` file.

        Args:
            path: str or Path.
        """
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **self.to_arrays())

    @classmethod
    def load(cls, path):
        """Read a baseline that `save` wrote.

        Args:
            path: str or Path.

        Raises:
            ValueError: the file is not one of these.
        """
        self = cls.__new__(cls)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                self.from_arrays(arrays)
        except (OSError, KeyError, ValueError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} cannot be read as the baseline {cls.name!r} ({type(error).__name__}: {error}). Delete it to "
                "evaluate without this baseline, or train the run again."
            ) from error
        return self


def as_bytes(text):
    """A string as uint8 `(n,)`, for an `.npz` file without pickles."""
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def as_text(array):
    """The string of `as_bytes`."""
    return array.tobytes().decode("utf-8", "surrogatepass")
