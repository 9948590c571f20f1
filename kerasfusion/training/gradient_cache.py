"""Contrastive batches that are larger than memory: the loss of the whole batch, the networks in parts of it."""

import keras
import tensorflow as tf

from kerasfusion.keras_compat import log_loss
from kerasfusion.models import TrainingWrapper
from kerasfusion.training.distributed_contrastive import AcrossReplicas


class GradientCache(TrainingWrapper):
    """Contrastive training with a whole batch's gradients in a part's memory (arXiv 2101.06983).

    A contrastive loss needs all embeddings of a batch at once, but not all of what the networks computed on the way.
    So each part is embedded without remembering anything, the loss gives its gradients by the embeddings, and each
    part is embedded once more to take them on to the weights. That is one pass forward more. What is random in the
    networks is repeated exactly. Batch normalization that learns sees a part at a time.

    Args:
        model: What `contrastive` or `AcrossReplicas` made, or a `DualEncoder`, which is then wrapped by these first.
        rows: Images (plain batches: rows) that are embedded at once.

    Example:

    ```python
    wrapper = GradientCache(model, rows=64)
    ```
    """

    takes_batches = True

    def __init__(self, model, rows):
        super().__init__(model if isinstance(model, TrainingWrapper) else AcrossReplicas(model))
        self.rows = rows

    def compile_settings(self, settings):
        # The last part is smaller than the others, and XLA takes one shape.
        return {**super().compile_settings(settings), "jit_compile": False}

    def run_step(self, trainer, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        count = tf.shape(next(iter(x.values())))[0]
        parts = -(-count // self.rows)
        # Seeds of dropout and statistics, which the first pass changes as the second will.
        state = [tf.identity(variable) for variable in trainer.non_trainable_variables]
        embeddings = self._embed_in_parts(trainer, x, parts)
        for variable, value in zip(trainer.non_trainable_variables, state, strict=True):
            variable.assign(value)
        weights = [variable.value for variable in trainer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            y_pred = trainer.scores(embeddings)
            loss = trainer.compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = trainer.optimizer.scale_loss(loss)
        # Those of the head's own weights, such as the temperature, are whole already.
        total, cached = tape.gradient(scaled, (weights, embeddings), unconnected_gradients="zero")
        total = self._add_parts(trainer, x, parts, weights, cached, total)
        trainer.optimizer.apply_gradients(zip(total, trainer.trainable_variables, strict=True))
        log_loss(trainer, loss * trainer.distribute_strategy.num_replicas_in_sync, count)
        return trainer.compute_metrics(x, y, y_pred, sample_weight)

    def _embed_part(self, trainer, x, i):
        part = {name: tensor[i * self.rows : (i + 1) * self.rows] for name, tensor in x.items()}
        return trainer(part, training=True, embed=True)

    def _embed_in_parts(self, trainer, x, parts):
        def embed(i, found):
            embeddings = self._embed_part(trainer, x, i)
            return i + 1, {kind: found[kind].write(i, embeddings[kind]) for kind in found}

        found = {kind: tf.TensorArray(tf.float32, parts, infer_shape=False) for kind in ("image", "text")}
        _, found = tf.while_loop(lambda i, _: i < parts, embed, (0, found))
        return {kind: tf.ensure_shape(array.concat(), (None, self.plain.width)) for kind, array in found.items()}

    def _add_parts(self, trainer, x, parts, weights, cached, total):
        # Rows of a part's gradients, of images and (image-major) of their texts.
        each = tf.shape(cached["text"])[0] // tf.shape(cached["image"])[0]
        rows = {"image": self.rows, "text": self.rows * each}

        def add(i, total):
            with tf.GradientTape() as tape:
                embeddings = self._embed_part(trainer, x, i)
                onward = [
                    tf.reduce_sum(embeddings[kind] * cached[kind][i * count : (i + 1) * count])
                    for kind, count in rows.items()
                ]
            part = tape.gradient(onward, weights, unconnected_gradients="zero")
            return i + 1, [a + tf.convert_to_tensor(b) for a, b in zip(total, part, strict=True)]

        total = [tf.convert_to_tensor(gradient) for gradient in total]
        return tf.while_loop(lambda i, _: i < parts, add, (0, total))[1]
