import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class BilinearKnowledge(keras.layers.Layer):
    """What each of some things says of each of others: `K_ij = f(x_i) · g(y_j) + h(x_i, y_j)`.

    The knowledge matrix of article 003, section 3.2, with all three functions learned: `f` and `g` are linear, `h` is
    `w · tanh(A x_i + B y_j + a)`, which no product of the two can be. Trained on a teacher's similarities of pairs,
    it carries over what goes with what, also between networks of different widths and modalities.

    Args:
        units: Width of `f(x)` and `g(y)`.
        hidden_dim: Width inside of `h`; 0 leaves `h` out.

    Call arguments:
        x: float `(N, d)`.
        y: float `(M, e)`.

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
