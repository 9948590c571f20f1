import keras
from keras import ops

from kerasfusion.encoders.hub import clip_branch, clip_projection
from kerasfusion.encoders.text.hub import KerasHubTextEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class CLIPTextEncoder(KerasHubTextEncoder):
    """The text branch of CLIP (arXiv 2103.00020) from KerasHub, applied to the ids of the schema's vocabulary.

    See `KerasHubTextEncoder` for how words become subword tokens. CLIP's tokenizer knows every word of the training
    texts but has no token for unknown words: these, like punctuation, are omitted. A query can therefore only use
    words of the schema's vocabulary, not all of CLIP's.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: Optional int, width `d` of a new dense layer on the network. `None` uses CLIP's own projection into the
            joint embedding space.
        preset: str, name of a KerasHub preset, or a folder written by `save_to_preset` of a CLIP and its tokenizer.
            Read when an encoder is created, never when one is loaded.
        fine_tune: str, `"none"` freezes CLIP, `"projection"` trains its projection, `"all"` trains all of it. A new
            dense layer is always trained. Defaults to `"none"`.
        vocabulary: sequence of str, the words of ids 4, 5, …; only their subword tokens are stored.
        backbone_config: Optional dict, from `get_config`; replaces the vocabulary when an encoder is loaded.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        dict: `sequence` float `(B, L, d)`, the first subword token of each word, zero at padding and unknown words;
        `pooled` float `(B, d)`, the end token; `mask` bool `(B, L)`, True at known words.

    Raises:
        ImportError: if keras-hub is not installed.
        ValueError: an unknown `fine_tune`, no vocabulary, or a preset that is not a CLIP.

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
