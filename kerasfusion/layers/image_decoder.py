import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ImageDecoder(keras.layers.Layer):
    """A vector drawn as an image: a convolutional encoder backwards (DCGAN, arXiv 1511.06434).

    A dense layer makes a small grid of the vector, and each transposed convolution one of twice its sides. Batch
    normalization and ReLU stand before each of them.

    Args:
        size: `(height, width)` of the image.
        filters: Channels of the grids, the smallest grid first.
        initial_brightness: Mean of the images in 0..1, which it begins with: what it is held against at first is then
            more than how light they are.

    Call arguments:
        vector: float `(B, d)`.

    Returns:
        float `(B, height, width, 3)`: logits. A sigmoid makes them pixels in 0..1.

    Raises:
        ValueError: a side that cannot be halved once for each of `filters`.

    Example:

    ```python
    pixels = keras.ops.sigmoid(ImageDecoder((32, 32))(code))  # (B, 32, 32, 3)
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
