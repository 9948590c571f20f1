import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class CaptionCrossentropy(keras.losses.Loss):
    """Cross-entropy of the next token, averaged over all tokens except padding.

    Args:
        label_smoothing: float in [0, 1), fraction of each target that is spread over all tokens (arXiv 1512.00567).
            Defaults to 0.

    Call arguments:
        y_true: int `(…, T)`, the next tokens and the end token; 0 is padding.
        y_pred: float `(…, T, V)`, logits.
        sample_weight: Optional float `(…,)`, weights of whole captions.

    Returns:
        float32 scalar.

    Raises:
        ValueError: if `label_smoothing` is not in [0, 1).

    Example:

    ```python
    tokens, logits = keras.ops.array([[4, 5, 3, 0]]), keras.random.normal((1, 4, 10))
    loss = kf.losses.CaptionCrossentropy()(tokens, logits)
    ```
    """

    def __init__(self, label_smoothing=0.0, name="caption_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is a share in [0, 1), not {label_smoothing}.")
        self.label_smoothing = label_smoothing

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "int32")
        logits = ops.cast(y_pred, "float32")
        total = ops.logsumexp(logits, axis=-1)
        right = ops.squeeze(ops.take_along_axis(logits, y_true[..., None], axis=-1), axis=-1)
        kept = 1 - self.label_smoothing
        losses = total - kept * right
        if self.label_smoothing:
            losses = losses - self.label_smoothing * ops.mean(logits, axis=-1)
        weights = word_weights(y_true, sample_weight)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1e-9)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def word_weights(words, sample_weight=None):
    """Weight of each position, float32 `(…, T)`: 0 at padding, else the caption's weight."""
    weights = ops.cast(ops.not_equal(words, 0), "float32")
    return weights if sample_weight is None else weights * ops.cast(sample_weight, "float32")[..., None]
