"""A search over encoders, fusion, sizes and learning rate within a time budget; its winner is an ordinary run."""

import dataclasses
import json
import logging
import time
from pathlib import Path

import keras
import pandas as pd

from kerasfusion.bounds import check_bounds
from kerasfusion.encoders import IMAGE_ENCODERS, TEXT_ENCODERS
from kerasfusion.feature_kinds import KINDS
from kerasfusion.files import atomic_write, write_json
from kerasfusion.fusion import FUSIONS
from kerasfusion.progress import progress
from kerasfusion.training import Run, TrainingConfig, fit
from kerasfusion.training.strategy import precision
from kerasfusion.workflows.model_families import default_model, family_of, refuse_unlabelled, with_fusion
from kerasfusion.workflows.run_folder import SEARCH, open_folder, remove_checkpoints
from kerasfusion.workflows.train import train
from kerasfusion.zoo import create_model

logger = logging.getLogger(__name__)

# What is tried where nothing else is named: small networks that two cores train in minutes.
TUNE_CHOICES = {
    "text_encoder": ("bag_of_words", "average", "gru"),
    "image_encoder": ("small_cnn", "residual_cnn"),
    "fusion": ("concat", "gated", "multiply", "film", "low_rank"),
    "units": (64, 128, 256),
}
_KNOWN = {"text_encoder": TEXT_ENCODERS, "image_encoder": IMAGE_ENCODERS, "fusion": FUSIONS}
# A trial may take this share of the budget, so that at least about so many are made.
TRIALS = 12
MOST_FAILURES = 10


@dataclasses.dataclass(frozen=True, eq=False)
class TuningResult:
    """What `kf.tune` returns.

    Args:
        run: The winner's `Run`, trained with its baselines and scored on the test split.
        trials: DataFrame, a row for each trial, the best first, as in `search/trials.csv`: `trial`, `score` (the best
            validation loss), `seconds`, `epochs`, `parameters`, its settings, and `error` where it failed.
    """

    run: Run
    trials: pd.DataFrame


def tune(
    data, output_dir="runs/tuned", minutes=30, config=None, choices=None, verbose=1, overwrite=False, resume=False
):
    """Search for a model with KerasTuner, then train the best one with its baselines.

    The search is random: every trial draws new settings and is trained with this config, for at most a twelfth
    of the budget, so that trials are compared at about equal time. With a budget of some dozen trials and mostly
    named choices, a model of the search space has too little to learn from. Dropout (0 to 0.5) and learning rate
    (3e-4 to 1e-2) are always searched.

    What is minimized is the validation loss. The test split is read once, by the winner's run at the end, which
    trains the winner again with the same settings and number of epochs. The search leaves it the time that this
    took, and as much for its baselines.

    A trial that cannot be made or diverges is counted and named, and the search goes on.

    Args:
        data: What `kf.data.load` returned.
        output_dir: The folder: the search lies in `output_dir/search`, the winner's run in `output_dir/run`.
        minutes: Time for all of it. Also after an interruption: the time spent before counts.
        config: A `TrainingConfig`; its learning rate is searched. None uses its defaults.
        choices: What to try, dict of lists in the place of some of `kf.workflows.TUNE_CHOICES`: `text_encoder`,
            `image_encoder`, `fusion` and `units`.
        verbose: Whether to log progress (0 or False: silent).
        overwrite: Replace a search in `output_dir`.
        resume: Go on with the search in `output_dir`; the trial that was interrupted ends as if nothing had happened.

    Returns:
        Search

    Raises:
        FileExistsError: `output_dir` holds a search and neither `overwrite` nor `resume` is given, or something else.
        FolderInUseError: Another process searches or trains in `output_dir`.
        ImportError: The extra `[tune]` is not installed.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
        ValueError: A match, an unknown choice, no trial that worked, or `resume` of another search.

    Example:

    ```python
    found = kf.tune(data, "runs/tuned", minutes=30, choices={"fusion": ["gated", "film"]})
    print(found.trials.head())
    kf.export(found.run, "saved_models/tuned")
    ```
    """
    refuse_unlabelled("tune", data.schema)
    check_bounds(minutes=minutes)
    for width in (choices or {}).get("units", ()):
        check_bounds(units=width)
    config, output_dir = config or TrainingConfig(), Path(output_dir)
    # Each trial's share of the time; a config's own budget may be tighter.
    shares = [60 * minutes / TRIALS, *([config.max_seconds] if config.max_seconds else [])]
    config = dataclasses.replace(config, max_seconds=min(shares))
    family, space = family_of(data), _space(data, choices)
    tuner_class = _tuner_class()
    settings = {
        "minutes": minutes,
        "choices": space,
        "training": dataclasses.asdict(config),
        "data": {name: split.fingerprint() for name, split in data.splits.items()},
    }
    with progress(verbose), open_folder(output_dir, SEARCH, overwrite, resume):
        search = _begin(output_dir, settings)
        tuner = tuner_class(search, data, family, space, config, 60 * minutes, verbose)
        trials = tuner.run()
        best = tuner.best()
        name, changes = _model(family, data, best["settings"])
        # The very training of the trial: as many epochs, not as many as would fit today.
        config = dataclasses.replace(
            config, learning_rate=best["settings"]["learning_rate"], epochs=best["epochs_planned"], max_seconds=None
        )
        logger.info(f"Training the best of {len(trials)} trials, {name}, with its baselines")
        run = train(data, name, output_dir / "run", config, verbose=verbose, resume=True, **changes)
        return TuningResult(run, trials)


def _space(data, choices):
    """Setting -> list of what to try, for what the data has."""
    chosen = {**TUNE_CHOICES, **{name: list(values) for name, values in (choices or {}).items()}}
    unknown = [name for name in chosen if name not in TUNE_CHOICES]
    if unknown:
        raise ValueError(f"There is no choice of {', '.join(unknown)}; choose from {', '.join(TUNE_CHOICES)}.")
    for name, values in chosen.items():
        wrong = [value for value in values if value not in _KNOWN.get(name, values)]
        if wrong or not values:
            raise ValueError(f"{name}: there is no {wrong}; choose from {', '.join(sorted(_KNOWN.get(name, ())))}.")
    encoders = {f"{kind}_encoder" for kind in set(KINDS) - set(data.schema.kinds)}
    lacking = [name for name in TUNE_CHOICES if name in encoders]
    lacking += ["fusion"] if lacking else []
    return {name: list(values) for name, values in chosen.items() if name not in lacking}


def _model(family, data, settings):
    """A trial's model: its name in the zoo and what to change of it."""
    name, changes = with_fusion(family, settings["fusion"]) if family else (default_model(data)[0], {})
    kept = {key: value for key, value in settings.items() if key not in ("fusion", "learning_rate")}
    return name, {**changes, **kept}


def _begin(output_dir, settings):
    """The search's folder, with its settings in `search.json`; those of a search that is resumed are the same."""
    search, settings = output_dir / "search", json.loads(json.dumps(settings))
    if (search / "search.json").exists():
        before = json.loads((search / "search.json").read_text(encoding="utf-8"))
        differ = [key for key in settings if settings[key] != before.get(key)]
        if differ:
            raise ValueError(
                f"{output_dir} cannot be resumed, because this differs from then: {', '.join(differ)}. Pass the same,"
                " or --overwrite to start again."
            )
    search.mkdir(exist_ok=True)
    write_json(search / "search.json", settings)
    return search


def _tuner_class():
    """The tuner, made when it is first needed: KerasTuner is an extra."""
    try:
        import keras_tuner
    except ImportError as error:
        raise ImportError("The search needs the package keras-tuner: pip install 'kerasfusion[tune]'.") from error

    class FitTuner(keras_tuner.Tuner):
        """Trials by `kerasfusion.training.fit`; KerasTuner draws the settings and keeps account of the trials."""

        def __init__(self, folder, data, family, space, config, seconds, verbose):
            settings = keras_tuner.HyperParameters()
            for name, values in space.items():
                settings.Choice(name, values)
            settings.Float("dropout", 0.0, 0.5, step=0.1)
            settings.Float("learning_rate", 3e-4, 1e-2, sampling="log")
            oracle = keras_tuner.oracles.RandomSearchOracle(
                objective=keras_tuner.Objective("val_loss", "min"),
                max_trials=None,
                seed=config.seed + 1,  # KerasTuner takes 0 for none
                hyperparameters=settings,
                tune_new_entries=False,
                allow_new_entries=False,
                max_consecutive_failed_trials=MOST_FAILURES,
            )
            oracle.verbose = 0
            super().__init__(oracle=oracle, directory=str(folder), project_name="trials")
            self.folder, self.data, self.family, self.config = folder, data, family, config
            self.seconds, self.verbose = seconds, verbose
            self.begun, self.last = time.monotonic(), 0.0
            noted = _read(folder / "spent.json")
            self.spent_before, self.done = noted.get("seconds", 0.0), noted.get("done", False)
            # KerasTuner goes on from what it finds on the disk; without this, only after the first trial.
            self.save()

        def run(self):
            """Try until the time is spent: the table of trials."""
            try:
                # The winner may be in training already: no further trial may change who it is.
                if not self.done:
                    self.search()
                self.done = self.best() is not None
            except RuntimeError as error:
                if "consecutive failures" not in str(error):
                    raise
                raise ValueError(f"{MOST_FAILURES} trials in a row failed. {self._failures()}") from error
            finally:
                self._note_time()
            if self.best() is None:
                raise ValueError(f"No trial worked. {self._failures()}")
            return self.table()

        def spent(self):
            return self.spent_before + time.monotonic() - self.begun

        def pre_create_trial(self):
            self._note_time()
            best = self.best()
            # The winner is trained again, and its baselines take about as long.
            reserved = 2 * best["seconds"] if best else 0.0
            if best and self.spent() + reserved + self.last > self.seconds:
                self.oracle.max_trials = len(self.oracle.trials)

        def run_trial(self, trial):
            settings = dict(trial.hyperparameters.values)
            folder = self.folder / "trials" / f"trial_{trial.trial_id}"
            if "score" in _read(folder / "result.json"):
                # Killed between this file and KerasTuner's own.
                return {"val_loss": _read(folder / "result.json")["score"]}
            shown = ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in settings.items())
            logger.info(f"[{self.spent() / 60:.1f} of {self.seconds / 60:g} min] trial {trial.trial_id}: {shown}")
            started = time.monotonic()
            config = dataclasses.replace(self.config, learning_rate=settings["learning_rate"])
            name, changes = _model(self.family, self.data, settings)
            keras.utils.set_random_seed(config.seed)
            try:
                with precision():
                    model = create_model(name, self.data.schema, **changes)
                    train_rows, validation = (self.data.splits[split] for split in ("train", "validation"))
                    cost = fit(model, train_rows, validation, config, folder, verbose=self.verbose, resume=True)
            except Exception as error:
                logger.info(f"  failed: {error}")
                write_json(folder / "result.json", {"settings": settings, "error": str(error)})
                raise
            score = cost["history"][cost["best_epoch"] - 1]["val_loss"]
            kept = {key: cost[key] for key in ("seconds", "epochs", "epochs_planned", "parameters")}
            write_json(folder / "result.json", {"settings": settings, "score": score, **kept})
            # The winner is trained again; what the others weigh would only fill the disk.
            remove_checkpoints(folder)
            (folder / "model.keras").unlink()
            self.last = time.monotonic() - started
            return {"val_loss": score}

        def results(self):
            """Trial -> what it came to."""
            paths = sorted((self.folder / "trials").glob("trial_*/result.json"))
            return {path.parent.name.removeprefix("trial_"): _read(path) for path in paths}

        def best(self):
            """The result of the best trial, None before there is one."""
            worked = [found for found in self.results().values() if "score" in found]
            return min(worked, key=lambda found: found["score"], default=None)

        def table(self):
            """The trials, the best first; also written as `trials.csv`."""
            rows = []
            for trial, found in self.results().items():
                kept = {key: found.get(key) for key in ("score", "seconds", "epochs", "parameters")}
                rows.append({"trial": trial, **kept, **found["settings"], "error": found.get("error")})
            table = pd.DataFrame(rows).sort_values("score", kind="stable", ignore_index=True)
            with atomic_write(self.folder / "trials.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.6g")
            return table

        def _failures(self):
            errors = {found["error"] for found in self.results().values() if "error" in found}
            return " ".join(sorted(errors)[:3])

        def _note_time(self):
            write_json(self.folder / "spent.json", {"seconds": self.spent(), "done": self.done})

    return FitTuner


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
