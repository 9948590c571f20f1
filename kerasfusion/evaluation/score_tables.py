"""A task's part of `metrics.json` as a table for a terminal: header and rows, strings."""


def label_table(report):
    """One score a model, with its interval, and the parts that it is broken down by."""
    first = next(iter(report["scores"].values()))
    kinds = list(next(iter(report["by_kind"].values()), {}))
    # Many classes do not fit a terminal's width; they are all in metrics.json.
    kinds = kinds if len(kinds) <= 6 else []
    rows = []
    for name, score in report["scores"].items():
        by_kind = report["by_kind"].get(name, {})
        rows.append((name, score_text(score, interval=True), *(score_text(by_kind[kind]) for kind in kinds)))
    return ("", f"{first['name']} [95 % interval]", *map(str, kinds)), rows


def retrieval_table(report):
    """Both directions, and chance."""
    rows = []
    directions = {**report["directions"], **{f"chance, {name}": part for name, part in report["chance"].items()}}
    for name, part in directions.items():
        recall = (f"{value:.1%}" for value in part["recall"].values())
        counts = (f"{part[key]:,}" for key in ("queries", "gallery"))
        rows.append((name, *recall, f"{part['median_rank']:g}", f"{part['mrr']:.3f}", *counts))
    return ("", "R@1", "R@5", "R@10", "median rank", "MRR", "queries", "searched"), rows


def caption_table(report):
    """Scores and style of each model's captions."""
    columns = ("", "CIDEr [95 % interval]", "BLEU-1", "BLEU-4", "ROUGE-L", "novel", "distinct words", "length")
    rows = []
    for name, found in report["scores"].items():
        cider, novel = found["cider"], "" if found["novel"] is None else f"{found['novel']:.1%}"
        ends = f"{cider['value']:.3f} [{cider['low']:.3f}, {cider['high']:.3f}]"
        bleu = (f"{found['bleu'][order]:.1f}" for order in (0, 3))
        rest = (f"{found['rouge_l']:.3f}", novel, f"{found['words']:,}", f"{found['length']:.1f}")
        rows.append((name, ends, *bleu, *rest))
    return columns, rows


def score_text(score, interval=False):
    """A score as people read it, with its interval where wanted."""
    one = "{:.4g}".format if score["name"] == "mae" else "{:.1%}".format
    value = one(score["value"])
    return f"{value} [{one(score['low'])}, {one(score['high'])}]" if interval else value
