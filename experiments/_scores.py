"""Score models over seeds, print the comparison, and collect the rows of the results file."""

import _common
import numpy as np

from kerasfusion.evaluation import compare_predictions, postprocess, predict_classes, predict_logits


def predict(model, examples):
    """Predicted classes of the only task."""
    (task,) = examples.schema.tasks
    return predict_classes(task, postprocess(model, predict_logits(model, examples))[task.name])


class Scoreboard:
    """Scores of all models of a tutorial.

    Args:
        seeds: Seeds of every comparison.

    Attributes:
        rows: list of dict, the rows of the results file.
    """

    def __init__(self, seeds):
        self.seeds = seeds
        self.rows = []

    def run(self, title, examples, method, seeds=None, **settings):
        """Train models with each seed, and compare their accuracy.

        Args:
            title: str, prefix of the recorded model names.
            examples: The `Examples` to score.
            method: A generator function: `method(seed, **settings)` yields `(name, model)`. A model is scored as
                soon as it is yielded.
            seeds: Defaults to those of the scoreboard.
            **settings: Further arguments of `method`.

        Returns:
            tuple: dict model name -> mean accuracy, the best first; dict model name -> model of the last seed.
        """
        predictions, models = [], {}
        for seed in self.seeds if seeds is None else seeds:
            predictions.append({})
            for name, models[name] in method(seed, **settings):
                predictions[-1][name] = predict(models[name], examples)
        return self.compare(title, examples, predictions), models

    def compare(self, title, examples, predictions, task=None, metric="accuracy"):
        """Print the accuracy of each model, the best first, with its 95 % interval over seeds and rows.

        Args:
            title: str, prefix of the recorded model names.
            examples: The `Examples` that were predicted.
            predictions: List over seeds of dict model name -> predicted classes.
            task: The `Task` that was predicted. Defaults to the first.
            metric: str, the recorded name of the metric.

        Returns:
            dict: model name -> mean accuracy, the best first.
        """
        task = task or examples.schema.tasks[0]
        by_name = {name: [one_seed[name] for one_seed in predictions] for name in predictions[0]}
        comparison = compare_predictions(task, examples.labels[task.name], by_name)
        print(f"\n{title}: {comparison.verdict}")
        for name, score in comparison.scores.items():
            print(f"  {name:48} {score.mean:6.1%} [{score.low:.1%}, {score.high:.1%}]")
            self._append(title, name, metric, score.mean, low=score.low, high=score.high, n=comparison.rows)
        return {name: score.mean for name, score in comparison.scores.items()}

    def add(self, title, name, metric, values, **columns):
        """Print and record one figure of a model; of several seeds, the mean.

        Args:
            title: str, prefix of the recorded model name.
            name: str, the model.
            metric: str.
            values: float, or one float per seed.
            **columns: Further columns of the row, such as `n`.
        """
        print(f"  {name:48} {metric} {np.mean(values):.3f}")
        self._append(title, name, metric, float(np.mean(values)), **columns)

    def _append(self, title, name, metric, value, **columns):
        self.rows.append({"model": f"{title}: {name}", "metric": metric, "value": value, **columns})

    def record(self, path, experiment, command):
        """Append the rows to the results file, if `path` is given.

        Rows with a `seed` are an experiment of their own: `<experiment>, language, <seed>`.
        """
        _common.record(path, [row for row in self.rows if "seed" not in row], experiment, command)
        for seed in sorted({row["seed"] for row in self.rows if "seed" in row}):
            rows = [row for row in self.rows if row.get("seed") == seed]
            _common.record(path, rows, f"{experiment}, language, {seed}", command, seed)
