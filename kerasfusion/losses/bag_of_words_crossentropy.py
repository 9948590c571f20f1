import keras
from keras import ops

# Ids before those of words, see `kf.Schema`.
SPECIAL = 4


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsCrossentropy(keras.losses.Loss):
    """Which words a text has, in any order: a sigmoid cross-entropy for each word of the vocabulary.

    Call arguments:
        y_true: int32 `(B, L)`, token ids; padding and unknown words count nothing.
        y_pred: float `(B, V)`, a logit for each word of the vocabulary, that is for the ids from 4.

    Returns:
        float32 scalar, the mean over the vocabulary; `(B,)` without a reduction.

    Example:

    ```python
    loss = kf.losses.BagOfWordsCrossentropy()(ids, logits)
    ```
    """

    def call(self, y_true, y_pred):
        words = ops.max(ops.one_hot(ops.cast(y_true, "int32") - SPECIAL, y_pred.shape[-1]), axis=1)
        return ops.mean(ops.binary_crossentropy(words, y_pred, from_logits=True), axis=-1)
