"""Optimizer, losses and metrics, as the recipe and the model's own heads say."""

import keras

from kerasfusion.training.adalora import AdaLoRA, rank_budget
from kerasfusion.training.strategy import on_gpu


def compile_model(model, heads, schema, recipe, total_steps, steps_per_execution=1):
    """Compile a model, or its image-major twin, for a schema's tasks.

    Args:
        model: The `keras.Model` to compile.
        heads: `get_heads(plain_model)`: task -> head.
        schema: The `Schema`, for the weights of the tasks.
        recipe: A `TrainingConfig`.
        total_steps: Optimizer steps of the whole training, for the schedule.
        steps_per_execution: BatchedDataset per call into TensorFlow.
    """
    warmup = int(recipe.warmup * total_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(total_steps - warmup, 1),
    )
    settings = {"weight_decay": recipe.weight_decay, "global_clipnorm": recipe.clip}
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
        jit_compile=on_gpu() if recipe.jit_compile is None else recipe.jit_compile,
    )
    # Made inside the step, its variables would have TensorFlow trace the step twice, most of a small model's start.
    optimizer.build(model.trainable_variables)
