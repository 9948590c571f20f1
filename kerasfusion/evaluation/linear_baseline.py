"""The base class of the classical baselines: fixed features of a row, and a linear model on them for each task."""

from kerasfusion.evaluation.linear_models import LinearModel, fit_linear
from kerasfusion.evaluation.stored_baseline import StoredBaseline

# Key of a classical baseline, in file names and `--baseline`, -> its name in reports.
NAMES = {
    "bag_of_words": "bag of words + linear model",
    "text_features": "text features + linear model",
    "image_features": "image features + linear model",
    "words_and_images": "bag of words and image features",
}


def recommend(name):
    """One sentence that recommends a baseline, by its name in reports."""
    keys = [key for key, own in NAMES.items() if own == name]
    export = "".join(f": export it with `kerasfusion export RUN OUT --baseline {key}`" for key in keys)
    return f"The model does not beat a simple baseline. The strongest is {name}{export}."


class LinearBaseline(StoredBaseline):
    """Fixed features of the rows, and a linear model on them for each task.

    A subclass sets what its `vectors` need and calls `fit`; `arrays` and `restore` keep that in the file.

    Attributes:
        name: str, what it is called in reports.
        models: dict task name -> `LinearModel`; without the tasks that it cannot learn (captions, retrieval,
            labels that are all alike).
    """

    def fit(self, train, validation):
        """Fit the linear models; `validation` chooses the strength of the regularization."""
        vectors, places, held_out = self.vectors(train, validation)
        tasks = train.schema.tasks
        fitted = {t.name: fit_linear(t, vectors, (places, train), (held_out, validation)) for t in tasks}
        self.models = {name: model for name, model in fitted.items() if model is not None}

    def predict(self, examples):
        vectors, places = self.vectors(examples)
        found = {}
        for task in examples.schema.tasks:
            if task.name in self.models:
                predicted = self.models[task.name].predict(task, vectors)
                found[task.name] = {key: value[places] for key, value in predicted.items()}
        return found

    def to_arrays(self):
        arrays = dict(self.arrays())
        for name, model in self.models.items():
            arrays[f"task/{name}/kernel"], arrays[f"task/{name}/bias"] = model.kernel, model.bias
        return arrays

    def from_arrays(self, arrays):
        self.restore(arrays)
        kernels = [name for name in arrays if name.startswith("task/") and name.endswith("/kernel")]
        tasks = [name.removeprefix("task/").removesuffix("/kernel") for name in kernels]
        self.models = {t: LinearModel(arrays[f"task/{t}/kernel"], arrays[f"task/{t}/bias"]) for t in tasks}

    def vectors(self, *splits):
        """Compute features.

        Args:
            *splits: `Examples`.

        Returns:
            tuple: float `(m, d)`, dense or sparse, the distinct features of all splits, and for each split int
            `(n,)`, the place of every row among them.
        """
        raise NotImplementedError

    def arrays(self):
        """What `vectors` needs, as numeric arrays: dict name -> array."""
        raise NotImplementedError

    def restore(self, arrays):
        """Set what `vectors` needs from the mapping that `arrays` gave."""
        raise NotImplementedError
