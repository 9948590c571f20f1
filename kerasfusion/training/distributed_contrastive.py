"""Contrastive batches over several devices: each embeds a share of the batch, and the loss is that of all of it."""

import tensorflow as tf

from kerasfusion.models.contrastive_trainer import ContrastiveTrainer


class AcrossReplicas(ContrastiveTrainer):
    """The twin that `contrastive` makes, under a `tf.distribute` strategy: every replica sees the negatives of all.

    Each replica gathers the embeddings and labels of all and computes the loss of the whole batch; gradients flow
    back to the replica that made an embedding. A step's gradients are those of one device with the whole batch. Two
    things still see a replica's share alone: batch normalization that learns, and an optimizer's bound on the norm of
    the gradients. On one device this is the plain twin.

    Args:
        model: What `dual_encoder` made, in the strategy's scope. Each batch needs a row for every replica.
        image: Name of the image's input.

    Example:

    ```python
    with tf.distribute.MirroredStrategy().scope():
        model = kf.create_model("dual_lstm_cnn", data.schema)
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, "runs/captions")  # takes it
    model = keras.saving.load_model("runs/captions/model.keras")  # on one device again
    ```
    """

    def __init__(self, model, image="image"):
        super().__init__(model, image)

    def compile(self, *arguments, **settings):
        if self.distribute_strategy.num_replicas_in_sync > 1:
            # A loop around steps that gather is more than TensorFlow 2.21's default collectives can run.
            settings["steps_per_execution"] = 1
        super().compile(*arguments, **settings)

    def scores(self, embeddings):
        return super().scores({kind: gathered(rows) for kind, rows in embeddings.items()})

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        # The replicas' gradients are added up. Keras divides losses of rows by their number, those of matrices not.
        return loss / self.distribute_strategy.num_replicas_in_sync

    def _pairs(self, y, sample_weight):
        weights = None if sample_weight is None else {self.task: gathered(sample_weight[self.task])}
        return super()._pairs({self.task: gathered(y[self.task])}, weights)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would add up the replicas' shares of a batch to learn its shapes, which fails for booleans.
        if iterator is not None and self.distribute_strategy.num_replicas_in_sync > 1:
            _, _, batches = next(iter(iterator))
            shares = self.distribute_strategy.experimental_local_results
            data_batch = tf.nest.map_structure(lambda value: shares(value)[0], next(batches))
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)


def gathered(rows):
    """The rows of all replicas, one below the other; as they are on one device, or where Keras asks for shapes."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return rows
    return context.all_gather(rows, axis=0)
