"""Contrastive batches that are larger than memory: the loss of the whole batch, the networks in parts of it."""

import keras
import tensorflow as tf

from kerasfusion.training.distributed_contrastive import AcrossReplicas


class GradientCache(AcrossReplicas):
    """The twin that `contrastive` makes, with a whole batch's gradients in a part's memory (arXiv 2101.06983).

    A contrastive loss needs all embeddings of a batch at once, but not all of what the networks computed on the way.
    So each part is embedded without remembering anything, the loss gives its gradients by the embeddings, and each
    part is embedded once more to take them on to the weights. That is one pass forward more. What is random in the
    networks is repeated exactly. Batch normalization that learns sees a part at a time.

    Args:
        model: What `dual_encoder` made.
        rows: Images (plain batches: rows) that are embedded at once.
        image: Name of the image's input.

    Example:

    ```python
    twin = GradientCache(model, rows=64)
    ```
    """

    def __init__(self, model, rows, image="image"):
        super().__init__(model, image)
        self.rows = rows

    def compile(self, *arguments, **settings):
        # The last part is smaller than the others, and XLA takes one shape.
        super().compile(*arguments, **{**settings, "jit_compile": False})

    def call(self, inputs, training=None, embed=False):
        embeddings = self.embed(inputs)
        return embeddings if embed else self.scores(embeddings)

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        count = tf.shape(next(iter(x.values())))[0]
        parts = -(-count // self.rows)
        # Seeds of dropout and statistics, which the first pass changes as the second will.
        state = [tf.identity(variable) for variable in self.non_trainable_variables]
        embeddings = self._embed_in_parts(x, parts)
        for variable, value in zip(self.non_trainable_variables, state, strict=True):
            variable.assign(value)
        weights = [variable.value for variable in self.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            y_pred = self.scores(embeddings)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        # Those of the head's own weights, such as the temperature, are whole already.
        total, cached = tape.gradient(scaled, (weights, embeddings), unconnected_gradients="zero")
        total = self._add_parts(x, parts, weights, cached, total)
        self.optimizer.apply_gradients(zip(total, self.trainable_variables, strict=True))
        replicas = self.distribute_strategy.num_replicas_in_sync
        self._loss_tracker.update_state(loss * replicas, sample_weight=count)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _embed_part(self, x, i):
        part = {name: tensor[i * self.rows : (i + 1) * self.rows] for name, tensor in x.items()}
        return self(part, training=True, embed=True)

    def _embed_in_parts(self, x, parts):
        def embed(i, found):
            embeddings = self._embed_part(x, i)
            return i + 1, {kind: found[kind].write(i, embeddings[kind]) for kind in found}

        found = {kind: tf.TensorArray(tf.float32, parts, infer_shape=False) for kind in ("image", "text")}
        _, found = tf.while_loop(lambda i, _: i < parts, embed, (0, found))
        width = self.plain.get_layer("embed_image").output.shape[-1]
        return {kind: tf.ensure_shape(array.concat(), (None, width)) for kind, array in found.items()}

    def _add_parts(self, x, parts, weights, cached, total):
        # Rows of a part's gradients, of images and (image-major) of their texts.
        each = tf.shape(cached["text"])[0] // tf.shape(cached["image"])[0]
        rows = {"image": self.rows, "text": self.rows * each}

        def add(i, total):
            with tf.GradientTape() as tape:
                embeddings = self._embed_part(x, i)
                onward = [
                    tf.reduce_sum(embeddings[kind] * cached[kind][i * count : (i + 1) * count])
                    for kind, count in rows.items()
                ]
            part = tape.gradient(onward, weights, unconnected_gradients="zero")
            return i + 1, [a + tf.convert_to_tensor(b) for a, b in zip(total, part, strict=True)]

        total = [tf.convert_to_tensor(gradient) for gradient in total]
        return tf.while_loop(lambda i, _: i < parts, add, (0, total))[1]
