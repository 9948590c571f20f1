"""Contrastive batches over several devices: each embeds a share of the batch, and the loss is that of all of it."""

import tensorflow as tf

from kerasfusion.models import TrainingWrapper, contrastive


class AcrossReplicas(TrainingWrapper):
    """Contrastive training under a `tf.distribute` strategy: every replica sees the negatives of all.

    Each replica gathers the embeddings and labels of all and computes the loss of the whole batch; gradients flow
    back to the replica that made an embedding. A step's gradients are those of one device with the whole batch. Two
    things still see a replica's share alone: batch normalization that learns, and an optimizer's bound on the norm of
    the gradients. On one device this changes nothing.

    Args:
        model: What `contrastive` made, or a `DualEncoder`, which is then wrapped by it first; in the strategy's
            scope. Each batch needs a row for every replica.

    Example:

    ```python
    with tf.distribute.MirroredStrategy().scope():
        model = kf.create_model("dual_lstm_cnn", data.schema)
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, "runs/captions")  # takes it
    model = keras.saving.load_model("runs/captions/model.keras")  # on one device again
    ```
    """

    takes_batches = True

    def __init__(self, model):
        super().__init__(model if isinstance(model, TrainingWrapper) else contrastive(model))

    def compile_settings(self, settings):
        settings = super().compile_settings(settings)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            # A loop around steps that gather is more than TensorFlow 2.21's default collectives can run.
            settings = {**settings, "steps_per_execution": 1}
        return settings

    def scores(self, embeddings):
        return super().scores({kind: gathered(rows) for kind, rows in embeddings.items()})

    def adjust_loss(self, trainer, loss, y_pred):
        # The replicas' gradients are added up. Keras divides losses of rows by their number, those of matrices not.
        loss = super().adjust_loss(trainer, loss, y_pred)
        return loss / self.distribute_strategy.num_replicas_in_sync

    def arrange(self, y, y_pred, sample_weight):
        y, sample_weight = (
            None if labels is None else {task: gathered(rows) for task, rows in labels.items()}
            for labels in (y, sample_weight)
        )
        return super().arrange(y, y_pred, sample_weight)

    def example_batch(self, iterator):
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return super().example_batch(iterator)
        _, _, batches = next(iter(iterator))
        shares = self.distribute_strategy.experimental_local_results
        return tf.nest.map_structure(lambda value: shares(value)[0], next(batches))


def gathered(rows):
    """The rows of all replicas, one below the other; as they are on one device, or where Keras asks for shapes."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return rows
    return context.all_gather(rows, axis=0)
