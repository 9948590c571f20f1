import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ModalityImputer(keras.layers.Layer):
    """Impute a missing modality's embedding from another with a linear map: `W other + b`.

    Call arguments:
        vector: float `(B, d)`, the embedding to impute.
        other: float `(B, e)`, the embedding it is imputed from.
        present: bool `(B,)`, whether the modality of `vector` is present.
        other_present: bool `(B,)`, whether the other modality is present.

    Returns:
        tuple: float `(B, d)`, and bool `(B,)`, False where both modalities are missing.

    Example:

    ```python
    image, text = keras.random.normal((2, 8)), keras.random.normal((2, 4))
    present = keras.ops.array([True, False])
    image, present = ModalityImputer()(image, text, present, keras.ops.array([True, True]))  # (2, 8), (2,)
    ```
    """

    def build(self, vector_shape, other_shape, present_shape, other_present_shape):
        self.dense = keras.layers.Dense(vector_shape[-1], dtype=self.dtype_policy, name="predict")
        self.dense.build(other_shape)

    def call(self, vector, other, present, other_present):
        predicted = ops.cast(self.dense(other), vector.dtype)
        return ops.where(present[:, None], vector, predicted), ops.logical_or(present, other_present)
