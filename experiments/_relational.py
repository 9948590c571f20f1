"""What tutorial 02 does for every fusion: one budget, resumable training, figures by kind of question."""

import json
import re
import time

import _common
import numpy as np
from cpu_budget import plan_epochs, some_images

import kerasfusion as kf
from kerasfusion.evaluation import postprocess, predict_classes, predict_logits, score_predictions

COMMAND = "python experiments/02_relational_vqa.py --results experiments/results/relational_vqa.csv"
# What decides which models are trained further and which is exported. The test scenes are only reported.
CHOSEN_BY = "validation accuracy (relational)"


class Study:
    """Trainings and their figures in one CSV file; what is in it is not done again.

    Args:
        data: The data of the tutorial.
        tests: dict metric -> test `Examples`; the first is also scored by subtype.
        results: Path of the CSV file.
        output_dir: Path of the folder of the runs.
        make: `make(fusion, seed) -> keras.Model`.
        name_of: `name_of(fusion) -> str`, the name in the results.
        quick: Whether to train a single epoch.
    """

    def __init__(self, data, tests, results, output_dir, make, name_of, quick):
        self.train, self.validation, self.fresh = data.splits.values()
        (self.task,) = data.schema.tasks
        self.tests, self.results, self.output_dir, self.quick = tests, results, output_dir, quick
        self.make, self.name_of = make, name_of

    def scores(self, answers_for):
        """Rows of the results: the score of each kind of question; `answers_for` takes test `Examples`."""
        rows = []
        for metric, examples in self.tests.items():
            answers, labels = answers_for(examples), examples.labels[self.task.name]
            for column in ("type", "subtype") if examples is self.fresh else ("type",):
                kinds = examples.frame[column].to_numpy(object)
                for kind in dict.fromkeys(kinds):
                    found = score_predictions(self.task, labels, answers, examples.images["image"], kinds == kind)
                    figures = {key: getattr(found, key) for key in ("value", "low", "high", "n")}
                    rows.append({"metric": f"{metric} ({kind})", **figures})
        return rows

    def validation_score(self, answers_for):
        """The accuracy on relational questions of the validation scenes."""
        examples = self.validation
        kinds, labels = examples.frame["type"].to_numpy(object), examples.labels[self.task.name]
        answers, groups = answers_for(examples), examples.images["image"]
        found = score_predictions(self.task, labels, answers, groups, kinds == "relational")
        return {"metric": CHOSEN_BY, "value": found.value}

    def keep(self, name, rows, seed=0):
        """Write the figures of one model: an experiment of its own, so that no other run replaces it."""
        rows = [{"model": name, **row} for row in rows]
        _common.record(self.results, rows, f"02_relational_vqa: {name}", COMMAND, seed)

    def done(self, name):
        """Whether the file has this model."""
        return any(row["model"] == name for row in _common.recorded(self.results))

    def run(self, fusion, seed, minutes, examples=None, ending=""):
        """Train one model on `examples` (None: the training split), unless it is done, and keep its figures."""
        name = f"{self.name_of(fusion)}, seed {seed}, " + ("quick" if self.quick else f"{minutes:g} minutes") + ending
        if self.done(name):
            return
        out = self.output_dir / name.replace(", ", "_").replace(" ", "_")
        out.mkdir(parents=True, exist_ok=True)
        config = {"batch_size": 160, "learning_rate": 1e-3, "weight_decay": 1e-3, "patience": None, "seed": seed}
        config |= {"global_clipnorm": 1.0, "jit_compile": True}
        examples = self.train if examples is None else examples
        plan = self.plan(out, fusion, seed, minutes, examples, config)
        part = some_images(examples, round(plan["share"] * len(np.unique(examples.images["image"]))), seed)
        print(f"{name}: {plan['epochs']} epochs of {len(part):,} questions", flush=True)
        model = self.make(fusion, seed)
        planned = kf.training.TrainingConfig(**config, epochs=plan["epochs"])
        started = time.process_time()
        try:
            cost = kf.training.fit(model, part, self.validation, planned, out, resume=True)
        finally:
            plan["spent"] += time.process_time() - started
            (out / "plan.json").write_text(json.dumps(plan))

        def answers(examples):
            return predict_classes(self.task, postprocess(model, predict_logits(model, examples))[self.task.name])

        rows = [*self.scores(answers), self.validation_score(answers)]
        costs = {"processor seconds": plan["spent"], "epochs": plan["epochs"], "best epoch": cost["best_epoch"]}
        costs["parameters"] = model.count_params()
        self.keep(name, [*rows, *({"metric": key, "value": value} for key, value in costs.items())], seed)
        # One question of each image is enough.
        first = self.validation.take(np.arange(0, len(self.validation), 20))
        vectors = kf.transfer.extract_features(model, "encode_image", first)
        length, apart = (np.linalg.norm(part, axis=1).mean() for part in (vectors, vectors - vectors.mean(axis=0)))
        print(f"{name}: images' vectors are {length:.3g} long and {apart:.2g} from their mean")
        print(name, {row["metric"]: round(row["value"], 3) for row in rows[:2]}, flush=True)

    def plan(self, out, fusion, seed, minutes, examples, config):
        """Epochs and share of the images that fit the budget; timed once, then read back."""
        file = out / "plan.json"
        if self.quick:
            file.write_text(json.dumps({"epochs": 1, "share": 1, "spent": 0}))
        if not file.exists():
            planned = kf.training.TrainingConfig(**config)
            model, few = self.make(fusion, seed), out / "timing"
            epochs, share = plan_epochs(model, examples, self.validation, planned, 60 * minutes, few)
            file.write_text(json.dumps({"epochs": epochs, "share": share, "spent": 0}))
        return json.loads(file.read_text())

    def keep_means(self):
        """Write means and standard deviations over seeds of what was trained with several."""
        by_seed = {}
        for row in _common.recorded(self.results):
            named = re.fullmatch(r"(.*), seed \d+(.*)", row["model"])
            if named and row["metric"].startswith("accuracy"):
                by_seed.setdefault(named.groups(), {}).setdefault(row["metric"], []).append(float(row["value"]))
        for (before, after), metrics in by_seed.items():
            seeds = len(next(iter(metrics.values())))
            if seeds > 1:
                rows = [{"metric": metric, "value": np.mean(values)} for metric, values in metrics.items()]
                values = metrics["accuracy (relational)"]
                rows.append({"metric": "deviation over seeds, relational", "value": np.std(values, ddof=1)})
                self.keep(f"{before}, mean over seeds{after}", [*rows, {"metric": "seeds", "value": seeds}])

    def best_on_validation(self, count):
        """The fusions that answer most relational questions of the validation scenes after 6 minutes, best first."""
        ending = ", seed 0, 6 minutes"
        found = {
            row["model"].removesuffix(ending).removesuffix(", these encoders").removeprefix("vqa_"): float(
                row["value"]
            )
            for row in _common.recorded(self.results)
            if row["metric"] == CHOSEN_BY and row["model"].endswith(ending)
        }
        lacking = [fusion for fusion in kf.fusion.FUSIONS if fusion not in found]
        if lacking:
            raise SystemExit(
                f"{self.results} has no {CHOSEN_BY} of {', '.join(lacking)}, which older versions of this script did "
                "not write. Delete the rows of these models and start again, or name --fusions."
            )
        return sorted(found, key=found.get, reverse=True)[:count]

    def best_run(self):
        """The folder of the best run on validation.

        Raises:
            SystemExit: No run of the file has its model here.
        """
        named = {
            row["model"].replace(", ", "_").replace(" ", "_"): float(row["value"])
            for row in _common.recorded(self.results)
            if row["metric"] == CHOSEN_BY
        }
        trained = [path.parent for path in self.output_dir.glob("*/model.keras") if path.parent.name in named]
        if not trained:
            raise SystemExit(f"Every run is in {self.results}, but there is no model in {self.output_dir} to export.")
        return max(trained, key=lambda folder: named[folder.name])
