"""Visual question answering: one model per fusion, with the same encoders."""

from kerasfusion.zoo.builders import fusion_model
from kerasfusion.zoo.registry import register_model

# Fusion -> where it comes from, and what the model does.
_SAME_ENCODERS = {
    "block": ("arXiv 1902.00038", "GRU + strided CNN with a block-term decomposed bilinear form (BLOCK)."),
    "bottleneck": ("arXiv 2107.00135", "Two transformers that exchange information through bottleneck tokens (MBT)."),
    "branched": ("arXiv 1710.02410", "GRU + strided CNN with a branch of layers that the question chooses."),
    "co_attention": ("arXiv 1908.02265", "Co-attention between text and image tokens (ViLBERT)."),
    "concat": ("arXiv 1706.01427", "GRU + strided CNN with concatenation: the CNN + MLP baseline."),
    "cross_attention": ("arXiv 1908.02265", "Text tokens with cross-attention to image cells, three layers."),
    "gated": ("arXiv 1702.01992", "GRU + strided CNN with gated fusion (GMU)."),
    "low_rank": ("arXiv 1806.00064", "GRU + strided CNN with low-rank tensor fusion (LMF)."),
    "memory": ("arXiv 1603.01417", "Memory updates by repeated attention over image cells, three passes (DMN+)."),
    "mfb": ("arXiv 1708.01471", "GRU + strided CNN with factorized bilinear pooling (MFB)."),
    "mfh": ("arXiv 1708.03619", "GRU + strided CNN with factorized high-order pooling (MFH)."),
    "mutan": ("arXiv 1705.06676", "GRU + strided CNN with a Tucker-decomposed bilinear form (MUTAN)."),
    "perceiver": (
        "arXiv 2103.03206",
        "Latent tokens with cross-attention to text and image, then self-attention (Perceiver).",
    ),
    "relation": ("arXiv 1706.01427", "An MLP on every pair of image cells and the question (relation network)."),
    "residual": ("arXiv 1606.01455", "Residual layers of products of question and image vectors (MRN)."),
    "stacked_attention": (
        "arXiv 1511.02274",
        "Stacked attention of the question over image cells, three hops (SAN).",
    ),
    "sum": ("", "GRU + strided CNN with a sum of projections."),
    "tensor": ("arXiv 1707.07250", "GRU + strided CNN with outer-product (tensor) fusion."),
    "token_transformer": ("arXiv 1908.03557", "One transformer over text and image tokens (VisualBERT)."),
}
# A batch holds few images with many questions each.
_ENCODERS = {
    "text_encoder": "gru",
    "image_encoder": {
        "name": "residual_cnn",
        "filters": (24, 48, 64, 64),
        "num_blocks": 0,
        "coordinates": True,
        "batch_renorm": True,
        "pooling": "max",
    },
}
# With normalized cells, these learn to count long before they learn to find what a question names.
_NOT_NORMALIZED = {"memory", "stacked_attention"}
# As many looks as a question about two things has steps, and one for good measure.
_SETTINGS = {
    "cross_attention": {"num_layers": 3},
    "perceiver": {"num_layers": 3, "num_latents": 4},
    "relation": {"pair_hidden": (64, 64, 64), "output_hidden": (64, 64)},
    "residual": {"num_layers": 3},
    "stacked_attention": {"num_hops": 3},
}


def _register(fusion, source, summary):
    def build(schema, **changes):
        image_encoder = _ENCODERS["image_encoder"]
        if fusion in _NOT_NORMALIZED:
            image_encoder = {**image_encoder, "batch_norm": False, "batch_renorm": False}
        settings = {
            **_ENCODERS,
            "image_encoder": image_encoder,
            "fusion": {"name": fusion, **_SETTINGS.get(fusion, {})},
            "units": 64,
            "name": f"vqa_{fusion}",
        }
        return fusion_model(schema, **{**settings, **changes})

    build.__doc__ = summary
    register_model(f"vqa_{fusion}", source=source)(build)


for _fusion, (_source, _summary) in _SAME_ENCODERS.items():
    _register(_fusion, _source, _summary)


@register_model(source="arXiv 1709.07871")
def vqa_film(schema, **changes):
    """GRU that modulates a strided CNN's feature map (FiLM)."""
    settings = {
        "text_encoder": "gru",
        "image_encoder": {"name": "residual_cnn", "filters": (24, 48, 64), "num_blocks": 0},
        "fusion": {"name": "film", "filters": 48, "num_blocks": 1},
        "units": 64,
        "name": "vqa_film",
    }
    return fusion_model(schema, **{**settings, **changes})


@register_model(source="arXiv 1803.03067")
def vqa_mac(schema, **changes):
    """GRU + strided CNN with steps of attention to words and cells and their relative positions (MAC)."""
    settings = {
        "text_encoder": "gru",
        "image_encoder": {
            "name": "residual_cnn",
            "filters": (24, 48, 64),
            "num_blocks": 0,
            "coordinates": True,
        },
        "fusion": {"name": "mac", "num_steps": 3},
        "units": 64,
        "name": "vqa_mac",
    }
    return fusion_model(schema, **{**settings, **changes})


@register_model(source="arXiv 1610.04325")
def vqa_multiply(schema, **changes):
    """Bag of words + small CNN with a product of projections: the plain network of easy-VQA."""
    settings = {
        "text_encoder": "bag_of_words",
        "image_encoder": {"name": "small_cnn", "filters": (8, 16), "flatten": True},
        "fusion": "multiply",
        "units": 32,
        "name": "vqa_multiply",
    }
    return fusion_model(schema, **{**settings, **changes})
