"""How many epochs fit into a wall-clock budget: timed once before training, then fixed, so that it can be resumed."""

import time

# BatchedDataset that are timed, after as many that only warm up: the first calls trace graphs and decode images.
TIMED_STEPS = 32


def epochs_within(seconds, most, model, train, validation):
    """How many epochs of a compiled model take about so many seconds on this machine, validation included.

    A learning rate that followed the clock itself would be another one at every run and after every resume. So a
    few steps are timed, the number of epochs is fixed, and the schedule follows that. The model is trained while it
    is timed and put back into the state it was in; its optimizer is not.

    Args:
        seconds: The budget. Timing these steps and tracing graphs come on top of it, a few seconds for small models.
        most: Most epochs.
        model: The compiled model that will be trained.
        train: Its training `BatchedDataset`.
        validation: Its validation `BatchedDataset`.

    Returns:
        int: from 1 to `most`. One epoch may take longer than the budget.
    """
    state = [variable.numpy() for variable in model.variables]
    steps = min(TIMED_STEPS, train.steps)
    checks = min(max(TIMED_STEPS // 4, 1), validation.steps)
    few, some = train.dataset().take(steps), validation.dataset().take(checks)
    for _ in range(2):
        started = time.perf_counter()
        model.fit(few, shuffle=False, verbose=0)
        trained = time.perf_counter()
        model.evaluate(some, verbose=0)
        evaluated = time.perf_counter()
    epoch = (trained - started) / steps * train.steps + (evaluated - trained) / checks * validation.steps
    for variable, value in zip(model.variables, state, strict=True):
        variable.assign(value)
    return max(1, min(most, round(seconds / epoch)))
