"""Train a fused model again from its own branches, where one of them alone is better on the validation split."""

import functools
import logging

from kerasfusion.evaluation import evaluate_models
from kerasfusion.evaluation.scores import best_baseline
from kerasfusion.evaluation.statistics import WORSE
from kerasfusion.models import FusionModel, load_branches

logger = logging.getLogger(__name__)

FOLDER = "branch_restart"


def suits(model, members):
    """Whether a model has the very branches that its single-modality baselines consist of."""
    return isinstance(model, FusionModel) and all(
        isinstance(member, FusionModel) and set(member.encoders) <= set(model.encoders) for member in members.values()
    )


def restart_from_branches(models, costs, members, data, train):
    """Train a model again where one of its single-modality baselines, or their average, is significantly better.

    A modality that is learned faster, or memorized, keeps the others from being learned (modality competition, arXiv
    1905.12681). The second training starts from the encoders of the trained baselines. The validation split decides
    whether there is one, by a paired interval, and which of the two models stays.

    Args:
        models: dict name -> model, the fused one first, then its baselines.
        costs: dict name -> what `fit` returned.
        members: dict kind -> baseline on that kind alone.
        data: The `Data`.
        train: Function from what is to be done with a new model before its training to the trained model and its
            cost.

    Returns:
        tuple: the model that stays and its cost, with the sentence that says so as `restart` if it is the second.
    """
    name, first = next(iter(models.items()))
    validation = data.splits["validation"]
    worse = [report for report in evaluate_models(models, validation).values() if report.standing == WORSE]
    if not worse:
        return first, costs[name]
    task, score = worse[0].task, worse[0].scores[name]
    rival, its_score = best_baseline(worse[0].scores)
    found = f"{rival} is better than {name} on the validation split ({its_score} against {score})"
    logger.info(f"{found}: training it again, from the encoders of its baselines")
    second, cost = train(functools.partial(load_branches, members=members))
    reports = evaluate_models({name: second, "first": first}, validation)
    reached, before = reports[task.name].scores.values()
    if reached.better_by(before) <= 0 or any(report.standing == WORSE for report in reports.values()):
        logger.info(f"  {reached}: the first training stays")
        return first, costs[name]
    said = f"{found}, so {name} was trained again from the encoders of its baselines: {reached}."
    return second, {**cost, "seconds": costs[name]["seconds"] + cost["seconds"], "restart": said}
