"""Settings of a training: `TrainingConfig`, and what is carried over from another run."""

import dataclasses
from pathlib import Path

from kerasfusion.bounds import BOUNDS, check_bounds
from kerasfusion.preprocessing.augmentation import STRENGTHS

OPTIONAL = ("max_seconds", "patience", "micro_batch_size", "backbone_learning_rate")
BOUNDED: tuple[str, ...] = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "warmup_ratio",
    "global_clipnorm",
)
BOUNDED += ("modality_dropout", "seed", *OPTIONAL)


# Of a config that names no number: without a time budget, and with one, which then decides.
EPOCHS, MOST_EPOCHS = 20, 10_000


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Args:
        epochs: Most passes over the training rows; None, 20 of them, or as many as fit into `max_seconds`.
        max_seconds: Wall-clock budget: fewer epochs where so many would take longer. A few steps are timed before
            training and the number of epochs is fixed by that, so that the schedule ends where training ends and an
            interrupted training resumes exactly. None sets no budget.
        batch_size: Rows per batch (image-major: about so many texts).
        learning_rate: Highest learning rate of AdamW.
        backbone_learning_rate: Highest learning rate of pretrained layers that are fine-tuned (`fine_tune` of their
            encoder); None, that of the encoder: 1/40 of `learning_rate` for a BERT and for EfficientNet-Lite0,
            `learning_rate` itself for the networks of `keras.applications`.
        weight_decay: Decoupled weight decay (arXiv 1711.05101) of matrices, kernels and word embeddings: not of
            weights with fewer than two axes, positions, class tokens and temperatures.
        warmup_ratio: Share of all steps during which the rate climbs from 0; then it follows a cosine to 0.
        global_clipnorm: Bound on the global norm of the gradients.
        patience: Stop after so many epochs without better validation figures; None never stops early.
        class_weight: `"balanced"` weighs every class alike; None every row alike.
        augmentation: `"light"` or `"strong"`: change the training images in every epoch as far as that leaves their
            meaning alone (see `kf.data.choose_augmentation`); None leaves them as they are.
        modality_dropout: Probability that a training row loses one of its modalities (all of its texts, its
            images or its numbers), never its last; the model learns to do without. No row loses two: see
            `kf.data.concatenate` and `Examples.without` for that. Validation rows stay whole.
        image_major: Keep the texts of an image together; None decides by the data.
        micro_batch_size: Of a match, so many rows of a batch are in memory at a time, with the gradients of the whole
            batch, for one more pass through the networks (gradient caching); None takes the batch at once.
        jit_compile: Whether XLA compiles the step; None does on a GPU alone. On a CPU, networks with recurrence or
            many kinds of batches take longer with it, some plain ones less: time both.
        seed: Seed of initial weights, order and dropout.

    Raises:
        ValueError: A setting is out of its bounds (`kerasfusion.bounds`), such as a learning rate of 0.
    """

    epochs: int | None = None
    max_seconds: float | None = None
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_ratio: float = 0.05
    global_clipnorm: float = 10.0
    patience: int | None = 5
    class_weight: str | None = None
    augmentation: str | None = None
    modality_dropout: float = 0.0
    image_major: bool | None = None
    micro_batch_size: int | None = None
    jit_compile: bool | None = None
    seed: int = 0
    backbone_learning_rate: float | None = None

    def __post_init__(self):
        if self.epochs is None:
            object.__setattr__(self, "epochs", EPOCHS if self.max_seconds is None else MOST_EPOCHS)
        settings = {name: getattr(self, name) for name in BOUNDED}
        check_bounds(**{name: value for name, value in settings.items() if value is not None or name not in OPTIONAL})
        if self.class_weight not in (None, "balanced"):
            raise ValueError(f"class_weight must be None or 'balanced', not {self.class_weight!r}.")
        if self.augmentation not in (None, *STRENGTHS):
            raise ValueError(
                f"augmentation must be None or one of {', '.join(STRENGTHS)}, not {self.augmentation!r}."
            )


@dataclasses.dataclass(frozen=True)
class LoRAConfig:
    """Low-rank adaptation (arXiv 2106.09685) of a run that training starts from.

    Args:
        rank: int. Rank of each update.
        budget: Optional int. Average rank that is left at the end, allocated by importance (AdaLoRA, arXiv
            2303.10512). None keeps `rank` everywhere.

    Raises:
        ValueError: A rank is out of its bounds.

    Example:

    ```python
    kf.train(data, "classifier_gated", init_from="runs/animals", lora=kf.training.LoRAConfig(rank=8, budget=4))
    ```
    """

    rank: int
    budget: int | None = None

    def __post_init__(self):
        _check("lora", rank=self.rank)
        if self.budget is not None:
            _check("lora", budget=self.budget)


@dataclasses.dataclass(frozen=True)
class DistillationConfig:
    """Knowledge distillation (arXiv 1503.02531) from another run.

    Args:
        teacher: str or Path. Folder of the teacher's run.
        weight: float. Weight of the teacher in the loss; the labels have the rest.
        temperature: float. Temperature of both models' logits, see `kf.losses.DistillationLoss`.

    Raises:
        ValueError: A setting is out of its bounds.

    Example:

    ```python
    kf.train(data, "image_only", distillation=kf.training.DistillationConfig("runs/both", weight=0.7))
    ```
    """

    teacher: str | Path
    weight: float = 0.5
    temperature: float = 4.0

    def __post_init__(self):
        _check("teacher_weight", weight=self.weight)
        _check("teacher_temperature", temperature=self.temperature)


def _check(setting, **argument):
    """Check an argument against the bounds of a setting that has another name on the command line."""
    ((name, value),) = argument.items()
    problem = BOUNDS[setting].problem(value)
    if problem is not None:
        raise ValueError(f"{name} {problem}")
