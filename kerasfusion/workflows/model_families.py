"""Which model suits some data, and families of the zoo: the same encoders, named `<family>_<fusion>`."""

from kerasfusion.training import shares_images
from kerasfusion.zoo import list_models


def default_model(data):
    """The model used when none is named, and why: `(name, reason)`."""
    if data.schema.model_task in _DEFAULTS:
        return _DEFAULTS[data.schema.model_task]
    kinds = data.schema.kinds
    if len(kinds) == 1:
        return f"{kinds[0]}_only", "there is no other kind of input"
    if not {"text", "image"} <= set(kinds):
        return "mixed_gated", f"the inputs are {' and '.join(kinds)}"
    if shares_images(data.splits["train"]):
        return "vqa_film", f"{data.texts_per_image:.1f} texts share an image"
    return "classifier_gated", "every row has its own image"


def family_of(data, names=()):
    """The family that fusions are compared or searched in; None where the data has nothing to join.

    Args:
        data: What `kf.data.load` returned.
        names: Names of models: the family of the first that belongs to one; without any, that of the model that the
            data would get.

    Returns:
        str or None: such as `"classifier"`, for which `"classifier_concat"` is registered.
    """
    if not (data.schema.of_kind("text") and data.schema.of_kind("image")):
        return None
    for name in (*names, default_model(data)[0]):
        family = name.partition("_")[0]
        if f"{family}_concat" in list_models():
            return family
    return "classifier"


def with_fusion(family, fusion):
    """A family's model with this fusion: its name in the zoo, and what to change of it.

    A fusion that has no entry of its own is put in the place of the concatenation.
    """
    name = f"{family}_{fusion}"
    return (name, {}) if name in list_models() else (f"{family}_concat", {"fusion": fusion})


def refuse_unlabelled(job, schema):
    """Raise the error of a job that is for labels, where the data pairs images with texts or has them described."""
    if schema.model_task in _SCORES:
        what, scores = _SCORES[schema.model_task]
        raise ValueError(
            f"{job} is for labels, and {what}. Train each model by kf.train (`kerasfusion train --problem-type "
            f"{schema.model_task}`): its metrics.json has {scores}."
        )


# By the models that learn a task (`register_model(task=…)`); which model is for labels depends on the inputs.
_DEFAULTS = {
    "retrieval": ("dual_lstm_cnn", "which image a text belongs to is learned"),
    "captioning": ("caption_attend", "captions are to be written"),
}
_SCORES = {
    "retrieval": ("this is a match", "R@K, median rank, MRR and rsum of both directions beside chance"),
    "captioning": ("these are captions", "CIDEr, BLEU and ROUGE-L beside two baselines"),
}
