import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ImageDecoder(keras.layers.Layer):
    """Decode a vector into an image by transposed convolutions (DCGAN, arXiv 1511.06434).

    A dense layer produces a small grid; each transposed convolution, preceded by batch normalization and ReLU,
    doubles its sides.

    Args:
        size: `(height, width)` of the image.
        filters: sequence of int, channels of the grids, smallest grid first. Defaults to `(64, 32, 16)`.
        initial_brightness: float in (0, 1), mean brightness of the untrained decoder's images. Set it to the mean of
            the data so that training does not start with the overall brightness. Defaults to 0.5.

    Call arguments:
        vector: float `(B, d)`.
        training: Optional bool.

    Returns:
        float `(B, height, width, 3)`: logits, whose sigmoid is the pixels in 0..1.

    Raises:
        ValueError: if a side is not divisible by `2 ** len(filters)`.

    Example:

    ```python
    pixels = keras.ops.sigmoid(ImageDecoder((32, 32))(keras.random.normal((2, 16))))  # (2, 32, 32, 3)
    ```
    """

    def __init__(self, size, filters=(64, 32, 16), initial_brightness=0.5, **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.filters = tuple(filters)
        self.initial_brightness = initial_brightness
        times = 2 ** len(self.filters)
        if any(side % times for side in self.size):
            raise ValueError(
                f"{self.name}: an image of {self.size[0]} x {self.size[1]} pixels is no grid doubled "
                f"{len(self.filters)} times: choose sides that {times} divides (image_size=…), or fewer filters."
            )
        self.grid = (*(side // times for side in self.size), self.filters[0])

    def build(self, vector_shape):
        dtype, shape = self.dtype_policy, (None, *self.grid)
        height, width, channels = self.grid
        self.dense = keras.layers.Dense(height * width * channels, name="dense", dtype=dtype)
        self.dense.build(vector_shape)
        self.norms, self.convolutions = [], []
        start = keras.initializers.Constant(math.log(self.initial_brightness / (1.0 - self.initial_brightness)))
        for i, channels in enumerate((*self.filters[1:], 3)):
            last = i == len(self.filters) - 1
            norm = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{i}", dtype=dtype)
            convolution = keras.layers.Conv2DTranspose(
                channels, 4, 2, "same", bias_initializer=start if last else "zeros", name=f"conv_{i}", dtype=dtype
            )
            norm.build(shape)
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            self.norms.append(norm)
            self.convolutions.append(convolution)

    def compute_output_shape(self, vector_shape):
        return (vector_shape[0], *self.size, 3)

    def call(self, vector, training=None):
        x = ops.reshape(self.dense(vector), (-1, *self.grid))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(ops.relu(norm(x, training=training)))
        return x

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "filters": self.filters,
            "initial_brightness": self.initial_brightness,
        }
