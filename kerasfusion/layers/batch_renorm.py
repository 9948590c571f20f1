import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class BatchRenormalization(keras.layers.BatchNormalization):
    """Batch normalization for batches with few images (batch renormalization, arXiv 1702.03275).

        training and inference: γ (x - μ) / σ + β,   gradient: that of γ (x - μ_B) / σ_B + β

    `μ` and `σ` are the moving statistics and `μ_B`, `σ_B` those of the batch. Batch normalization uses the latter in
    training, and among few images they vary: where images differ by little, by more than the images do. Here one
    image gives the same output in training and inference, whatever its batch. The paper's bounds on the difference
    between the statistics are left out.

    Args:
        **kwargs: Arguments of `keras.layers.BatchNormalization`.

    Example:

    ```python
    layer = BatchRenormalization(momentum=0.9)
    normalized = layer(keras.random.normal((8, 5, 5, 16)), training=True)  # (8, 5, 5, 16)
    ```
    """

    def call(self, inputs, training=None, mask=None):
        outputs = super().call(inputs, training=training, mask=mask)
        if not training:
            return outputs
        moving = super().call(inputs, training=False, mask=mask)
        return outputs + ops.stop_gradient(moving - outputs)
