"""Export a run's classical baseline as a SavedModel with the signature of its model."""

import dataclasses

from kerasfusion.evaluation.bag_of_words import terms_of
from kerasfusion.evaluation.linear_baseline import NAMES
from kerasfusion.serving.linear_signatures import EncoderLogits, NgramLogits, write_linear
from kerasfusion.workflows.classical import load_classical

# Baseline -> those whose predictions are averaged.
MEMBERS = {key: (key,) for key in NAMES} | {"words_and_images": ("bag_of_words", "image_features")}


def export_baseline(run, model_dir, baseline, examples, max_pixels):
    """Write the next version of a SavedModel of a run's baseline.

    Args:
        run: A `Run`.
        model_dir: As for `export`.
        baseline: A key of `MEMBERS`.
        examples: Raw inputs, as for `export`.
        max_pixels: As for `export`.

    Returns:
        Path: the version's folder.

    Raises:
        ValueError: there is no such baseline, or the run has not fitted it.
    """
    if baseline not in MEMBERS:
        raise ValueError(f"There is no baseline {baseline!r}; choose one of {', '.join(MEMBERS)}.")
    members = load_classical(run.path).members
    there = [key for key, parts in MEMBERS.items() if members.keys() >= set(parts)]
    if baseline not in there:
        raise ValueError(
            f"{run.path} has no baseline {baseline!r}; it has {', '.join(there) or 'none'}. Training fits those that "
            "the data and the installed packages allow, unless it is called with baselines=False."
        )
    members = {key: members[key] for key in MEMBERS[baseline]}
    tasks = [t for t in run.schema.tasks if all(t.name in member.models for member in members.values())]
    parts = [
        (_ngrams if key == "bag_of_words" else _encoded)(run.schema, member, tasks, max_pixels)
        for key, member in members.items()
    ]
    return write_linear(dataclasses.replace(run.schema, tasks=tasks), parts, model_dir, examples, max_pixels)


def _ngrams(schema, member, tasks, max_pixels):
    features = {feature.columns[0]: feature for feature in schema.of_kind("text")}
    vectorizers = [
        (
            features[column].name,
            {"analyzer": analyzer, "ngram_range": v.ngram_range, "terms": terms_of(v), "idf": v.idf_},
        )
        for (column, analyzer), v in member.vectorizers.items()
    ]
    return NgramLogits([features[column] for column in member.columns], vectorizers, _models(member, tasks))


def _encoded(schema, member, tasks, max_pixels):
    features = [schema[name] for name in member.features]
    return EncoderLogits(features, member.encoder(features[0]), _models(member, tasks), max_pixels)


def _models(member, tasks):
    return {task.name: (member.models[task.name].kernel, member.models[task.name].bias) for task in tasks}
