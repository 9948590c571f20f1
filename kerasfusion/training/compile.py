"""Compile a model: optimizer from the config, losses and metrics from its heads."""

import keras

from kerasfusion.training.adalora import AdaLoRA, rank_budget
from kerasfusion.training.strategy import on_gpu


def compile_model(model, heads, schema, config, total_steps, steps_per_execution=1):
    """Compile a model, or its image-major twin, for a schema's tasks.

    Args:
        model: The `keras.Model` to compile.
        heads: `get_heads(plain_model)`: task -> head.
        schema: The `Schema`, for the weights of the tasks.
        config: A `TrainingConfig`.
        total_steps: Optimizer steps of the whole training, for the schedule.
        steps_per_execution: BatchedDataset per call into TensorFlow.
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
    if pairs:
        optimizer = AdaLoRA(pairs, kept, total_steps, learning_rate=schedule, **settings)
    else:
        optimizer = keras.optimizers.AdamW(schedule, **settings)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "missing", "log_variance"])
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
