"""Compile a model: optimizer from the config, losses and metrics from its heads."""

import re

import keras

from kerasfusion.training.adalora import AdaLoRA, rank_budget
from kerasfusion.training.backbone_rate import SlowBackboneAdamW, backbone_ratios
from kerasfusion.training.strategy import on_gpu

# Of several axes, but no matrix that a layer multiplies with: biases of a GRU or of attention, positions, and tokens
# that stand before all others. The names are ours and KerasHub's.
_NOT_DECAYED = re.compile(
    r".*bias|positions?(_.*)?|(class|cls)_(token|embedding)|first(_.*)?|.*log(it)?_scale|temperature"
)


def is_decayed(variable):
    """Whether weight decay pulls a weight to 0: matrices, kernels and embeddings of words alone.

    Weights with fewer than two axes (biases, scales, temperatures, vectors for what is missing), positions and class
    tokens are left alone, as in timm and in the training of vision transformers.

    Args:
        variable: A `keras.Variable`.

    Returns:
        bool
    """
    own = variable.path.split("/")[-2:]
    return len(variable.shape) >= 2 and not any(_NOT_DECAYED.fullmatch(name) for name in own)


def compile_model(model, heads, schema, config, total_steps, steps_per_execution=1):
    """Compile a model, or a training wrapper of it, for a schema's tasks, as `kf.training.fit` does.

    Args:
        model: The `keras.Model` to compile.
        heads: `get_heads(model)`: task -> head.
        schema: The `Schema`, for the weights of the tasks.
        config: A `TrainingConfig`.
        total_steps: Optimizer steps of the whole training, for the schedule.
        steps_per_execution: Batches per call into TensorFlow. Defaults to 1.

    Example:

    ```python
    batches = kf.data.BatchedDataset(data.splits["train"], batch_size=64, shuffle=True)
    config = kf.training.TrainingConfig(learning_rate=2e-3)
    kf.training.compile_model(model, kf.models.get_heads(model), data.schema, config, total_steps=10 * batches.steps)
    model.fit(batches.dataset(), epochs=10, shuffle=False)
    ```
    """
    warmup = int(config.warmup_ratio * total_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(total_steps - warmup, 1),
    )
    settings = {"weight_decay": config.weight_decay, "global_clipnorm": config.global_clipnorm}
    pairs, kept = rank_budget(model)
    slower = backbone_ratios(model, config)
    if pairs:
        optimizer = AdaLoRA(pairs, kept, total_steps, learning_rate=schedule, **settings)
    elif slower:
        optimizer = SlowBackboneAdamW(slower, schedule, **settings)
    else:
        optimizer = keras.optimizers.AdamW(schedule, **settings)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if not is_decayed(v)])
    model.compile(
        optimizer=optimizer,
        loss={task: head.loss() for task, head in heads.items()},
        # What an autoencoder gives back are no tasks.
        loss_weights={task.name: task.weight for task in schema.tasks} or None,
        weighted_metrics={task: head.metrics_for() for task, head in heads.items()},
        steps_per_execution=steps_per_execution,
        jit_compile=on_gpu() if config.jit_compile is None else config.jit_compile,
    )
    # Made inside the step, its variables would have TensorFlow trace the step twice, most of a small model's start.
    optimizer.build(model.trainable_variables)
