import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ModalityImputer(keras.layers.Layer):
    """The vector of one modality, predicted from that of another where it is missing: `W other + b`.

    Call arguments:
        vector: float `(B, d)`.
        other: float `(B, e)`.
        present: bool `(B,)`, whether the vector is of something that is there.
        other_present: bool `(B,)`, the same for the other.

    Returns:
        tuple: float `(B, d)`, and bool `(B,)`, False where both were missing.

    Example:

    ```python
    image, there = ModalityImputer()(image, text, image_present, text_present)
    ```
    """

    def build(self, vector_shape, other_shape, present_shape, other_present_shape):
        self.dense = keras.layers.Dense(vector_shape[-1], dtype=self.dtype_policy, name="predict")
        self.dense.build(other_shape)

    def call(self, vector, other, present, other_present):
        predicted = ops.cast(self.dense(other), vector.dtype)
        return ops.where(present[:, None], vector, predicted), ops.logical_or(present, other_present)
