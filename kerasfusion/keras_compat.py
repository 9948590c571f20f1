"""Every private attribute of Keras that this package uses, each with the reason; nothing else names one.

`tests/test_keras_compat.py` checks them; the command at its top runs it with the oldest Keras that pyproject.toml
admits.
"""

import contextlib


def log_loss(model, loss, count):
    """Add a step's loss to the mean that Keras logs as `loss`.

    `_loss_tracker`: a custom `train_step` that does not call Keras's own has no public way to report the loss under
    Keras's name, with the weights that Keras gives to batches of unlike sizes.
    """
    model._loss_tracker.update_state(loss, sample_weight=count)


@contextlib.contextmanager
def adding_sublayers(layer):
    """Let a built layer get new sublayers.

    `_tracker`: Keras locks a layer's attributes once it is built, and adapters are put into trained models.
    """
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def flatten_layers(model):
    """List a model and all layers inside it, at any depth.

    `_flatten_layers`: the public `layers` of a model ends at its top level.
    """
    return model._flatten_layers()


class SymbolicBuildMixin:
    """A model that says by which batch Keras learns the shapes of its metrics.

    `_maybe_symbolic_build`: under a distribution strategy Keras adds up the replicas' shares of a batch to learn its
    shapes, which fails for booleans; there is no public hook before that.
    """

    def example_batch(self, iterator):
        """Return `(x, y, sample_weight)` to learn shapes from; None leaves it to Keras."""
        return None

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        batch = None if iterator is None else self.example_batch(iterator)
        if batch is not None:
            iterator, data_batch = None, batch
        super()._maybe_symbolic_build(iterator, data_batch)
