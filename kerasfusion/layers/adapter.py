import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class Adapter(keras.layers.Layer):
    """Residual bottleneck to insert into a trained network: `x + U gelu(D x + d) + u` (adapter, arXiv 1902.00751).

    `U` and `u` are initialized with zeros, so the network's outputs are unchanged until the adapter is trained.

    Args:
        units: int, width of the bottleneck.

    Call arguments:
        x: float `(…, d)`.

    Returns:
        float `(…, d)`.

    Example:

    ```python
    x = Adapter(8)(keras.random.normal((2, 5, 64)))  # (2, 5, 64)
    ```
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.down = keras.layers.Dense(self.units, name="down", dtype=self.dtype_policy)
        self.down.build(shape)
        self.up = keras.layers.Dense(shape[-1], kernel_initializer="zeros", name="up", dtype=self.dtype_policy)
        self.up.build((*shape[:-1], self.units))

    def call(self, x):
        return x + self.up(ops.gelu(self.down(x), approximate=False))

    def get_config(self):
        return {**super().get_config(), "units": self.units}
