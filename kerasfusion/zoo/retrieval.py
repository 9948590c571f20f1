"""Dual encoders for image-text retrieval."""

from kerasfusion.zoo.builders import dual_encoder
from kerasfusion.zoo.registry import register_model


def _dual(schema, name, changes, **settings):
    return dual_encoder(schema, **{"units": 128, "dropout": 0.2, "name": name, **settings, **changes})


@register_model(source="article 000, section 3.1.1", task="retrieval")
def dual_lstm_cnn(schema, **changes):
    """LSTM + residual CNN in one embedding space."""
    return _dual(schema, "dual_lstm_cnn", changes, text_encoder="lstm", image_encoder="residual_cnn")


@register_model(source="arXiv 1801.04381, 1707.05612", task="retrieval")
def dual_gru_mobilenet(schema, **changes):
    """GRU + MobileNetV2 in one embedding space; pretrained image weights stay frozen.

    Without weights all of it learns from a random start. `image_encoder={"name": "mobilenet_v2", "alpha": 0.35,
    "weights": "imagenet"}`, or a file in place of that name, freezes the network below its last layer;
    `"fine_tune": "last_blocks"` lets its last blocks learn as well.
    """
    image = {"name": "mobilenet_v2", "alpha": 0.35}
    return _dual(schema, "dual_gru_mobilenet", changes, text_encoder="gru", image_encoder=image, units=256)


@register_model(source="arXiv 2103.00020", task="retrieval")
def dual_transformer_vit(schema, **changes):
    """Text transformer + vision transformer in one embedding space (a small CLIP)."""
    settings = {
        "text_encoder": {"name": "transformer", "num_layers": 2},
        "image_encoder": {"name": "vit", "num_layers": 4},
    }
    return _dual(schema, "dual_transformer_vit", changes, **settings)


@register_model(
    source="arXiv 2002.10957, 1905.11946", task="retrieval", load={"tokenizer": "minilm", "image_size": 224}
)
def dual_pretrained(schema, **changes):
    """Frozen MiniLM + frozen EfficientNet-Lite0 with a two-layer perceptron each into one embedding space."""
    settings = {
        "text_encoder": {"name": "minilm", "global_pool": True, "units": None},
        "image_encoder": {"name": "efficientnet_lite0", "global_pool": True, "flip_tta": True, "units": None},
        "units": 512,
        "hidden_units": 1024,
        "dropout": 0.5,
    }
    return _dual(schema, "dual_pretrained", changes, **settings)


@register_model(source="arXiv 2103.00020", task="retrieval")
def dual_clip(schema, preset="clip_vit_base_patch32", fine_tune="projection", **changes):
    """A pretrained CLIP from KerasHub (extra [hub]).

    `preset` is the name of one of KerasHub's, whose weights are downloaded, or a folder with one. The data is read in
    the size that it was trained on (`image_size=224`). What learns, `fine_tune`, is CLIP's last layer on either side,
    "none" or "all"; see `CLIPTextEncoder` for the words that it knows.
    """
    clip = {"name": "clip", "preset": preset, "fine_tune": fine_tune}
    settings = {"text_encoder": clip, "image_encoder": {**clip, "global_pool": True}, "units": None, "dropout": 0.0}
    return _dual(schema, "dual_clip", changes, **settings)
