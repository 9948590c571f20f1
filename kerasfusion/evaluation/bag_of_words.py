"""The classical text baseline: TF-IDF of word and character n-grams, and a linear model."""

import numpy as np
import pandas as pd
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from kerasfusion.evaluation.linear_baseline import NAMES, LinearBaseline
from kerasfusion.evaluation.stored_baseline import as_bytes, as_text

ANALYZERS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "char_wb": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
# Of more text than this, only words are counted: each character is part of ten n-grams.
MOST_CHARACTERS = 5_000_000
# Most weights of a linear model: n-grams times classes.
MOST_WEIGHTS = 2_000_000


class BagOfWords(LinearBaseline):
    """TF-IDF of word 1-2-grams and character 2-5-grams of all text features, and a linear model for each task.

    It is fitted in seconds, and a network that reads text has to beat it.

    Args:
        train: `Examples` with at least one text feature.
        validation: `Examples` that choose the strength of the regularization.

    Attributes:
        columns: list of str, the columns with the texts.
        vectorizers: dict (column, name in `ANALYZERS`) -> fitted `TfidfVectorizer`.
        models: See `LinearBaseline`.

    Example:

    ```python
    baseline = kf.evaluation.BagOfWords(data.splits["train"], data.splits["validation"])
    baseline.predict(data.splits["test"])["label"]["probabilities"]  # (n, C)
    ```
    """

    name = NAMES["bag_of_words"]

    def __init__(self, train, validation):
        schema = train.schema
        self.columns = [feature.columns[0] for feature in schema.of_kind("text")]
        self.vectorizers = self._fit_vectorizers(train, max(task.outputs for task in schema.tasks))
        self.models = {}
        if self.vectorizers:
            self.fit(train, validation)

    @classmethod
    def suits(cls, data):
        return bool(data.schema.of_kind("text"))

    def reads(self, examples):
        return set(self.columns) <= set(examples.frame.columns)

    def vectors(self, *splits):
        texts = pd.concat([pd.DataFrame(_texts(split, self.columns)) for split in splits], ignore_index=True)
        places = texts.groupby(self.columns, sort=False).ngroup().to_numpy()
        distinct = texts.drop_duplicates(ignore_index=True)
        parts = [fitted.transform(distinct[column]) for (column, _), fitted in self.vectorizers.items()]
        ends = np.cumsum([len(split) for split in splits])[:-1]
        return hstack(parts).tocsr(), *np.split(places, ends)

    def arrays(self):
        found = {}
        for place, ((column, analyzer), fitted) in enumerate(self.vectorizers.items()):
            # No n-gram holds a line break: white space separates words.
            strings = {"column": column, "analyzer": analyzer, "terms": "\n".join(terms_of(fitted))}
            found |= {f"{place}/{name}": as_bytes(text) for name, text in strings.items()}
            found[f"{place}/idf"] = fitted.idf_.astype("float32")
        return found

    def restore(self, arrays):
        self.vectorizers = {}
        for place in range(sum(name.endswith("/idf") for name in arrays)):
            column, analyzer, terms = (as_text(arrays[f"{place}/{name}"]) for name in ("column", "analyzer", "terms"))
            fitted = _vectorizer(ANALYZERS[analyzer], vocabulary=terms.split("\n"))
            fitted.idf_ = arrays[f"{place}/idf"]
            self.vectorizers[column, analyzer] = fitted
        self.columns = list(dict.fromkeys(column for column, _ in self.vectorizers))

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


def terms_of(vectorizer):
    """A fitted vectorizer's n-grams, in the order of its columns."""
    return sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get)


def _vectorizer(analyzer, **settings):
    return TfidfVectorizer(**analyzer, **settings, sublinear_tf=True, dtype=np.float32)


def _texts(examples, columns):
    """Column -> its strings, `""` where there is none."""
    return {column: examples.frame[column].fillna("").astype(str).to_numpy(object) for column in columns}
