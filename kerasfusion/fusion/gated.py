import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class GatedFusion(Fusion):
    """Gated multimodal unit: learned gates weight the modalities (GMU, arXiv 1702.01992).

        two modalities a, b:   g = σ(W [a; b]),   output = g ⊙ tanh(W_a a) + (1 - g) ⊙ tanh(W_b b)
        more:                  output = Σ_m σ(W_m [x_1; x_2; …]) ⊙ tanh(V_m x_m)

    Args:
        units: int, width of the fused representation.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = GatedFusion(256)({"text": text, "image": image})  # (2, 256)
    ```
    """

    def build_fusion(self, shapes):
        self.values = self.dense_each("value", shapes, self.units, "tanh")
        joined = sum(shape[-1] for shape in shapes.values())
        names = list(shapes)[:1] if len(shapes) == 2 else shapes
        self.gates = {name: self.dense(f"gate_{name}", joined, self.units, "sigmoid") for name in names}

    def fuse(self, values, training):
        joined = ops.concatenate(list(values.values()), axis=-1)
        gates = {name: gate(joined) for name, gate in self.gates.items()}
        if len(values) == 2:
            first, second = values
            gates[second] = 1.0 - gates[first]
        return sum(gates[name] * self.values[name](value) for name, value in values.items())
