import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import BagOfWordsCrossentropy


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsHead(Head):
    """Predict the set of words in a text: one logit per word of the vocabulary.

    Labels are token ids int32 `(B, L)`.

    Args:
        outputs: int, size of the vocabulary.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Example:

    ```python
    head = BagOfWordsHead(1000)
    head.predictions(head(keras.random.normal((2, 16))))["probabilities"]  # (2, 1000), each in 0..1
    ```
    """

    def loss(self):
        return BagOfWordsCrossentropy(reduction=MEAN)

    def metrics_for(self):
        return []

    def predictions(self, logits):
        return {"probabilities": ops.sigmoid(logits / self.temperature)}
