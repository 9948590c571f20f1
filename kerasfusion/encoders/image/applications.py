"""Image encoders from `keras.applications`, with ImageNet weights or weights from a file."""

import contextlib
import warnings
from pathlib import Path

import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder

FINE_TUNE = ("none", "last_blocks", "all")
# Of the images that these networks were trained on: RGB in 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ApplicationEncoder(ImageEncoder):
    """Base class: a `keras.applications` network without its top, followed by a dense layer.

    Layers that are not fine-tuned keep their weights, and their batch normalization uses its stored statistics in
    training too. `kf.training.fit` runs the frozen layers once per image and trains on the cached `features`.

    Args:
        units: Optional int, width of the output. `None` omits the dense layer: the output has the network's width.
        weights: Optional str, initial weights: `None` for a random initialization, `"imagenet"` to download them, or
            the path of a file (`.h5`, `.weights.h5`, `.keras`) of the same network without its top. Read when an
            encoder is created, never when one is loaded.
        fine_tune: Optional str, the layers to train: `"none"`, `"last_blocks"` (those on the smallest grid) or
            `"all"`. Defaults to `"all"` for randomly initialized weights and to `"none"` otherwise.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.
        global_pool: bool, whether to average the grid over its cells before the dense layer, which leaves a grid of
            one cell. Defaults to False.
        flip_tta: bool, whether to average the features of the image and of its mirror image (test-time augmentation,
            at twice the cost). Defaults to False.
        image_sizes: sequence of int, side lengths in pixels to which the image is resized before the network. The
            features of several sizes are concatenated, which requires `global_pool=True` and `fine_tune="none"`.
            Defaults to `()`: the image as it is.

    Raises:
        ValueError: an unknown `fine_tune`, an image below 32 x 32 pixels, several sizes without `global_pool` or with
            trainable layers, a file that does not fit the network, or a failed download.
        FileNotFoundError: if there is no such file.
    """

    application: str | None = None  # the function in `keras.applications`
    last_blocks: tuple[str, ...] = ()  # how the names of the layers on the smallest grid begin
    last_frozen: str | None = None  # the layer before them
    # Share of the learning rate for pretrained layers that are fine-tuned.
    learning_rate_ratio = 1.0

    def __init__(
        self,
        units,
        weights=None,
        fine_tune=None,
        dropout=0.0,
        global_pool=False,
        flip_tta=False,
        image_sizes=(),
        **kwargs,
    ):
        super().__init__(units, dropout=dropout, **kwargs)
        if fine_tune not in (None, *FINE_TUNE):
            raise ValueError(f"{self.name}: fine_tune must be one of {', '.join(FINE_TUNE)}, not {fine_tune!r}.")
        if weights not in (None, "imagenet") and not Path(weights).is_file():
            raise FileNotFoundError(
                f"{self.name}: weights must be None, 'imagenet' or a file; there is no {weights}."
            )
        self.start = None if weights is None else str(weights)
        self.fine_tune = fine_tune or ("all" if weights is None else "none")
        self.global_pool = global_pool
        self.flip_tta = flip_tta
        self.image_sizes = tuple(image_sizes)
        if len(self.image_sizes) > 1 and not (global_pool and self.fine_tune == "none"):
            raise ValueError(f"{self.name}: several image_sizes need global_pool=True and fine_tune='none'.")
        self._read_start = weights is not None

    def options(self):
        """Additional arguments of the `keras.applications` function."""
        return {}

    def scale(self, pixels):
        """Convert pixels in 0..1 to the value range of the pretrained network."""
        raise NotImplementedError

    def body(self, network):
        """Return the part of the network that follows `scale`."""
        return network

    def build_encoder(self, pixels_shape):
        height, width = (min(self.image_sizes),) * 2 if self.image_sizes else pixels_shape[1:3]
        if min(height, width) < 32:
            raise ValueError(f"{self.name}: images must be 32 x 32 at least, not {height} x {width}.")
        with _dtype_policy(self.dtype_policy):
            network = self.make(None, (None, None, 3) if len(self.image_sizes) > 1 else (height, width, 3))
            if self._read_start:
                self._load(network)
            self.backbone = self.body(network)
        for layer in self.backbone.layers:
            layer.trainable = self.fine_tune == "all" or (
                self.fine_tune == "last_blocks" and layer.name.startswith(self.last_blocks)
            )
            if isinstance(layer, keras.layers.Dropout) and not layer.trainable:
                # Batch normalization sees for itself that it is frozen, dropout does not.
                layer.rate = 0.0
        self._cut()
        self.projection = keras.layers.Identity(dtype=self.dtype_policy)
        if self.units is not None:
            self.projection = keras.layers.Dense(
                self.units, activation="relu", name="projection", dtype=self.dtype_policy
            )
            *grid, channels = self.backbone.output_shape
            self.projection.build((*grid, channels * max(1, len(self.image_sizes))))

    @property
    def pretrained_weights(self):
        """Trainable weights that did not start at random."""
        return [] if self.start is None else self.backbone.trainable_weights

    def _cut(self):
        """Split the backbone into `frozen_backbone` and `tuned_backbone`, which learns; None where there is none."""
        self.frozen_backbone = self.tuned_backbone = None
        if self.fine_tune == "none":
            self.frozen_backbone = self.backbone
        elif self.fine_tune == "last_blocks":
            between = self.backbone.get_layer(self.last_frozen).output
            self.frozen_backbone = keras.Model(self.backbone.input, between)
            self.tuned_backbone = keras.Model(between, self.backbone.output)

    def make(self, weights, shape):
        """Create the network without its top for images of this shape."""
        make = getattr(keras.applications, self.application)
        return make(include_top=False, weights=weights, input_shape=shape, **self.options())

    def _load(self, network):
        if self.start == "imagenet":
            # By way of a second network: the applications warn of, or refuse, sizes that they have no weights for.
            try:
                pretrained = self.make("imagenet", (224, 224, 3))
            except Exception as error:  # Keras raises nothing narrower when a download fails
                raise ValueError(
                    f"{self.name}: the ImageNet weights of {self.application} cannot be had ({error}). Without a "
                    "network, give weights the path of a file."
                ) from error
            network.set_weights(pretrained.get_weights())
            return
        try:
            with warnings.catch_warnings():
                # Files of older Keras versions lack a second way to layers that Keras 3.15 looks for, and says so of
                # every layer. Layers that it finds in no way are an error.
                warnings.filterwarnings("ignore", "Skipping nested container")
                network.load_weights(self.start)
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"{self.name}: {self.start} does not hold the weights of {self.application} without its top"
                f"{f' and with {self.options()}' if self.options() else ''}: {reason}"
            ) from error

    def features(self, pixels):
        """Compute the output of the frozen layers for uint8 pixels: float `(B, h, w, channels)`.

        The encoder accepts `{"features": ...}` instead of pixels, so that training computes the features only once.
        """
        grids = self._frozen_grids(pixels)
        return self._joined(grids) if self.tuned_backbone is None else ops.concatenate(grids, axis=-1)

    @property
    def pools_features(self):
        return self.global_pool and self.fine_tune == "none"

    def grids_before_pooling(self, pixels):
        return self._without_mirror(self._frozen_grids(pixels))

    def _frozen_grids(self, pixels):
        return self._grids(self.frozen_backbone, self.unit_interval(pixels), training=False)

    def _grids(self, network, pixels, training):
        """Apply the network to the image in every size: a list of grids, each followed by its mirror image's."""
        grids = []
        for side in self.image_sizes or (None,):
            view = self.scale(pixels if side is None else _resized(pixels, side))
            if self.flip_tta:
                # One batch of both, so that the graph holds the network once.
                view = ops.concatenate([view, ops.flip(view, axis=2)])
            grid = network(view, training=training)
            if self.flip_tta:
                both = ops.reshape(grid, (2, -1, *grid.shape[1:]))
                grids += [both[0], both[1]]
            else:
                grids.append(grid)
        return grids

    def call(self, pixels, training=None):
        if not self.pools_features:
            return super().call(pixels, training=training)
        features = pixels["features"] if isinstance(pixels, dict) else self.features(pixels)
        return {**self.answer(*self.project(features, training), training), "features": features[:, 0, 0]}

    def project(self, features, training):
        if self.tuned_backbone is not None:
            views = ops.split(features, 1 + self.flip_tta, axis=-1)
            features = self._joined([self.tuned_backbone(view, training=training) for view in views])
        return self._project(features)

    def encode(self, pixels, training):
        return self._project(self._joined(self._grids(self.backbone, pixels, training)))

    def _joined(self, grids):
        """Combine the grids of all views into one."""
        grids = self._without_mirror(grids)
        return self.pool(grids) if self.global_pool else grids[0]

    def _without_mirror(self, grids):
        """Average the grids of each image and of its mirror image: one grid for each size."""
        if not self.flip_tta:
            return grids
        return [(grid + ops.flip(back, axis=2)) / 2 for grid, back in zip(grids[::2], grids[1::2], strict=True)]

    def pool(self, grids):
        grids = [ops.mean(grid, axis=(1, 2), keepdims=True) for grid in grids]
        return grids[0] if len(grids) == 1 else ops.concatenate(grids, axis=-1)

    def _project(self, grid):
        grid = self.projection(grid)
        return grid, ops.mean(grid, axis=(1, 2))

    def get_config(self):
        return {
            **super().get_config(),
            "weights": self.start,
            "fine_tune": self.fine_tune,
            "global_pool": self.global_pool,
            "flip_tta": self.flip_tta,
            "image_sizes": self.image_sizes,
        }

    @classmethod
    def from_config(cls, config):
        # The weights are among the saved ones: neither the file nor a download is needed again.
        layer = super().from_config({**config, "weights": None})
        layer.start = config["weights"]
        return layer


@keras.saving.register_keras_serializable("kerasfusion")
class VGG16Encoder(ApplicationEncoder):
    """VGG16 (arXiv 1409.1556), 14.7 million weights. The grid has 1/32 of the image's height and width.

    Args:
        units, weights, fine_tune, dropout, global_pool, flip_tta, image_sizes: See `ApplicationEncoder`.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 32, 32, 3), "uint8")
    image = VGG16Encoder(units=128)(pixels)  # weights="imagenet" downloads pretrained weights
    image["grid"]  # (2, 1, 1, 128)
    ```
    """

    application = "VGG16"
    last_blocks = ("block5",)
    last_frozen = "block4_pool"

    def scale(self, pixels):
        return _caffe(pixels)


@keras.saving.register_keras_serializable("kerasfusion")
class ResNet50Encoder(ApplicationEncoder):
    """ResNet50 (arXiv 1512.03385), 23.6 million weights. The grid has 1/32 of the image's height and width.

    Args:
        units, weights, fine_tune, dropout, global_pool, flip_tta, image_sizes: See `ApplicationEncoder`.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 32, 32, 3), "uint8")
    image = ResNet50Encoder(units=128)(pixels)  # weights="imagenet" downloads pretrained weights
    image["grid"]  # (2, 1, 1, 128)
    ```
    """

    application = "ResNet50"
    last_blocks = ("conv5",)
    last_frozen = "conv4_block6_out"

    def scale(self, pixels):
        return _caffe(pixels)


@keras.saving.register_keras_serializable("kerasfusion")
class MobileNetV2Encoder(ApplicationEncoder):
    """MobileNetV2 (arXiv 1801.04381), 2.3 million weights. The grid has 1/32 of the image's height and width.

    Args:
        units, weights, fine_tune, dropout, global_pool, flip_tta, image_sizes: See `ApplicationEncoder`.
        alpha: float, width multiplier of every layer. ImageNet weights exist for 0.35, 0.5, 0.75, 1, 1.3 and 1.4.
            Defaults to 1.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 32, 32, 3), "uint8")
    image = MobileNetV2Encoder(units=128, alpha=0.35)(pixels)  # weights="imagenet" downloads pretrained weights
    image["grid"]  # (2, 1, 1, 128)
    ```
    """

    application = "MobileNetV2"
    last_blocks = ("block_14", "block_15", "block_16", "Conv_1")
    last_frozen = "block_13_project_BN"

    def __init__(self, units, weights=None, fine_tune=None, alpha=1.0, dropout=0.0, **kwargs):
        super().__init__(units, weights, fine_tune, dropout, **kwargs)
        self.alpha = alpha

    def options(self):
        return {"alpha": self.alpha}

    def scale(self, pixels):
        return pixels * 2.0 - 1.0

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


@keras.saving.register_keras_serializable("kerasfusion")
class EfficientNetB0Encoder(ApplicationEncoder):
    """EfficientNetB0 (arXiv 1905.11946), 4 million weights. The grid has 1/32 of the image's height and width.

    Args:
        units, weights, fine_tune, dropout, global_pool, flip_tta, image_sizes: See `ApplicationEncoder`.

    Example:

    ```python
    pixels = keras.ops.zeros((2, 32, 32, 3), "uint8")
    image = EfficientNetB0Encoder(units=128)(pixels)  # weights="imagenet" downloads pretrained weights
    image["grid"]  # (2, 1, 1, 128)
    ```
    """

    application = "EfficientNetB0"
    last_blocks = ("block6", "block7", "top")
    last_frozen = "block5c_add"

    def scale(self, pixels):
        mean, std = (ops.convert_to_tensor(v, dtype=pixels.dtype) for v in (IMAGENET_MEAN, IMAGENET_STD))
        return (pixels - mean) / std

    def body(self, network):
        # Keras scales pixels inside, with one layer more where the weights are "imagenet" than where they come from
        # a file. Without these layers the network is the same for both, and its scaling in the open.
        return keras.Model(network.get_layer("stem_conv_pad").input, network.output, name=network.name)


def _resized(pixels, side):
    if tuple(pixels.shape[1:3]) == (side, side):
        return pixels
    return ops.image.resize(pixels, (side, side), antialias=True)


def _caffe(pixels):
    """Convert RGB in 0..1 to BGR in 0..255 minus the ImageNet mean, the convention of networks trained in Caffe."""
    mean = ops.convert_to_tensor((103.939, 116.779, 123.68), dtype=pixels.dtype)
    return pixels[..., ::-1] * 255.0 - mean


@contextlib.contextmanager
def _dtype_policy(policy):
    """Use this dtype policy for layers created in the block: `keras.applications` takes no `dtype`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
