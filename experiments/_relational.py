"""Helpers of tutorial 02: data, one CPU budget per model, resumable training and accuracy by question type."""

import json
import re
import time

import _common
import numpy as np
from cpu_budget import plan_epochs, some_images

import kerasfusion as kf
from kerasfusion.data.sort_of_clevr import mirrored
from kerasfusion.evaluation.trivial_baselines import by_key, majority

COMMAND = "python experiments/02_relational_vqa.py --results experiments/results/relational_vqa.csv"
# Decides which models train further and which one is exported. The test scenes are only reported.
CHOSEN_BY = "validation accuracy (relational)"
ACCURACIES = ("accuracy (relational)", "accuracy (non-relational)", CHOSEN_BY)


def load_published_test(data):
    """The 200 test scenes of the published configuration as `Examples`, encoded with the schema of `data`."""
    roles = dict.fromkeys(["image", "text", "label"]) | {"slice_by": ["questions/type", "questions/subtype"]}
    table, _ = kf.data.read_tfds("sort_of_clevr", roles)
    table = table[table["split"] == "test"].reset_index(drop=True)
    return kf.data.load_rows(table, data.schema, columns=data.columns)[0]


class Study:
    """Train many models under the same budget and record their accuracy; recorded models are skipped.

    Args:
        data: `kf.data.Data` with the splits train, validation and test.
        tests: Dict of metric name -> test `Examples`. The first is also scored by question subtype.
        results: Path of the CSV file.
        output_dir: Path of the folder that holds the runs.
        build_model: Function `(fusion, seed) -> keras.Model`.
        recorded_name: Function `fusion -> str`, the model's name in the CSV file.
        quick: Whether to train for a single epoch.
    """

    def __init__(self, data, tests, results, output_dir, build_model, recorded_name, quick):
        self.train, self.validation, self.test = data.splits.values()
        (self.task,) = data.schema.tasks
        self.tests, self.results, self.output_dir, self.quick = tests, results, output_dir, quick
        self.build_model, self.recorded_name = build_model, recorded_name

    def accuracy_rows(self, predict):
        """Accuracy per question type as CSV rows; `predict` maps `Examples` to predicted classes."""
        rows = []
        for metric, examples in self.tests.items():
            predictions, labels = predict(examples), examples.labels[self.task.name]
            for column in ("type", "subtype") if examples is self.test else ("type",):
                types = examples.frame[column].to_numpy(object)
                for name in dict.fromkeys(types):
                    score = kf.evaluation.score_predictions(
                        self.task, labels, predictions, examples.arrays["image"], types == name
                    )
                    fields = {key: getattr(score, key) for key in ("value", "low", "high", "n")}
                    rows.append({"metric": f"{metric} ({name})", **fields})
        return rows

    def validation_row(self, predict):
        """Accuracy on the relational questions of the validation scenes as a CSV row."""
        examples = self.validation
        relational = examples.frame["type"].to_numpy(object) == "relational"
        score = kf.evaluation.score_predictions(
            self.task, examples.labels[self.task.name], predict(examples), examples.arrays["image"], relational
        )
        return {"metric": CHOSEN_BY, "value": score.value}

    def record(self, name, rows, seed=0):
        """Write the rows of one model as an experiment of its own, so that no other run replaces them."""
        rows = [{"model": name, **row} for row in rows]
        _common.record(self.results, rows, f"02_relational_vqa: {name}", COMMAND, seed)

    def is_recorded(self, name):
        """Whether the CSV file holds this model."""
        return any(row["model"] == name for row in _common.recorded(self.results))

    def evaluate_baselines(self):
        """Record the majority class and the most frequent training answer to each question."""
        if self.is_recorded("text lookup"):
            return
        task, labels, questions = self.task, self.train.labels[self.task.name], self.train.frame["question"]
        self.record("majority", self.accuracy_rows(lambda examples: majority(task, labels, len(examples))))
        rows = self.accuracy_rows(lambda examples: by_key(task, questions, labels, examples.frame["question"]))
        self.record("text lookup", rows)

    def train_model(self, fusion, seed, minutes, mirror=False):
        """Train and record one model, unless it is recorded already.

        Args:
            fusion: Name of the fusion.
            seed: Seed of the initial weights and of the batch order.
            minutes: Budget in minutes of CPU time.
            mirror: Whether to add mirrored training images.
        """
        name = f"{self.recorded_name(fusion)}, seed {seed}, " + ("quick" if self.quick else f"{minutes:g} minutes")
        name += ", mirrored" * mirror
        if self.is_recorded(name):
            return
        run_dir = self.output_dir / name.replace(", ", "_").replace(" ", "_")
        run_dir.mkdir(parents=True, exist_ok=True)
        config = {"batch_size": 160, "learning_rate": 1e-3, "weight_decay": 1e-3, "patience": None, "seed": seed}
        config |= {"global_clipnorm": 1.0, "jit_compile": True}
        examples = mirrored(self.train) if mirror else self.train
        plan = self.plan(run_dir, fusion, seed, minutes, examples, config)
        examples = some_images(examples, round(plan["share"] * len(np.unique(examples.arrays["image"]))), seed)
        print(f"{name}: {plan['epochs']} epochs of {len(examples):,} questions", flush=True)
        model = self.build_model(fusion, seed)
        config = kf.training.TrainingConfig(**config, epochs=plan["epochs"])
        start = time.process_time()
        try:
            summary = kf.training.fit(model, examples, self.validation, config, run_dir, resume=True)
        finally:
            plan["spent"] += time.process_time() - start
            (run_dir / "plan.json").write_text(json.dumps(plan))

        def predict(examples):
            outputs = kf.evaluation.postprocess(model, kf.evaluation.predict_logits(model, examples))
            return kf.evaluation.predict_classes(self.task, outputs[self.task.name])

        rows = [*self.accuracy_rows(predict), self.validation_row(predict)]
        costs = {"processor seconds": plan["spent"], "epochs": plan["epochs"], "best epoch": summary["best_epoch"]}
        costs["parameters"] = model.count_params()
        self.record(name, [*rows, *({"metric": key, "value": value} for key, value in costs.items())], seed)
        self.print_vector_norms(name, model)
        print(name, {row["metric"]: round(row["value"], 3) for row in rows[:2]}, flush=True)

    def print_vector_norms(self, name, model):
        """Print how long the pooled image vectors are and how much they differ between images."""
        # Twenty questions share an image; one of them is enough.
        examples = self.validation.take(np.arange(0, len(self.validation), 20))
        vectors = kf.transfer.extract_features(model, "encode_image", examples)
        norm = np.linalg.norm(vectors, axis=1).mean()
        spread = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).mean()
        print(f"{name}: image vectors have mean norm {norm:.3g} and mean distance {spread:.2g} to their mean")

    def plan(self, run_dir, fusion, seed, minutes, examples, config):
        """Epochs and share of the images that fit the budget; timed once per run folder, then read back."""
        file = run_dir / "plan.json"
        if self.quick:
            file.write_text(json.dumps({"epochs": 1, "share": 1, "spent": 0}))
        if not file.exists():
            model = self.build_model(fusion, seed)
            config = kf.training.TrainingConfig(**config)
            epochs, share = plan_epochs(model, examples, self.validation, config, 60 * minutes, run_dir / "timing")
            file.write_text(json.dumps({"epochs": epochs, "share": share, "spent": 0}))
        return json.loads(file.read_text())

    def record_means(self):
        """Record mean accuracy and standard deviation of models trained with several seeds."""
        by_model = {}
        for row in _common.recorded(self.results):
            match = re.fullmatch(r"(.*), seed \d+(.*)", row["model"])
            if match and row["metric"].startswith("accuracy"):
                by_model.setdefault(match.groups(), {}).setdefault(row["metric"], []).append(float(row["value"]))
        for (prefix, suffix), metrics in by_model.items():
            seeds = len(next(iter(metrics.values())))
            if seeds > 1:
                rows = [{"metric": metric, "value": np.mean(values)} for metric, values in metrics.items()]
                values = metrics["accuracy (relational)"]
                rows.append({"metric": "deviation over seeds, relational", "value": np.std(values, ddof=1)})
                self.record(f"{prefix}, mean over seeds{suffix}", [*rows, {"metric": "seeds", "value": seeds}])

    def best_fusions(self, count):
        """The fusions with the highest validation accuracy on relational questions after 6 minutes, best first."""
        suffix = ", seed 0, 6 minutes"
        scores = {}
        for row in _common.recorded(self.results):
            if row["metric"] == CHOSEN_BY and row["model"].endswith(suffix):
                fusion = row["model"].removesuffix(suffix).removesuffix(", these encoders").removeprefix("vqa_")
                scores[fusion] = float(row["value"])
        missing = [fusion for fusion in kf.fusion.FUSIONS if fusion not in scores]
        if missing:
            raise SystemExit(
                f"{self.results} has no {CHOSEN_BY} for {', '.join(missing)}: an older version of this script did "
                "not write it. Delete the rows of these models and start again, or pass --fusions."
            )
        return sorted(scores, key=scores.get, reverse=True)[:count]

    def best_run(self):
        """The folder of the run with the highest validation accuracy on relational questions.

        Raises:
            SystemExit: No recorded run has its model in the output folder.
        """
        scores = {
            row["model"].replace(", ", "_").replace(" ", "_"): float(row["value"])
            for row in _common.recorded(self.results)
            if row["metric"] == CHOSEN_BY
        }
        folders = [path.parent for path in self.output_dir.glob("*/model.keras") if path.parent.name in scores]
        if not folders:
            raise SystemExit(f"{self.output_dir} holds no model of the runs recorded in {self.results}.")
        return max(folders, key=lambda folder: scores[folder.name])

    def print_table(self):
        """Print one line per recorded model."""
        table = {}
        for row in _common.recorded(self.results):
            if row["metric"] in ACCURACIES:
                table.setdefault(row["model"], {})[row["metric"]] = float(row["value"])
        print()
        for name, scores in table.items():
            columns = (f"{metric} {value:.1%}" for metric, value in sorted(scores.items()))
            print(f"{_common.display_name(name):45} " + "   ".join(columns))
