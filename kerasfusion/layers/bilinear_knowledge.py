import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class BilinearKnowledge(keras.layers.Layer):
    """Learned similarity matrix of two sets of vectors: `K_ij = f(x_i) · g(y_j) + h(x_i, y_j)`.

    The knowledge matrix of article 003, section 3.2, with learned functions: `f` and `g` are linear, and `h` is `w ·
    tanh(A x_i + B y_j + a)`, which no inner product of the two vectors can represent. Trained on a teacher's pairwise
    similarities, it transfers relations between networks of different widths and modalities.

    Args:
        units: int, width of `f(x)` and `g(y)`.
        hidden_dim: int, hidden width of `h`; 0 omits `h`. Defaults to 16.

    Call arguments:
        inputs: `[x, y]` with `x` float `(N, d)` and `y` float `(M, e)`.

    Returns:
        float `(N, M)`.

    Example:

    ```python
    images, words = keras.random.normal((4, 32)), keras.random.normal((6, 16))
    BilinearKnowledge(8)([images, words])  # (4, 6)
    ```
    """

    def __init__(self, units, hidden_dim=16, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden_dim = hidden_dim

    def build(self, shapes):
        (_, x_width), (_, y_width) = shapes
        self.f = self.add_weight(shape=(x_width, self.units), name="f")
        # As products of random vectors both terms would begin far from any similarity; so they begin as 0.
        self.g = self.add_weight(shape=(y_width, self.units), initializer="zeros", name="g")
        if self.hidden_dim:
            self.h_x = self.add_weight(shape=(x_width, self.hidden_dim), name="h_x")
            self.h_y = self.add_weight(shape=(y_width, self.hidden_dim), name="h_y")
            self.h_bias = self.add_weight(shape=(self.hidden_dim,), initializer="zeros", name="h_bias")
            self.h_out = self.add_weight(shape=(self.hidden_dim, 1), initializer="zeros", name="h_out")

    def call(self, inputs):
        x, y = inputs
        knowledge = ops.matmul(ops.matmul(x, self.f), ops.transpose(ops.matmul(y, self.g)))
        if self.hidden_dim:
            pairs = ops.matmul(x, self.h_x)[:, None] + ops.matmul(y, self.h_y)[None] + self.h_bias
            knowledge = knowledge + ops.matmul(ops.tanh(pairs), self.h_out)[..., 0]
        return knowledge

    def compute_output_shape(self, shapes):
        return shapes[0][0], shapes[1][0]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "hidden_dim": self.hidden_dim}
