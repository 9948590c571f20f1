import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class ConcatFusion(Fusion):
    """Concatenation followed by a dense layer: `relu(W [x_1; x_2; …] + b)`.

    Args:
        units: Optional int, width of the fused representation. `None` returns the concatenation itself.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = ConcatFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def build_fusion(self, shapes):
        self.projection = None
        self.joined = sum(shape[-1] for shape in shapes.values())
        if self.units is not None:
            self.projection = self.dense("projection", self.joined, self.units, "relu")

    def fuse(self, values, training):
        joined = ops.concatenate(list(values.values()), axis=-1)
        return joined if self.projection is None else self.projection(joined)
