"""Base classes of the video encoders: a sequence of one token per frame, and an image encoder shared over time."""

import keras
from keras import ops

from kerasfusion.encoders.image import IMAGE_ENCODERS

# `flatten`: a mean over the cells of a frame would lose positions, and with them movement.
SMALL = {"name": "small_cnn", "filters": (16, 32, 64), "flatten": True}


class VideoEncoder(keras.layers.Layer):
    """Base class: encode the frames of a video as a sequence over time and a pooled vector.

    A subclass creates its layers in `build_encoder` and computes `(sequence, pooled)` in `encode`.

    Args:
        units: int, width `d` of the output.
        dropout: float in [0, 1), dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        frames: uint8 `(B, T, H, W, 3)` in 0..255; or `{"features": ...}` with the output of `features`, of an encoder
            with a `frozen_backbone`.
        training: Optional bool.

    Attributes:
        frozen_backbone: The part of the network that is not trained, or `None`.

    Returns:
        dict: `sequence` float `(B, T, d)`, one token per frame; `pooled` float `(B, d)`. There is no `mask` entry,
        since every frame is used.

    Example:

    ```python
    class MeanColor(kf.encoders.VideoEncoder):
        def build_encoder(self, frames_shape):
            self.dense = keras.layers.Dense(self.units)
            self.dense.build(frames_shape)

        def encode(self, frames, training):
            colors = keras.ops.mean(keras.ops.cast(frames, self.compute_dtype), axis=(2, 3))
            sequence = self.dense(colors)
            return sequence, keras.ops.mean(sequence, axis=1)


    MeanColor(8)(keras.ops.zeros((2, 4, 32, 32, 3), "uint8"))["sequence"]  # (2, 4, 8)
    ```
    """

    frozen_backbone = None

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.pooled_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, frames_shape):
        self.build_encoder(frames_shape)

    def build_encoder(self, frames_shape):
        """Create the layers for `frames_shape` `(B, T, H, W, 3)`."""
        raise NotImplementedError

    def encode(self, frames, training):
        """Compute `(sequence, pooled)` from what the layer is called with."""
        raise NotImplementedError

    def call(self, frames, training=None):
        sequence, pooled = self.encode(frames, training)
        return {"sequence": sequence, "pooled": self.pooled_dropout(pooled, training=training)}

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


class FrameEncoder(VideoEncoder):
    """Base class: an image encoder shared over time, whose pooled vectors a subclass joins.

        x_t = W f(frame_t) + b,   with the image encoder `f`

    A subclass creates its layers in `build_join` and computes `(sequence, pooled)` in `join`. Where the image encoder
    has a frozen backbone, training computes the features of each frame only once.

    Args:
        units: int, width `d` of the output.
        frame_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, `{"name": ..., **arguments}`, or an image encoder.
            Defaults to a small `small_cnn` whose pooled vector keeps where in the frame something is.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Raises:
        ValueError: an unknown image encoder.
    """

    def __init__(self, units, frame_encoder=None, dropout=0.0, **kwargs):
        super().__init__(units, dropout=dropout, **kwargs)
        self.frame_encoder = self._made(SMALL if frame_encoder is None else frame_encoder)

    def _made(self, wanted):
        if isinstance(wanted, keras.layers.Layer):
            return wanted
        wanted = {"name": wanted} if isinstance(wanted, str) else dict(wanted)
        if "registered_name" in wanted:
            # Of a config: a new encoder that starts as that one did. `from_config` makes one that is loaded.
            kind, settings = keras.saving.get_registered_object(wanted["registered_name"]), dict(wanted["config"])
            settings.pop("backbone_config", None)
            return kind(**settings)
        name = wanted.pop("name")
        if name not in IMAGE_ENCODERS:
            raise ValueError(
                f"{self.name}: there is no image encoder {name!r}; choose one of {sorted(IMAGE_ENCODERS)}."
            )
        settings = {"units": self.units, "name": "frame_encoder", "dtype": self.dtype_policy, **wanted}
        return IMAGE_ENCODERS[name](**settings)

    @property
    def frozen_backbone(self):
        """The image encoder's."""
        return self.frame_encoder.frozen_backbone

    @property
    def pretrained_weights(self):
        """The image encoder's trainable weights that did not start at random."""
        return getattr(self.frame_encoder, "pretrained_weights", [])

    @property
    def learning_rate_ratio(self):
        """The share of the learning rate for these."""
        return getattr(self.frame_encoder, "learning_rate_ratio", 1.0)

    def build_encoder(self, frames_shape):
        rows, length, *frame = frames_shape
        # This also builds the encoder.
        width = self.frame_encoder(keras.KerasTensor((None, *frame), dtype="uint8"))["pooled"].shape[-1]
        self.entry = keras.layers.Dense(self.units, name="entry", dtype=self.dtype_policy)
        self.entry.build((rows, length, width))
        self.build_join((rows, length, self.units))

    def build_join(self, tokens_shape):
        """Create the layers for tokens of shape `(B, T, d)`."""
        raise NotImplementedError

    def join(self, tokens, training):
        """Compute `(sequence, pooled)` from tokens `(B, T, d)`."""
        raise NotImplementedError

    def features(self, frames):
        """Compute the output of the image encoder's frozen backbone for uint8 frames: `(B, T, h, w, channels)`."""
        return _apart(self.frame_encoder.features(_together(frames)), frames)

    def encode(self, frames, training):
        given = frames["features"] if isinstance(frames, dict) else frames
        flat = _together(given)
        flat = {"features": flat} if isinstance(frames, dict) else flat
        vectors = _apart(self.frame_encoder(flat, training=training)["pooled"], given)
        return self.join(self.entry(vectors), training)

    def get_config(self):
        encoder = keras.saving.serialize_keras_object(self.frame_encoder)
        # It is built with the layer.
        encoder.pop("build_config", None)
        return {**super().get_config(), "frame_encoder": encoder}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "frame_encoder": keras.saving.deserialize_keras_object(config["frame_encoder"])})


def _together(frames):
    """Frames of all videos as one batch: `(B, T, ...)` -> `(B * T, ...)`."""
    return ops.reshape(frames, (-1, *frames.shape[2:]))


def _apart(values, frames):
    """The reverse, with the number of frames of `frames`."""
    return ops.reshape(values, (-1, frames.shape[1], *values.shape[1:]))
