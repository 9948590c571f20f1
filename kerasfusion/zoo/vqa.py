"""Visual question answering: the question decides what to look for. One model per fusion, on the same encoders."""

from kerasfusion.models import fusion_model
from kerasfusion.zoo.registry import register_model

# Fusion -> where it comes from, and what the model does.
_SAME_ENCODERS = {
    "block": ("arXiv 1902.00038", "GRU and strided CNN, multiplied chunk by chunk through low-rank cores (BLOCK)."),
    "bottleneck": ("arXiv 2107.00135", "Words and cells in two transformers that meet in a few tokens (MBT)."),
    "co_attention": ("arXiv 1908.02265", "Words look at the image's cells and cells at words, in turns (ViLBERT)."),
    "concat": ("arXiv 1706.01427", "GRU and strided CNN, concatenated: the CNN + MLP to compare with."),
    "cross_attention": ("arXiv 1908.02265", "Words look for what they need among the image's cells, three times."),
    "gated": ("arXiv 1702.01992", "GRU and strided CNN, weighed by learned gates (GMU)."),
    "low_rank": ("arXiv 1806.00064", "GRU and strided CNN, every product of places at low rank (LMF)."),
    "memory": ("arXiv 1603.01417", "The question looks at the cells, thinks, and looks again, three times (DMN+)."),
    "mfb": ("arXiv 1708.01471", "GRU and strided CNN, factorized bilinear pooling (MFB)."),
    "mfh": ("arXiv 1708.03619", "GRU and strided CNN, factorized high-order pooling (MFH)."),
    "mutan": ("arXiv 1705.06676", "GRU and strided CNN, a bilinear form by Tucker decomposition (MUTAN)."),
    "perceiver": ("arXiv 2103.03206", "A few learned tokens ask words and cells, then one another (Perceiver)."),
    "relation": ("arXiv 1706.01427", "Every pair of the image's cells is asked the question (relation network)."),
    "residual": ("arXiv 1606.01455", "The question gathers products with the image's vector in layers (MRN)."),
    "stacked_attention": ("arXiv 1511.02274", "The question looks at the image's cells three times (SAN)."),
    "sum": ("", "GRU and strided CNN, added."),
    "tensor": ("arXiv 1707.07250", "GRU and strided CNN, every product of two places (tensor fusion)."),
    "token_transformer": ("arXiv 1908.03557", "One transformer reads words and image cells in a row (VisualBERT)."),
}
# Nothing is normalized: a batch holds few images with many questions each.
_ENCODERS = {
    "text_encoder": "gru",
    "image_encoder": {
        "name": "residual_cnn",
        "filters": (24, 48, 64, 64),
        "num_blocks": 0,
        "coordinates": True,
        "batch_norm": False,
    },
}
# As many looks as a question about two things has steps, and one for good measure.
_SETTINGS = {
    "cross_attention": {"num_layers": 3},
    "perceiver": {"num_layers": 3, "num_latents": 4},
    "relation": {"output_hidden": (64,)},
    "residual": {"num_layers": 3},
    "stacked_attention": {"num_hops": 3},
}


def _register(fusion, source, summary):
    def build(schema, **changes):
        settings = {
            **_ENCODERS,
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
    """GRU question steers a strided CNN's grid, cell by cell (FiLM)."""
    settings = {
        "text_encoder": "gru",
        "image_encoder": {"name": "residual_cnn", "filters": (24, 48, 64), "num_blocks": 0},
        "fusion": {"name": "film", "filters": 48, "num_blocks": 1},
        "units": 64,
        "name": "vqa_film",
    }
    return fusion_model(schema, **{**settings, **changes})


@register_model(source="arXiv 1610.04325")
def vqa_multiply(schema, **changes):
    """Bag of words times a small CNN's vector: the plain network of the easy-VQA data set."""
    settings = {
        "text_encoder": "bag_of_words",
        "image_encoder": {"name": "small_cnn", "filters": (8, 16), "flatten": True},
        "fusion": "multiply",
        "units": 32,
        "name": "vqa_multiply",
    }
    return fusion_model(schema, **{**settings, **changes})
