import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.query import query_of


@keras.saving.register_keras_serializable("kerasfusion")
class BranchedFusion(Fusion):
    """Branches of which one modality, the command, chooses (conditional imitation learning, arXiv 1710.02410).

        j = relu(U [x_1; x_2; …] + a),   p = softmax(V q + c),   output = Σ_b p_b relu(W_b j + d_b)

    The command `q` chooses what is done with the other modalities `x_m` and cannot be ignored in favor of them, as a
    small vector in a concatenation can. In the paper it is one of a list and selects a single branch; here the choice
    is learned, so that it may be a sentence, and becomes as sharp as training makes it.

    Args:
        units: int, width of the fused representation.
        num_branches: int, number of branches. Defaults to 4.
        query: Optional str, name of the modality that chooses. Defaults to `"text"`, or the only modality without an
            image grid.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the choosing modality is ambiguous or the only one.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = BranchedFusion(64)({"text": text, "image": image})  # (2, 64)
    ```
    """

    def __init__(self, units, num_branches=4, query=None, **kwargs):
        super().__init__(units, **kwargs)
        self.num_branches = num_branches
        self.query = query

    def parts(self, inputs):
        self.chooser = query_of(self.name, inputs, self.query)
        return super().parts(inputs)

    def build_fusion(self, shapes):
        joined = sum(shape[-1] for name, shape in shapes.items() if name != self.chooser)
        self.joint = self.dense("joint", joined, self.units, "relu")
        self.choice = self.dense("choice", shapes[self.chooser][-1], self.num_branches, "softmax")
        self.branches = self.dense("branches", self.units, self.num_branches * self.units, "relu")

    def fuse(self, values, training):
        others = [value for name, value in values.items() if name != self.chooser]
        branches = self.branches(self.joint(ops.concatenate(others, axis=-1)))
        branches = ops.reshape(branches, (-1, self.num_branches, self.units))
        return ops.einsum("bn,bnd->bd", self.choice(values[self.chooser]), branches)

    def get_config(self):
        return {**super().get_config(), "num_branches": self.num_branches, "query": self.query}
