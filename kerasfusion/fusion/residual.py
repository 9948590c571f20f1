import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.query import query_of


@keras.saving.register_keras_serializable("kerasfusion")
class ResidualFusion(Fusion):
    """Multimodal residual network (MRN, arXiv 1606.01455).

        H_0 = t,   H_l = W_l H_{l-1} + tanh(U_l H_{l-1}) ⊙ tanh(B_l tanh(A_l v))

    The query vector `t` passes along the shortcut, and each layer adds its product with `v`, the concatenated vectors
    of all other modalities. `U`, `A` and `B` have biases.

    Args:
        units: int, width of the fused representation and of every layer.
        num_layers: int, number of layers. Defaults to 3.
        query: Optional str, name of the query modality. Defaults to `"text"`, or to the only one without an image
            grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the query modality is ambiguous or the only one.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = ResidualFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, num_layers=3, query=None, **kwargs):
        super().__init__(units, **kwargs)
        self.num_layers = num_layers
        self.query = query

    def parts(self, inputs):
        self.asking = query_of(self.name, inputs, self.query)
        return super().parts(inputs)

    def build_fusion(self, shapes):
        seen = sum(shape[-1] for name, shape in shapes.items() if name != self.asking)
        widths = [shapes[self.asking][-1]] + [self.units] * (self.num_layers - 1)
        self.shortcuts = [
            self.dense(f"shortcut_{i}", width, self.units, use_bias=False) for i, width in enumerate(widths)
        ]
        self.questions = [self.dense(f"question_{i}", width, self.units, "tanh") for i, width in enumerate(widths)]
        self.inner = [self.dense(f"inner_{i}", seen, self.units, "tanh") for i in range(self.num_layers)]
        self.outer = [self.dense(f"outer_{i}", self.units, self.units, "tanh") for i in range(self.num_layers)]

    def fuse(self, values, training):
        state = values[self.asking]
        seen = ops.concatenate([value for name, value in values.items() if name != self.asking], axis=-1)
        for shortcut, question, inner, outer in zip(
            self.shortcuts, self.questions, self.inner, self.outer, strict=True
        ):
            state = shortcut(state) + question(state) * outer(inner(seen))
        return state

    def get_config(self):
        return {**super().get_config(), "num_layers": self.num_layers, "query": self.query}
