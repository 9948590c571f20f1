"""Flags, data, small settings and recorded rows of tutorial 05, on image-text retrieval."""

from pathlib import Path

import _common
from _datasets import draw_captioned, flickr8k_pairs, mobilenet_weights

import kerasfusion as kf
from kerasfusion.evaluation import score_rows

# The image encoder of quick mode.
SMALL_CNN = {"name": "small_cnn", "filters": (16, 32), "flatten": True}


def add_flags(parser, losses):
    """Add the tutorial's own flags to the parser, and return it."""
    parser.add_argument("source", nargs="?", help="a table with an image and a caption per row")
    parser.add_argument("--image", help="its image column")
    parser.add_argument("--text", help="its caption column")
    parser.add_argument("--losses", nargs="+", choices=losses, help="only these; the first one's model is served")
    _common.add_pretrained_flags(parser, "minilm", "efficientnet_lite0")
    parser.add_argument("--rerank", action="store_true", help="also train a fused model on hard pairs (section 6)")
    parser.add_argument("--resume", action="store_true", help="reuse the finished runs in --output-dir")
    parser.add_argument("--weights", help="weights of MobileNetV2 0.35 (default: DATA/mobilenet_v2_035)")
    parser.add_argument("--epochs", type=int, help="training epochs. Defaults to 20, with --pretrained to 12")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def load_pairs(arguments, parser):
    """Load the table that the flags name: the user's own, Flickr8k, or drawn shapes in quick mode.

    Returns:
        tuple: the `Data`, settings of the text encoder that suit it, and the sizes at which the pretrained image
        encoder sees its images (empty: as they are).
    """
    caption = arguments.text or ("text" if arguments.source else "caption")
    columns = {"image": arguments.image or "image", "text": caption, "problem_type": "retrieval"}
    if arguments.pretrained:
        columns["cache_dir"] = arguments.cache_dir
    text = {"kernel_sizes": (1, 2, 3), "filters": 256, "embedding_dim": 200}
    if arguments.quick:
        return kf.data.load(draw_captioned(arguments.output_dir / "shapes"), **columns), text, ()
    if arguments.source:
        return kf.data.load(arguments.source, **columns, seed=arguments.seed), text, ()
    if not arguments.data_dir:
        parser.error(
            "name a table, or the folder that flickr8k_128 is in: --data-dir or KERASFUSION_DATA (or --quick)"
        )
    table = flickr8k_pairs(Path(arguments.data_dir) / "flickr8k_128")
    # Words that occur in a single caption are left out: they would only help to memorize that caption.
    limits = {"image_size": 128, "sequence_length": 24, "max_tokens": 4500}
    if "minilm" in arguments.pretrained:
        # MiniLM knows all words by their pieces.
        limits = {"image_size": 128, "sequence_length": 48, "tokenizer": "minilm"}
    data = kf.data.load(table, **columns, split="split", allow_external_paths=True, **limits)
    # The image encoders were trained on images of 224 pixels. These have 128; they do better when they are enlarged,
    # and better still with two sizes.
    return data, {"kernel_sizes": (1, 2), "filters": 192, "embedding_dim": 128}, (224, 288)


def imagenet_weights(arguments):
    """The weights file of MobileNetV2, None without one."""
    weights = arguments.weights or mobilenet_weights(arguments.data_dir)
    if weights is None:
        print("No weights for MobileNetV2: it is trained from scratch, which takes many more photos.")
    return weights


def gallery(data, arguments):
    """One row per test image, with paths that do not depend on the working directory."""
    (column,) = data.schema["image"].columns
    images = data.splits["test"].frame.drop_duplicates(column)
    if arguments.quick:
        folder = arguments.output_dir / "shapes"
        images = images.assign(image=[str(folder / name) for name in images["image"]])
    return images


def small_dual_encoder(seed):
    """Model, arguments and training of quick mode."""
    settings = {"text_encoder": "average", "image_encoder": SMALL_CNN, "units": 32, "dropout": 0.0}
    config = kf.training.TrainingConfig(epochs=16, batch_size=32, learning_rate=2e-3, patience=None, seed=seed)
    return "dual_lstm_cnn", settings, config


def small_reranker(seed):
    """Arguments and training of the fused model in quick mode."""
    settings = {"image_encoder": {**SMALL_CNN, "flatten": False}, "fusion": {"name": "film", "filters": 32}}
    config = kf.training.TrainingConfig(epochs=30, batch_size=32, learning_rate=3e-3, patience=None, seed=seed)
    return settings, config


def result_rows(runs, fused=None, reranked=None):
    """Rows for `--results`.

    Args:
        runs: dict loss -> `Run` of a dual encoder.
        fused: `Run` of the model that reranks.
        reranked: Its `RerankingResult`.
    """
    rows = [
        {**row, "model": f"{row['model']}, {name}"} for name, run in runs.items() for row in score_rows(run.metrics)
    ]
    if reranked is None:
        return rows
    rows += [{**row, "model": f"{row['model']}, hard pairs"} for row in score_rows(fused.metrics)]
    for direction, after in reranked.after.items():
        gain = reranked.gain[direction]
        first = {"metric": f"R@1 {direction}", "value": after.recall[1]}
        gained = {"metric": f"gain of R@1 {direction}", "value": gain.value, "low": gain.low, "high": gain.high}
        rows += [{"model": "first 10 reordered", **row, "n": after.queries} for row in (first, gained)]
    return rows


def command(arguments):
    """The command to record."""
    source = (arguments.source or "").replace(str(arguments.data_dir), "DATA")
    parts = ["python experiments/05_contrastive_retrieval.py", source, "--data-dir DATA"]
    if arguments.losses:
        parts += ["--losses", *(f"'{name}'" if " " in name else name for name in arguments.losses)]
    parts += ["--pretrained", *arguments.pretrained] if arguments.pretrained else []
    parts += ["--rerank"] * arguments.rerank
    parts += [f"--seed {arguments.seed} --results experiments/results/{arguments.results.name}"]
    return " ".join(part for part in parts if part)
