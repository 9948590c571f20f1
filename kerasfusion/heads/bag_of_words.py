import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import BagOfWordsCrossentropy


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsHead(Head):
    """Which words a text has: a logit for each word of the vocabulary; the label is the text, token ids `(B, L)`.

    Example:

    ```python
    head = BagOfWordsHead(len(feature.vocabulary))
    head.predictions(head(code))["probabilities"]  # (B, V), each in 0..1 by itself
    ```
    """

    def loss(self):
        return BagOfWordsCrossentropy(reduction=MEAN)

    def metrics_for(self):
        return []

    def predictions(self, logits):
        return {"probabilities": ops.sigmoid(logits / self.temperature)}
