"""Matrix factorization served, and joined to a network that knows an item by its text and its image."""

import dataclasses
import hashlib

import keras
import numpy as np

from kerasfusion import __version__
from kerasfusion.data import DataError, load
from kerasfusion.data.table import is_missing, read_table
from kerasfusion.evaluation import predict_logits
from kerasfusion.files import write_json
from kerasfusion.schema import Schema, Task
from kerasfusion.serving import reference, write_recommender
from kerasfusion.training import Run, TrainingConfig, fit
from kerasfusion.training import load as load_run
from kerasfusion.workflows.reference_inputs import save_reference_inputs
from kerasfusion.workflows.run_folder import open_run, remove_checkpoints
from kerasfusion.zoo import create_model

# The task, and columns added to the table of items.
TASK, WEIGHT = "factors", "factors, weight"


def train_item_tower(
    factors,
    items,
    output_dir,
    *,
    id_column,
    image=None,
    text=None,
    model=None,
    config=None,
    verbose=1,
    overwrite=False,
    resume=False,
    **changes,
):
    """Train a network from an item's text and image to the factors that its ratings gave it.

    Squared error to the factors and the bias of a `CollectiveMatrixFactorization`'s columns. An item counts n / (n +
    mean n), with n its number of ratings: few ratings say little. Those without any are left out. One in ten items
    stops the training, one in ten is never learned from and scored at the end.

    Args:
        factors: A fitted `CollectiveMatrixFactorization`.
        items: A table of items as for `kf.data.load`, one or more rows for each.
        output_dir: The run's folder.
        id_column: Column that holds the ids, as the ratings have them.
        image: Column(s) with images, `[]` for none; looked for when None.
        text: Column(s) with text, likewise.
        model: A name in the zoo; None takes `classifier_gated`, or of one modality `text_only` or `image_only`.
        config: A `TrainingConfig`; None uses its defaults.
        verbose: Whether to log progress (0 or False: silent).
        overwrite: Replace a folder that holds a run.
        resume: Go on with the interrupted run in `output_dir`.
        **changes: Settings of the model to change, as for `kf.create_model`.

    Returns:
        Run: its `metrics` say of the items that were never learned from their number `items`, `r2`, the share of
        their factors' variance that is foreseen (0 is knowing the mean), and the `mse`.

    Raises:
        DataError: The table lacks a column, or too few of its items have ratings.
        ValueError: `resume` with other data, factors, model or config than the interrupted run's.

    Example:

    ```python
    factors = CollectiveMatrixFactorization(16).fit(ratings)
    tower = kf.workflows.train_item_tower(factors, "films.csv", "runs/tower", id_column="film", image="poster",
    text="plot")
    version = kf.workflows.export_recommender(factors, "saved_models/films", tower=tower)
    ```
    """
    config = config or TrainingConfig()
    data = _items(factors, items, id_column, image, text, config.seed)
    kinds = data.schema.kinds
    model = model or ("classifier_gated" if len(kinds) > 1 else f"{kinds[0]}_only")
    run_config = {
        "model": model,
        "changes": changes,
        "training": dataclasses.asdict(config),
        "baselines": False,
        "slice_by": None,
        "factors": fingerprint(factors),
        "data": {name: split.fingerprint() for name, split in data.splits.items()},
        "kerasfusion": __version__,
        "keras": keras.__version__,
    }
    with open_run(output_dir, run_config, overwrite, resume) as output_dir:
        if (output_dir / "metrics.json").exists():
            return load_run(output_dir)
        data.schema.save(output_dir / "schema.json")
        save_reference_inputs(output_dir / "reference_inputs.npz", data)
        keras.utils.set_random_seed(config.seed)
        network = create_model(model, data.schema, **changes)
        fit(
            network,
            data.splits["train"],
            data.splits["validation"],
            config,
            output_dir,
            verbose=verbose,
            resume=resume,
        )
        remove_checkpoints(output_dir)
        test = data.splits["test"]
        labels, found = test.labels[TASK], predict_logits(network, test)[TASK]
        error = float(np.mean((labels - found) ** 2))
        spread = float(np.mean((labels - data.splits["train"].labels[TASK].mean(axis=0)) ** 2))
        metrics = {"items": int(test.frame[id_column].nunique()), "mse": error, "r2": 1 - error / spread}
        write_json(output_dir / "metrics.json", metrics)
        return Run(output_dir, data.schema, network, run_config, metrics)


def export_recommender(factors, model_dir, *, k=10, tower=None):
    """Write the next version of a SavedModel that recommends; rows are users, columns are items.

    Signatures: `recommend` (also the default) takes the ids of users as strings and gives k ids of items with their
    scores, without those that the user has an entry for; `similar_items` takes ids of items. With a tower,
    `embed_item` gives a new item's factors and bias out of its text and image, and `score_item` what a user will
    think of it. See `kf.serving.recommender.Recommender` for all inputs and outputs.

    Args:
        factors: A fitted `CollectiveMatrixFactorization`, or `GivenFactors` of another model.
        model_dir: The model's folder; the version is one more than the highest there, `<model_dir>/<version>/`.
        k: Items in an answer.
        tower: The `Run` that `train_item_tower` made for these factors, or its folder.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.

    Raises:
        ValueError: Ids that are alike as strings or empty, `k` below 1, or a tower of other factors.

    Example:

    ```python
    version = kf.workflows.export_recommender(factors, "saved_models/films", k=10)
    print(kf.verify(version))
    ```
    """
    if tower is None:
        return write_recommender(factors, model_dir, k)
    tower = tower if isinstance(tower, Run) else load_run(tower)
    if tower.config.get("factors") != fingerprint(factors):
        raise ValueError(
            f"{tower.path} was not trained to these factors. Retrain it after every fit (train_item_tower)."
        )
    examples = reference.load_reference(tower.path / "reference_inputs.npz")["serving_default"][0]
    return write_recommender(factors, model_dir, k, (tower.model, tower.schema), examples)


def fingerprint(factors):
    """A hash of the items' ids and factors."""
    digest = hashlib.sha256("\n".join(map(str, factors.column_ids_)).encode())
    digest.update(np.ascontiguousarray(_targets(factors)).tobytes())
    return digest.hexdigest()


def _targets(factors):
    """What the tower learns: float32 `(items, f + 1)`, factors and bias."""
    return np.column_stack([factors.column_factors_, factors.column_bias_]).astype("float32")


def _items(factors, items, id_column, image, text, seed):
    """`Data` of the items that have ratings, whose one task is the vector of an item's factors and bias."""
    frame = read_table(items)
    attrs = frame.attrs
    source = attrs.get("source", "table")
    if id_column not in frame.columns:
        raise DataError(f"{source} has no column {id_column!r}; it has {', '.join(map(repr, frame.columns))}.")
    places = factors.column_ids_.get_indexer(frame[id_column])
    counts = np.bincount(factors.ratings_.indices, minlength=len(factors.column_ids_))
    rated = (places >= 0) & (counts[places] > 0) & ~is_missing(frame[id_column]).to_numpy()
    if not rated.any():
        raise DataError(
            f"{source}, column {id_column!r}: none of {len(frame):,} ids has ratings. They must be as the ratings "
            f"have them, for example {factors.column_ids_[0]!r}."
        )
    targets = _targets(factors)
    weight = counts[places] / (counts[places] + counts[counts > 0].mean())
    # `load` knows single numbers: the one that varies most stands for all of them, and the splits follow it.
    one = targets[places[rated], targets[places[rated]].std(axis=0).argmax()]
    frame = frame[rated].assign(**{TASK: one, WEIGHT: weight[rated]})
    frame.attrs.update(attrs)
    columns = {"label": TASK, "problem_type": "regression", "group": id_column, "sample_weight": WEIGHT}
    data = load(frame, image=image, text=text, **columns, seed=seed)
    found = {
        name: targets[factors.column_ids_.get_indexer(part.frame[id_column])] for name, part in data.splits.items()
    }
    names = [*(f"factor {i}" for i in range(targets.shape[1] - 1)), "bias"]
    task = Task(TASK, "embedding_regression", TASK, tuple(names), std=float(found["train"].std()))
    schema = Schema(data.schema.features, (task,))
    splits = {
        name: dataclasses.replace(
            part, schema=schema, labels={TASK: found[name]}, weights={TASK: part.weights["label"]}
        )
        for name, part in data.splits.items()
    }
    return dataclasses.replace(data, schema=schema, splits=splits)
