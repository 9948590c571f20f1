"""Small parts that learn in place of a trained network's weights, which stay as they are."""

import dataclasses
import fnmatch
import math
import tempfile
from pathlib import Path

import keras

from kerasfusion.keras_compat import flatten_layers
from kerasfusion.layers import Adapter, TransformerBlock
from kerasfusion.models import get_heads


@dataclasses.dataclass(frozen=True)
class AdapterSummary:
    """What was adapted, and how much of the model is trained now.

    Args:
        layers: Paths of the layers that got an adapter.
        trained: Numbers in the weights that are trained: adapters and heads.
        total: Numbers in all weights.
    """

    layers: tuple[str, ...]
    trained: int
    total: int

    @property
    def share(self):
        return self.trained / self.total

    def __str__(self):
        trained = f"{self.trained:,} of {self.total:,} numbers trained ({self.share:.1%})"
        return f"{len(self.layers)} layers adapted, {trained}"


def enable_lora(model, rank, layers=None, alpha=None, budget=None):
    """Let a trained model learn by low-rank changes of its dense layers alone, and by its heads (arXiv 2106.09685).

    A kernel W is frozen and becomes W + alpha / rank · A B; B begins as 0, so the outputs are what they were. The
    layers are those for which Keras has `enable_lora`: dense ones, the projections of an attention, word embeddings.
    All other weights are frozen. Train, then `merge`; a file of the model holds the merged weights already, which is
    also what `kf.training.fit` reads back at its end.

    Args:
        model: A plain model, trained; it is changed.
        rank: Columns of A. Keras keeps the heads of an attention apart, so there it is a rank for each head.
        layers: Shell pattern of the paths of layers, such as `"encode_text/*"`; None takes every dense layer and
            attention, but not the word embeddings, whose A would have a row for each word.
        alpha: Multiplies the change; None means `rank`.
        budget: Average rank that `kf.training.fit` leaves to a layer: it takes the others away while it trains, where
            they are needed least (AdaLoRA, arXiv 2303.10512; see `kf.training.ada_lora`). None leaves every layer its
            rank.

    Returns:
        Adapted: its `layers`, and the `share` of the weights that is trained.

    Raises:
        ValueError: no layer matches, one is too small for the rank, the budget is not below the rank, or the model
            has such adapters already.

    Example:

    ```python
    print(kf.transfer.enable_lora(model, rank=4, layers="encode_text/*"))
    kf.training.fit(model, train, validation, config, "runs/adapted")
    plain = kf.transfer.merge_lora(model)
    ```
    """
    kinds = (keras.layers.Dense, keras.layers.EinsumDense)
    found = _choose("enable_lora", model, layers, kinds if layers is None else (*kinds, keras.layers.Embedding))
    for path, layer in found.items():
        if layer.lora_enabled:
            raise ValueError(f"enable_lora: {path} has an adapter already; merge_lora(model) makes a model without.")
        shape = _kernel(layer).shape
        most = min(math.prod(shape[:-1]), shape[-1])
        if not 1 <= rank <= most:
            raise ValueError(
                f"enable_lora: the rank of {path}, {' x '.join(map(str, shape))}, is from 1 to {most}, not {rank}. "
                "Choose another rank, or other layers by a pattern."
            )
    if budget is not None and not 1 <= budget < rank:
        raise ValueError(
            f"enable_lora: a budget is below the rank that each layer begins with, {rank}, and not {budget}."
        )
    _freeze(model)
    for layer in found.values():
        layer.enable_lora(rank, lora_alpha=alpha)
        layer.lora_budget = budget
    return _adapted(model, found)


def add_adapters(model, units, layers="*"):
    """Let a trained model learn by a `Adapter` behind each branch of its transformer blocks (arXiv 1902.00751).

    They begin as the identity. All other weights but the heads' and other adapters' are frozen. They are no linear
    maps, so `merge` leaves them in; the model is saved, loaded and exported with them.

    Args:
        model: A plain model, trained; it is changed.
        units: Width of the bottlenecks.
        layers: Shell pattern of the paths of transformer blocks, such as `"encode_text/*"`.

    Returns:
        Adapted: its `layers`, and the `share` of the weights that is trained.

    Raises:
        ValueError: no block matches, one is not wider than the bottlenecks, or has some already.

    Example:

    ```python
    print(kf.transfer.add_adapters(model, units=8))
    kf.training.fit(model, train, validation, config, "runs/adapted")
    ```
    """
    found = _choose("add_adapters", model, layers, (TransformerBlock,))
    for path, block in found.items():
        if block.attention_bottleneck is not None:
            raise ValueError(f"add_adapters: {path} has some already.")
        if not 1 <= units < block.contract.units:
            raise ValueError(f"add_adapters: units for {path} are from 1 to {block.contract.units - 1}, not {units}.")
    _freeze(model)
    for block in found.values():
        block.add_bottlenecks(units)
    return _adapted(model, found)


def merge_lora(model):
    """A model with the same outputs and without low-rank adapters: they are added to the weights they stood beside.

    Args:
        model: What `lora` has changed; it stays as it is.

    Returns:
        keras.Model: plain, all of its weights trained again as its builder had it; `model` itself where it has none
        of these adapters.
    """
    if not any(getattr(layer, "lora_enabled", False) for layer in flatten_layers(model)):
        return model
    plain = type(model).from_config(_without_lora(model.get_config()))
    with tempfile.TemporaryDirectory() as folder:
        # Keras merges whenever it writes weights, for each kind of layer in its own way.
        file = Path(folder) / "merged.weights.h5"
        model.save_weights(file)
        plain.load_weights(file)
    return plain


def _without_lora(config):
    if isinstance(config, dict):
        return {key: _without_lora(value) for key, value in config.items() if not key.startswith("lora_")}
    if isinstance(config, list | tuple):
        return type(config)(_without_lora(value) for value in config)
    return config


def _choose(what, model, pattern, kinds):
    """Path -> layer, of the layers of these kinds that are part of neither a head nor another adapter."""
    every = [layer for layer in flatten_layers(model) if layer is not model]
    apart = (*get_heads(model).values(), *_of(model, Adapter))
    apart = {id(inner) for layer in apart for inner in flatten_layers(layer)}
    able = {layer.path: layer for layer in every if isinstance(layer, kinds) and id(layer) not in apart}
    found = {path: layer for path, layer in able.items() if fnmatch.fnmatchcase(path, pattern or "*")}
    if not found:
        which = "there is no layer for it" if pattern is None else f"no layer matches {pattern!r}"
        raise ValueError(f"{what}: {which}; {model.name} has {', '.join(able) or 'none that it could take'}.")
    return found


def _freeze(model):
    """All but heads and adapters. Layers keep their flag, so that a model made from the config is trained again."""
    learning = (*get_heads(model).values(), *_of(model, Adapter))
    kept = {id(weight) for layer in learning for weight in layer.weights}
    for weight in model.trainable_variables:
        weight.trainable = id(weight) in kept or weight.name.startswith("lora_")
    for layer in _of(model, keras.layers.BatchNormalization):
        # Its statistics are no trained weights, and would go on changing.
        layer.trainable = False


def _of(model, kind):
    return [layer for layer in flatten_layers(model) if isinstance(layer, kind)]


def _kernel(layer):
    return layer.embeddings if isinstance(layer, keras.layers.Embedding) else layer.kernel


def _adapted(model, found):
    trained = sum(math.prod(weight.shape) for weight in model.trainable_variables)
    return AdapterSummary(tuple(found), trained, model.count_params())
