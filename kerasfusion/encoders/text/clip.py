import keras
from keras import ops

from kerasfusion.encoders.hub import clip_branch, clip_projection
from kerasfusion.encoders.text.hub import KerasHubTextEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class CLIPTextEncoder(KerasHubTextEncoder):
    """The text branch of CLIP (arXiv 2103.00020) from KerasHub, behind our own vocabulary's ids.

    `KerasHubTextEncoder` says how words become pieces and what that leaves out: CLIP knows every word that the
    training texts have, and no other. It has no token for unknown words; they are left out of the text, as is
    punctuation. So a pretrained CLIP finds by the words of its table alone, not by all that it was trained on.

    Args:
        vocabulary_size: Number of token ids, the four special ones included.
        units: Width `d` of a new dense layer on the network; None takes CLIP's own, into the space of its images.
        preset: Name of a KerasHub preset, or a folder that `save_to_preset` of a CLIP and its tokenizer wrote. It is
            read when an encoder is made, never when one is loaded.
        fine_tune: `"none"` leaves CLIP as it is; `"projection"` trains its last layer, the projection; `"all"` trains
            all of it. A new dense layer is always trained.
        vocabulary: The words of ids 4, 5, …; the encoder keeps their pieces alone.
        backbone_config: What `get_config` gives for a loaded encoder, in place of the vocabulary.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        dict: `sequence` float `(B, L, d)`, each word's first piece, zero at padding and unknown words; `pooled` float
        `(B, d)`, the end of the text, which for CLIP stands for all of it; `mask` bool `(B, L)`, True at known words.

    Raises:
        ImportError: keras-hub is not installed.
        ValueError: an unknown `fine_tune`, no vocabulary, or a preset that is no CLIP.

    Example:

    ```python
    clip = {"name": "clip", "preset": "clip_vit_base_patch32"}
    model = kf.models.dual_encoder(data.schema, text_encoder=clip, image_encoder=clip, units=None)
    ```
    """

    choices = ("none", "projection", "all")
    _kernel = None

    def read_backbone(self):
        network, self._kernel = clip_branch(self.preset, "text", self.dtype_policy)
        return network

    def make_projection(self, backbone_config):
        self.width = backbone_config["width"] if self._kernel is None else self._kernel.shape[1]
        layer = clip_projection(self.units, self.width, self._kernel, self.dtype_policy)
        layer.trainable = self.units is not None or self.fine_tune != "none"
        return layer

    def run_backbone(self, tokens, there, training):
        # Each piece sees those before it alone: what fills up behind the end changes nothing.
        return self.backbone({"token_ids": tokens}, training=training)

    def pool(self, hidden, there, total):
        return ops.take_along_axis(hidden, total[..., None] + 1, axis=1)[:, 0]

    def get_config(self):
        config = super().get_config()
        return {**config, "backbone_config": {**config["backbone_config"], "width": self.width}}
