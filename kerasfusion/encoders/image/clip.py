import keras
from keras import ops

from kerasfusion.encoders.hub import clip_branch, clip_projection, keras_hub
from kerasfusion.encoders.image.base import ImageEncoder

# Of the images that CLIP was trained on: RGB in 0..1.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@keras.saving.register_keras_serializable("kerasfusion")
class CLIPImageEncoder(ImageEncoder):
    """The image branch of CLIP (arXiv 2103.00020) from KerasHub, a vision transformer.

    `kf.training.fit` runs a frozen network once per image and trains on the cached `features`.

    Args:
        units: Optional int, width `d` of a new dense layer on the network. `None` uses CLIP's own projection into the
            joint embedding space.
        preset: str, name of a KerasHub preset, or a folder written by `save_to_preset`. Read when an encoder is
            created, never when one is loaded.
        fine_tune: str, `"none"` freezes CLIP, `"projection"` trains its projection, `"all"` trains all of it. A new
            dense layer is always trained. Defaults to `"none"`.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.
        global_pool: bool, whether to keep only the class token, as a grid of one cell. Defaults to False.
        backbone_config: Optional dict, from `get_config`; replaces the preset when an encoder is loaded.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255, with the preset's height and width.

    Returns:
        dict: `grid` float `(B, h, w, d)` and `sequence` float `(B, h·w, d)` of the patches; `pooled` float `(B, d)`,
            the
        class token.

    Raises:
        ImportError: if keras-hub is not installed.
        ValueError: an unknown `fine_tune`, a preset that is not a CLIP, or images of another size.

    Example:

    ```python
    data = kf.data.load("captions.csv", image="photo", text="caption", problem_type="retrieval", image_size=224)
    clip = {"name": "clip", "preset": "clip_vit_base_patch32"}
    model = kf.models.dual_encoder(data.schema, text_encoder=clip, image_encoder=clip, units=None)
    ```
    """

    def __init__(
        self, units, preset, fine_tune="none", dropout=0.0, global_pool=False, backbone_config=None, **kwargs
    ):
        super().__init__(units, dropout=dropout, **kwargs)
        if fine_tune not in ("none", "projection", "all"):
            raise ValueError(f"{self.name}: fine_tune must be 'none' or 'projection' or 'all', not {fine_tune!r}.")
        keras_hub()
        self.preset = str(preset)
        self.fine_tune = fine_tune
        self.global_pool = global_pool
        kernel = None
        if backbone_config is None:
            self.backbone, kernel = clip_branch(self.preset, "vision", self.dtype_policy)
            self.width = kernel.shape[1]
        else:
            self.backbone = keras.saving.deserialize_keras_object(backbone_config["backbone"])
            self.width = backbone_config["width"]
        self.backbone.trainable = fine_tune == "all"
        self.projection = clip_projection(units, self.width, kernel, self.dtype_policy)
        self.projection.trainable = units is not None or fine_tune != "none"
        self.frozen_backbone = None if fine_tune == "all" else self.backbone

    def build_encoder(self, pixels_shape):
        height, width, _ = self.backbone.image_shape
        if tuple(pixels_shape[1:3]) != (height, width):
            raise ValueError(
                f"{self.name}: {self.preset} takes images of {height} x {width} pixels, not {pixels_shape[1]} x "
                f"{pixels_shape[2]}: read the data with image_size={height} (--image-size {height})."
            )
        self.projection.build((None, self.backbone.hidden_dim))

    def features(self, pixels, training=False):
        """Compute CLIP's tokens for uint8 pixels, float `(B, 1, n, hidden)`: the class token, then the patches.

        The encoder accepts `{"features": ...}` instead of pixels, so that training computes the features only once.
        """
        mean, std = (ops.convert_to_tensor(v, dtype=self.compute_dtype) for v in (CLIP_MEAN, CLIP_STD))
        hidden = self.backbone({"images": (self.unit_interval(pixels) - mean) / std}, training=training)
        return hidden[:, None, :1] if self.global_pool else hidden[:, None]

    def call(self, pixels, training=None):
        if isinstance(pixels, dict):
            return super().call(pixels, training=training)
        features = self.features(pixels, bool(training) and self.fine_tune == "all")
        return self.answer(*self.project(features, training), training)

    def project(self, features, training):
        tokens = self.projection(features[:, 0])
        side = 1 if self.global_pool else self.backbone.image_shape[0] // self.backbone.patch_size
        patches = tokens if self.global_pool else tokens[:, 1:]
        return ops.reshape(patches, (-1, side, side, patches.shape[-1])), tokens[:, 0]

    def get_config(self):
        backbone_config = {"backbone": keras.saving.serialize_keras_object(self.backbone), "width": self.width}
        return {
            **super().get_config(),
            "preset": self.preset,
            "fine_tune": self.fine_tune,
            "global_pool": self.global_pool,
            "backbone_config": backbone_config,
        }
