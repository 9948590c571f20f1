import keras
from keras import ops

# Ids before those of words, see `kf.Schema`.
SPECIAL = 4


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of the set of words in a text, averaged over the vocabulary.

    Call arguments:
        y_true: int32 `(B, L)`, token ids; padding and unknown words are ignored.
        y_pred: float `(B, V)`, one logit per word of the vocabulary, for the ids from 4.

    Returns:
        float32 scalar; `(B,)` with `reduction=None`.

    Example:

    ```python
    loss = kf.losses.BagOfWordsCrossentropy()(keras.ops.array([[4, 6, 0]]), keras.ops.array([[2.0, -1.0, 3.0]]))
    ```
    """

    def call(self, y_true, y_pred):
        words = ops.max(ops.one_hot(ops.cast(y_true, "int32") - SPECIAL, y_pred.shape[-1]), axis=1)
        return ops.mean(ops.binary_crossentropy(words, y_pred, from_logits=True), axis=-1)
