import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class NumericEncoder(keras.layers.Layer):
    """Encode numeric columns: standardize by the training split's statistics, then apply a dense layer with ReLU.

    Args:
        units: int, width `d` of the output.
        mean: sequence of float, mean of each column over the training split.
        std: sequence of float, standard deviation of each column; 0 (a constant column) is treated as 1.

    Call arguments:
        numbers: float32 `(B, n)`.

    Returns:
        dict: `pooled` float `(B, d)`, and `sequence` float `(B, 1, d)`, the same vector as a single token.

    Raises:
        ValueError: at build time, if the number of columns differs from the number of means.

    Example:

    ```python
    ages = keras.ops.array([[31.0], [64.0]])
    vector = NumericEncoder(units=16, mean=(40.0,), std=(12.0,))(ages)["pooled"]  # (2, 16)
    ```
    """

    def __init__(self, units, mean, std, **kwargs):
        # The numbers are normalised in float32 whatever the precision: float16 cannot hold a price of 70,000.
        super().__init__(**{"autocast": False, **kwargs})
        self.units = units
        self.mean = tuple(float(m) for m in mean)
        self.std = tuple(float(s) or 1.0 for s in std)
        self.dense = keras.layers.Dense(units, activation="relu", name="dense", dtype=self.dtype_policy)

    def build(self, numbers_shape):
        if numbers_shape[-1] != len(self.mean):
            raise ValueError(f"{self.name}: {numbers_shape[-1]} numbers for {len(self.mean)} means.")
        self.dense.build(numbers_shape)

    def call(self, numbers):
        vector = self.dense(ops.cast(self.describe(numbers), self.compute_dtype))
        return {"pooled": vector, "sequence": vector[:, None, :]}

    def describe(self, numbers):
        """Compute what a linear model reads: the standardized numbers, float32 `(B, n)`."""
        mean = ops.convert_to_tensor(self.mean, dtype="float32")
        std = ops.convert_to_tensor(self.std, dtype="float32")
        return (ops.cast(numbers, "float32") - mean) / std

    def get_config(self):
        return {**super().get_config(), "units": self.units, "mean": self.mean, "std": self.std}
