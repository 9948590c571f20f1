import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class GatedFusion(Fusion):
    """The gated multimodal unit (GMU, arXiv 1702.01992): learned gates decide how far each modality counts.

    Two modalities `a`, `b` in alphabetical order share one gate, `g = σ(W [a; b])`:
    `g ⊙ tanh(W_a a) + (1 - g) ⊙ tanh(W_b b)`. More have a gate each: `Σ_m σ(W_m [x_1; x_2; …]) ⊙ tanh(V_m x_m)`.

    Args:
        units: Width of the fused representation.
        dropout: Dropout rate on it.

    Example:

    ```python
    fused = GatedFusion(256)({"text": text_vector, "image": image_vector})  # (B, 256)
    ```
    """

    def build_fusion(self, shapes):
        self.values, self.gates = {}, {}
        joined = (None, sum(shape[-1] for shape in shapes.values()))
        names = sorted(shapes)
        for name in names:
            self.values[name] = keras.layers.Dense(
                self.units, activation="tanh", name=f"value_{name}", dtype=self.dtype_policy
            )
            self.values[name].build(shapes[name])
        for name in names[:1] if len(names) == 2 else names:
            self.gates[name] = keras.layers.Dense(
                self.units, activation="sigmoid", name=f"gate_{name}", dtype=self.dtype_policy
            )
            self.gates[name].build(joined)

    def fuse(self, values, training):
        joined = ops.concatenate(list(values.values()), axis=-1)
        gates = {name: gate(joined) for name, gate in self.gates.items()}
        if len(values) == 2:
            first, second = values
            gates[second] = 1.0 - gates[first]
        return sum(gates[name] * self.values[name](value) for name, value in values.items())
