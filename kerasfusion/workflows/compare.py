"""Several models, trained alike with several seeds, beside everything that does without joining."""

import dataclasses
import fnmatch
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from kerasfusion.bounds import check_bounds
from kerasfusion.evaluation import comparison_figure, write_comparison_page
from kerasfusion.evaluation.comparison import compare_predictions
from kerasfusion.evaluation.report import image_groups
from kerasfusion.files import atomic_write, temporary_folder, write_json
from kerasfusion.fusion import FUSIONS
from kerasfusion.models import late_average
from kerasfusion.models.model_file import load_model
from kerasfusion.progress import progress
from kerasfusion.serving import export_model, measure_latency, reference
from kerasfusion.training import TrainingConfig
from kerasfusion.workflows.model_families import default_model, family_of, refuse_unlabelled, with_fusion
from kerasfusion.workflows.run_folder import COMPARISON, open_folder
from kerasfusion.workflows.train import ANSWERS_FILE, train
from kerasfusion.zoo import create_model, get_entry, list_models

logger = logging.getLogger(__name__)

# What the reference's runs give besides their model.
LATE = "late average"


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What `kf.compare` returns.

    Args:
        path: Its folder: `comparison.csv seeds.csv comparison.html figures/ runs/`.
        tasks: Task -> `TaskComparison`.
        table: DataFrame, a row for each task and model, the best first, as in `comparison.csv`: score, interval,
            difference to the best, parameters, training seconds, latency, size.
        seeds: DataFrame, a row for each task, model and seed, as in `seeds.csv`.
    """

    path: Path
    tasks: dict
    table: pd.DataFrame
    seeds: pd.DataFrame


def compare(
    data,
    models=None,
    output_dir="comparisons/comparison",
    seeds=3,
    config=None,
    fusions=(),
    verbose=1,
    overwrite=False,
    resume=False,
    **changes,
):
    """Train models with the same settings with several seeds, and say which differences are more than chance.

    Beside the named models there are always: the majority's answer, a lookup of the text, bag of words with a linear
    model, the family's model that concatenates, its branches alone (text only, image only)
    and their late average. With a single modality there is nothing to join, and only the baselines without a network
    are added. Each of these is trained once for every seed.

    The splits are the data's and the same for all; a seed changes initial weights, the order of the rows and
    dropout. The test split is read once for each model and seed. Intervals and tests are those of
    `kf.evaluation.compare_predictions`. Latency is that of one row of raw inputs through TensorFlow's C API, all
    exports (of the first seed) asked in turns.

    Every model and seed is an ordinary run in `output_dir/runs`, which `kf.load` and `kf.export` take.

    Args:
        data: What `kf.data.load` returned.
        models: Names in the zoo and shell patterns (`"classifier_*"`, which leave out what the data has no inputs
            for); None chooses one by the data, where no fusions are named.
        output_dir: The comparison's folder.
        seeds: Number of seeds, from the config's on.
        config: A `TrainingConfig` for all; None uses its defaults. With `max_seconds` all get the same time, not the
        same epochs.
        fusions: Names in `kf.fusion.FUSIONS` and patterns: the family's model with each of these.
        verbose: Whether to log progress (0 or False: silent).
        overwrite: Replace the comparison in `output_dir`.
        resume: Go on in `output_dir`: finished runs are read back, the one that was interrupted ends as if nothing
            had happened. Further models and seeds may be added.
        **changes: Settings to change in all models, as for `kf.create_model`.

    Returns:
        Comparison

    Raises:
        FileExistsError: `output_dir` holds a comparison and neither `overwrite` nor `resume` is given, or something
            else.
        FolderInUseError: Another process compares or trains in `output_dir`.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
        ValueError: A match, an unknown name, a model that cannot be made for the data, or `resume` with another
            config or other data than before; the message says which.

    Example:

    ```python
    found = kf.compare(data, ["classifier_*"], "comparisons/pets", config=kf.training.TrainingConfig(epochs=10))
    print(found.tasks["label"].verdict)
    ```
    """
    config, output_dir = config or TrainingConfig(), Path(output_dir)
    refuse_unlabelled("compare", data.schema)
    check_bounds(seeds=seeds)
    # The last seed too, before any training.
    check_bounds(seed=config.seed + seeds - 1)
    models = models or ([] if fusions else [default_model(data)[0]])
    family = family_of(data, models)
    first, chosen = _entrants(data, models, fusions, family)
    with progress(verbose), open_folder(output_dir, COMPARISON, overwrite, resume):
        for label, (name, own) in chosen.items():
            # A model that cannot be made must not be found out after hours of training the others.
            if not _folder(output_dir, label, config.seed).exists():
                _named(label, create_model, name, data.schema, **{**changes, **own})
        jobs = [(label, config.seed + i) for i in range(seeds) for label in chosen]
        for place, (label, seed) in enumerate(jobs, start=1):
            logger.info(f"[{place}/{len(jobs)}] {label}, seed {seed}")
            name, own = chosen[label]
            # Only the first has baselines: they are its own branches, and the others' are no fairer to the rest.
            settings = {"baselines": label == first, "verbose": verbose, "resume": True, **changes, **own}
            seeded = dataclasses.replace(config, seed=seed)
            _named(f"{label}, seed {seed}", train, data, name, _folder(output_dir, label, seed), seeded, **settings)
        logger.info("Comparing on the test split")
        runs = {label: [_folder(output_dir, label, config.seed + i) for i in range(seeds)] for label in chosen}
        tasks = _compare_runs(data, runs, first, chosen)
        logger.info("Measuring latency")
        costs = _costs(output_dir, runs, first, data.schema)
        found = Comparison(output_dir, tasks, _table(tasks, costs), _seeds_table(tasks, config.seed))
        _write(found, data, config, first, list(chosen), changes, costs)
        return found


def _compare_runs(data, runs, first, chosen):
    """Task -> `TaskComparison` of the runs' decisions on the test split."""
    test, groups = data.splits["test"], image_groups(data.splits["test"])
    tasks = {}
    for task in data.schema.tasks:
        rows = np.flatnonzero(test.weights[task.name] > 0)
        answers = _answers(task, runs, first, chosen)
        tasks[task.name] = compare_predictions(
            task, test.labels[task.name][rows], answers, None if groups is None else groups[rows]
        )
    return tasks


def _entrants(data, models, fusions, family):
    """The reference's label, and label -> (name in the zoo, changes), the reference first."""
    first = f"{family}_concat" if family else default_model(data)[0]
    if fusions and not family:
        raise ValueError("Fusions join text and image, and the data lacks one of these.")
    chosen = {first: (first, {})}
    for wanted in models:
        chosen.update({name: (name, {}) for name in _matching(wanted, data.schema)})
    for wanted in fusions:
        names = fnmatch.filter(FUSIONS, wanted)
        if not names:
            raise ValueError(f"There is no fusion {wanted!r}; choose from {', '.join(sorted(FUSIONS))}.")
        chosen.update({f"{family}_{fusion}": with_fusion(family, fusion) for fusion in names})
    return first, chosen


def _matching(wanted, schema):
    if not any(sign in wanted for sign in "*?["):
        return [get_entry(wanted).name]
    kinds = {feature.kind for feature in schema.features}
    entries = [get_entry(name) for name in list_models(wanted)]
    # The zoo's baselines go by the pattern of no family; a comparison has its own.
    names = [entry.name for entry in entries if kinds.issuperset(entry.inputs) and _is_rival(entry)]
    if not names:
        taken = " and ".join(sorted(kinds))
        raise ValueError(f"No model for {taken} matches {wanted!r}; `kerasfusion list` shows all.")
    return names


def _is_rival(entry):
    return entry.source != "baseline" and entry.task == "label"


def _named(label, make, *arguments, **settings):
    try:
        return make(*arguments, **settings)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error


def _folder(output_dir, label, seed):
    return output_dir / "runs" / f"{label}-seed{seed}"


def _answers(task, runs, first, chosen):
    """Name -> decisions on the test split, one array for each seed."""
    found = {}
    for label, folders in runs.items():
        for folder in folders:
            with np.load(folder / ANSWERS_FILE) as kept:
                # The lookups are the same in all runs, and the other baselines are in the first's alone.
                names = [key.removeprefix(f"{task.name}/") for key in kept.files if key.startswith(f"{task.name}/")]
                for name in names if label == first else [chosen[label][0]]:
                    # A ceiling is chosen with the labels in hand: it competes with nobody.
                    if not name.startswith("ceiling"):
                        own = label if name == chosen[label][0] else name
                        found.setdefault(own, []).append(kept[f"{task.name}/{name}"])
    return found


def _costs(output_dir, runs, first, schema):
    """Name -> parameters, seconds and epochs of training, latency, size."""
    costs, versions = {}, {}
    for label, folders in runs.items():
        metrics = [json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in folders]
        for name in metrics[0]["train_seconds"]:
            costs[label if name == metrics[0]["model"] else name] = {
                "train_seconds": float(np.mean([found["train_seconds"][name] for found in metrics])),
                "epochs": float(np.mean([found["epochs"][name] for found in metrics])),
            }
    with temporary_folder(output_dir) as exports:
        for label, folders in runs.items():
            inputs = reference.load_reference(folders[0] / "reference_inputs.npz")["serving_default"][0]
            models = {label: load_model(folders[0] / "model.keras")}
            if label == first:
                models.update(_baselines(folders[0], schema))
            for name, model in models.items():
                versions[name] = export_model(model, schema, exports / name.replace(" ", "_"), inputs)
                found = costs.setdefault(name, {})
                found["parameters"] = model.count_params()
                files = [versions[name] / "saved_model.pb", *(versions[name] / "variables").iterdir()]
                found["export_mb"] = sum(file.stat().st_size for file in files) / 1e6
        for name, latency in measure_latency(versions).items():
            costs[name]["latency_ms"] = latency
    if LATE in costs:
        # Its members are what was trained.
        costs[LATE]["train_seconds"] = sum(c["train_seconds"] for name, c in costs.items() if name.endswith(" only"))
    return costs


def _baselines(folder, schema):
    members = {
        path.parent.name.removesuffix("_only"): load_model(path)
        for path in sorted(folder.glob("baselines/*_only/model.keras"))
    }
    named = {f"{kind} only": model for kind, model in members.items()}
    return {**named, LATE: late_average(schema, members)} if members else {}


def _table(tasks, costs):
    columns = ("parameters", "train_seconds", "epochs", "latency_ms", "export_mb")
    rows = [
        {
            "task": found.task.title,
            "model": name,
            "metric": found.metric,
            "mean": score.mean,
            "low": score.low,
            "high": score.high,
            "seeds": found.seeds,
            "test_rows": found.rows,
            "gap_to_best": score.gap_to_best,
            "p_adjusted": score.p_adjusted,
            "significant": score.significant,
            **{column: costs.get(name, {}).get(column) for column in columns},
        }
        for found in tasks.values()
        for name, score in found.scores.items()
    ]
    return pd.DataFrame(rows)


def _seeds_table(tasks, seed):
    rows = [
        {"task": found.task.title, "model": name, "metric": found.metric, "seed": seed + i, "score": value}
        for found in tasks.values()
        for name, score in found.scores.items()
        for i, value in enumerate(score.per_seed)
    ]
    return pd.DataFrame(rows)


def _write(found, data, config, first, labels, changes, costs):
    for name, table in (("comparison", found.table), ("seeds", found.seeds)):
        with atomic_write(found.path / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    joined = set(labels) if family_of(data) else set()
    latency = {name: cost["latency_ms"] for name, cost in costs.items()}
    run_config = {
        "source": data.source,
        "models": labels,
        "reference": first,
        "changes": changes,
        "training": dataclasses.asdict(config),
        "rows": {name: len(split) for name, split in data.splits.items()},
        "notes": data.notes,
    }
    write_json(found.path / "comparison.json", run_config)
    try:
        (found.path / "figures").mkdir(exist_ok=True)
        figure = found.path / "figures" / "score_and_latency.png"
        comparison_figure.draw(next(iter(found.tasks.values())), latency, joined, figure)
        write_comparison_page(found.path / "comparison.html", found.tasks, costs, joined, run_config)
    except Exception as error:
        warnings.warn(
            f"Figure and page of {found.path} were not written ({type(error).__name__}: {error}). The scores are in "
            "comparison.csv. The same comparison with --resume writes them again.",
            stacklevel=3,
        )
