"""The classical text baseline: TF-IDF of word and character n-grams, and a linear model."""

import zipfile

import numpy as np
import pandas as pd
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from kerasfusion.evaluation.linear_models import LinearModel, fit_linear
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.files import atomic_write

ANALYZERS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "char_wb": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
# Of more text than this, only words are counted: each character is part of ten n-grams.
MOST_CHARACTERS = 5_000_000
# Most weights of a linear model: n-grams times classes.
MOST_WEIGHTS = 2_000_000


class BagOfWords:
    """TF-IDF of word 1-2-grams and character 2-5-grams of all text features, and a linear model for each task.

    It is fitted in seconds, and a network that reads text has to beat it.

    Args:
        train: `Examples` with at least one text feature.
        validation: `Examples` that choose the strength of the regularization.

    Attributes:
        models: dict task name -> `LinearModel`; without the tasks that it cannot learn (captions, retrieval,
            labels that are all alike).

    Example:

    ```python
    baseline = kf.evaluation.BagOfWords(data.splits["train"], data.splits["validation"])
    decided = baseline.decide(data.schema.tasks[0], data.splits["test"])
    ```
    """

    def __init__(self, train, validation):
        schema = train.schema
        self.columns = [feature.columns[0] for feature in schema.of_kind("text")]
        self.vectorizers = self._fit_vectorizers(train, max(task.outputs for task in schema.tasks))
        self.models = {}
        if self.vectorizers:
            vectors, places, held_out = self._vectors(train, validation)
            fitted = {t.name: fit_linear(t, vectors, (places, train), (held_out, validation)) for t in schema.tasks}
            self.models = {name: model for name, model in fitted.items() if model is not None}

    def decide(self, task, examples):
        """Decide on rows.

        Args:
            task: A `Task` in `models`.
            examples: `Examples`.

        Returns:
            Decisions in the form of the labels.
        """
        return TASKS[task.type].decide(self.predict(task, examples))

    def predict(self, task, examples):
        """Predict probabilities or values, as the head of such a task does: dict of arrays."""
        vectors, places = self._vectors(examples)
        return {key: value[places] for key, value in self.models[task.name].predict(task, vectors).items()}

    def save(self, path):
        """Write the n-grams and weights into an `.npz` file.

        Args:
            path: str or Path.
        """
        arrays = {}
        for place, ((column, analyzer), fitted) in enumerate(self.vectorizers.items()):
            terms = sorted(fitted.vocabulary_, key=fitted.vocabulary_.get)
            # No n-gram holds a line break: white space separates words.
            for name, text in (("column", column), ("analyzer", analyzer), ("terms", "\n".join(terms))):
                arrays[f"{place}/{name}"] = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
            arrays[f"{place}/idf"] = fitted.idf_.astype("float32")
        for name, model in self.models.items():
            arrays[f"task/{name}/kernel"], arrays[f"task/{name}/bias"] = model.kernel, model.bias
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path):
        """Read a baseline that `save` wrote.

        Args:
            path: str or Path.

        Raises:
            ValueError: the file is not one of these.
        """
        try:
            return cls._load(path)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} cannot be read as a bag of words ({type(error).__name__}: {error}). Delete it to evaluate "
                "without this baseline, or train the run again."
            ) from error

    @classmethod
    def _load(cls, path):
        self = cls.__new__(cls)
        self.vectorizers, self.models = {}, {}
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            for place in range(sum(name.endswith("/idf") for name in arrays)):
                column, analyzer, terms = (
                    arrays[f"{place}/{name}"].tobytes().decode("utf-8", "surrogatepass")
                    for name in ("column", "analyzer", "terms")
                )
                fitted = _vectorizer(ANALYZERS[analyzer], vocabulary=terms.split("\n"))
                fitted.idf_ = arrays[f"{place}/idf"]
                self.vectorizers[column, analyzer] = fitted
            for name in [name for name in arrays if name.endswith("/kernel")]:
                task = name.removeprefix("task/").removesuffix("/kernel")
                self.models[task] = LinearModel(arrays[name], arrays[f"task/{task}/bias"])
        self.columns = list(dict.fromkeys(column for column, _ in self.vectorizers))
        return self

    def _fit_vectorizers(self, train, outputs):
        texts = _texts(train, self.columns)
        length = sum(len(text) for column in texts.values() for text in column)
        fitted = {}
        for column, text in texts.items():
            for name in ["word"] if length > MOST_CHARACTERS else ANALYZERS:
                rare = 1 if len(text) < 2000 else 2
                most = max(MOST_WEIGHTS // outputs, 2000)
                try:
                    fitted[column, name] = _vectorizer(ANALYZERS[name], min_df=rare, max_features=most).fit(text)
                except ValueError:  # no text has a single n-gram
                    continue
        return fitted

    def _vectors(self, *splits):
        """The features of the distinct texts, and for each split the place of every row among them."""
        texts = pd.concat([pd.DataFrame(_texts(split, self.columns)) for split in splits], ignore_index=True)
        places = texts.groupby(self.columns, sort=False).ngroup().to_numpy()
        distinct = texts.drop_duplicates(ignore_index=True)
        parts = [fitted.transform(distinct[column]) for (column, _), fitted in self.vectorizers.items()]
        ends = np.cumsum([len(split) for split in splits])[:-1]
        return hstack(parts).tocsr(), *np.split(places, ends)


def _vectorizer(analyzer, **settings):
    return TfidfVectorizer(**analyzer, **settings, sublinear_tf=True, dtype=np.float32)


def _texts(examples, columns):
    """Column -> its strings, `""` where there is none."""
    return {column: examples.frame[column].fillna("").astype(str).to_numpy(object) for column in columns}
