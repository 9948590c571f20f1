"""Parameter-efficient fine-tuning: LoRA and bottleneck adapters."""

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
    """Adapted layers and the number of trainable parameters.

    Args:
        layers: Paths of the layers with an adapter.
        trained: int, trainable parameters: those of adapters and heads.
        total: int, all parameters.
    """

    layers: tuple[str, ...]
    trained: int
    total: int

    @property
    def share(self):
        return self.trained / self.total

    def __str__(self):
        trained = f"{self.trained:,} of {self.total:,} parameters trainable ({self.share:.1%})"
        return f"{len(self.layers)} layers adapted, {trained}"


def enable_lora(model, rank, layers=None, alpha=None, budget=None):
    """Add LoRA to a trained model: train low-rank updates of its layers, and its heads (arXiv:2106.09685).

    A frozen kernel `W` becomes `W + alpha / rank · A B`. `B` is initialized with zeros, so the outputs do not change.
    The update applies to layers for which Keras has `enable_lora`: dense layers, attention projections and
    embeddings. All other weights except the heads are frozen. After training, call `merge_lora`. A saved model
    already holds the merged weights, and `kf.training.fit` restores them from its checkpoint.

    Args:
        model: A trained plain model. It is modified.
        rank: int, number of columns of `A`. In attention layers it applies per head.
        layers: Shell pattern of layer paths, such as `"encode_text/*"`. Defaults to `None`, all dense and attention
            layers, but not embeddings, whose `A` would have a row per word.
        alpha: float, scale of the update. Defaults to `None`, the rank.
        budget: int, average rank per layer after training. `kf.training.fit` prunes the least important ranks
            (AdaLoRA, arXiv:2303.10512; see `kerasfusion.training.adalora`). Defaults to `None`, no pruning.

    Returns:
        `AdapterSummary` with the `layers` and the `share` of trainable parameters.

    Raises:
        ValueError: If no layer matches, a layer is too small for the rank, the budget is not below the rank, or a
            layer already has LoRA.

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
            raise ValueError(f"enable_lora: {path} already has LoRA. Merge it first: merge_lora(model).")
        shape = _kernel(layer).shape
        most = min(math.prod(shape[:-1]), shape[-1])
        if not 1 <= rank <= most:
            raise ValueError(
                f"enable_lora: rank must be from 1 to {most} for {path} of shape {' x '.join(map(str, shape))}. "
                f"Received: rank={rank}"
            )
    if budget is not None and not 1 <= budget < rank:
        raise ValueError(
            f"enable_lora: budget must be at least 1 and below the rank, {rank}. Received: budget={budget}"
        )
    _freeze(model)
    for layer in found.values():
        layer.enable_lora(rank, lora_alpha=alpha)
        layer.lora_budget = budget
    return _adapted(model, found)


def add_adapters(model, units, layers="*"):
    """Add a bottleneck `Adapter` after each branch of the transformer blocks of a trained model (arXiv:1902.00751).

    Adapters are initialized as the identity. All other weights except heads and existing adapters are frozen.
    Adapters are nonlinear and cannot be merged: the model is saved, loaded and exported with them.

    Args:
        model: A trained plain model. It is modified.
        units: int, width of the bottleneck.
        layers: Shell pattern of the paths of transformer blocks, such as `"encode_text/*"`. Defaults to `"*"`.

    Returns:
        `AdapterSummary` with the `layers` and the `share` of trainable parameters.

    Raises:
        ValueError: If no block matches, a block is not wider than the bottleneck, or already has adapters.

    Example:

    ```python
    print(kf.transfer.add_adapters(model, units=8))
    kf.training.fit(model, train, validation, config, "runs/adapted")
    ```
    """
    found = _choose("add_adapters", model, layers, (TransformerBlock,))
    for path, block in found.items():
        if block.attention_bottleneck is not None:
            raise ValueError(f"add_adapters: {path} already has adapters.")
        if not 1 <= units < block.contract.units:
            raise ValueError(
                f"add_adapters: units must be from 1 to {block.contract.units - 1} for {path}. Received: "
                f"units={units}"
            )
    _freeze(model)
    for block in found.values():
        block.add_bottlenecks(units)
    return _adapted(model, found)


def merge_lora(model):
    """Merge LoRA updates into the kernels and return a plain model with the same outputs.

    Args:
        model: A model modified by `enable_lora`. It is unchanged.

    Returns:
        keras.Model whose weights are trainable as in the original model; `model` itself if it has no LoRA.

    Example:

    ```python
    plain = kf.transfer.merge_lora(model)
    plain.save("model.keras")
    ```
    """
    if not any(getattr(layer, "lora_enabled", False) for layer in flatten_layers(model)):
        return model
    plain = type(model).from_config(_without_lora(model.get_config()))
    with tempfile.TemporaryDirectory() as folder:
        # Keras merges LoRA when it saves weights.
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
    """Dict of path -> layer: layers of these types outside of heads and adapters whose path matches the pattern."""
    every = [layer for layer in flatten_layers(model) if layer is not model]
    apart = (*get_heads(model).values(), *_of(model, Adapter))
    apart = {id(inner) for layer in apart for inner in flatten_layers(layer)}
    able = {layer.path: layer for layer in every if isinstance(layer, kinds) and id(layer) not in apart}
    found = {path: layer for path, layer in able.items() if fnmatch.fnmatchcase(path, pattern or "*")}
    if not found:
        which = "no layer supports it" if pattern is None else f"no layer matches {pattern!r}"
        raise ValueError(f"{what}: {which}; layers of {model.name} that support it: {', '.join(able) or 'none'}.")
    return found


def _freeze(model):
    """Freeze weights except those of heads and adapters, but not layers: a model from the config is trainable."""
    learning = (*get_heads(model).values(), *_of(model, Adapter))
    kept = {id(weight) for layer in learning for weight in layer.weights}
    for weight in model.trainable_variables:
        weight.trainable = id(weight) in kept or weight.name.startswith("lora_")
    for layer in _of(model, keras.layers.BatchNormalization):
        # Moving statistics are updated even if the weights are frozen.
        layer.trainable = False


def _of(model, kind):
    return [layer for layer in flatten_layers(model) if isinstance(layer, kind)]


def _kernel(layer):
    return layer.embeddings if isinstance(layer, keras.layers.Embedding) else layer.kernel


def _adapted(model, found):
    trained = sum(math.prod(weight.shape) for weight in model.trainable_variables)
    return AdapterSummary(tuple(found), trained, model.count_params())
