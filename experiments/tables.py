"""Write the tables of the READMEs from `experiments/results/*.csv` and from the zoo.

    python experiments/tables.py            # rewrite them
    python experiments/tables.py --check    # fail where they differ

A table stands between `<!-- table:NAME -->` and `<!-- /table:NAME -->`; NAME is a file of results or `zoo`.
"""

import argparse
import re
import statistics
from pathlib import Path

import kerasfusion as kf
from kerasfusion.evaluation.results import read_results

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "experiments/README.md")
MOST_KINDS = 8

# Entries that a file of results lists by other words.
OTHER_WORDS = {
    # Its branches of classifier_concat are these very networks.
    ("compare_emoji", "text_only"): "text only",
    ("compare_emoji", "image_only"): "image only",
    ("compare_emoji", "late_average"): "late average",
    ("fusion_transformer", "fusion_transformer"): "α = 0",
    ("tag_sequences", "caption_lstm"): "written, the image seen once",
}

# Where the zoo's models were measured, in the order in which a figure is looked for: file of results -> data set.
MEASURED = {
    "demo": "shapes world",
    "relational_vqa": "Sort-of-CLEVR, relational; 6 minutes of training (memory 45), the question a mean of words",
    "image_tagging": "CIFAR-10, 15,000 images",
    "zoo_emoji": "emoji, images and names",
    "compare_emoji": "emoji, images and names",
    "easy_vqa": "easy-VQA",
    "captioning": "Flickr8k at 128 pixels, our split",
    "captioning_shapes": "shapes world",
    "zoo_shapes": "shapes world",
    "contrastive_retrieval": "Flickr8k at 128 pixels, our split",
    "fusion_transformer": "drawn shapes, one of them under a blot",
    "tag_sequences": "shapes world, tags written as a sentence",
}
# What a model of the zoo is judged by, and how it is called there; plain accuracy needs no name.
SCORES = {
    "accuracy": "",
    "accuracy (relational)": "",
    "CIDEr": "CIDEr ",
    "R@1 text to image": "R@1 text to image ",
    "scenes described exactly": "scenes described exactly ",
    "all tags right": "all tags right ",
}
# Shown as percentages.
SHARES = ("accuracy", "f1", "scenes", "all tags right")


def shown(row):
    """A figure as people read it, with its interval where it has one."""
    value = float(row["value"])
    if row["metric"].startswith(SHARES):
        ends = f" [{float(row['low']):.1%}, {float(row['high']):.1%}]" if row["low"] else ""
        return f"{value:.2%}{ends}"
    ends = f" [{float(row['low']):.3g}, {float(row['high']):.3g}]" if row["low"] and row["metric"] == "CIDEr" else ""
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}") + ends


def cell(rows):
    """A figure; over several seeds their mean, and how far they lie apart."""
    if len({row["seed"] for row in rows}) == 1 or len({row["value"] for row in rows}) == 1:
        return shown(rows[-1])
    values = [float(row["value"]) for row in rows]
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    if rows[-1]["metric"].startswith(SHARES):
        return f"{mean:.2%} ± {100 * deviation:.2g}"
    return f"{mean:,.0f} ± {deviation:,.0f}" if mean >= 1000 else f"{mean:.3g} ± {deviation:.2g}"


def results_table(name):
    """One line per model, one column per metric; the commands and where they ran below. Seeds are put together."""
    rows = read_results(ROOT / "experiments" / "results" / f"{name}.csv")
    models, metrics = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "metric"))
    kinds = [metric for metric in metrics if metric.startswith("accuracy (")]
    if len(kinds) > MOST_KINDS:
        # Of ten classes, each with a column, nobody reads a page; they stay in the file.
        metrics = [metric for metric in metrics if metric not in kinds]
    cells = {}
    for row in rows:
        cells.setdefault((row["model"], row["metric"]), []).append(row)
    cells = {key: cell(found) for key, found in cells.items()}
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    lines += ["| " + " | ".join([model, *(cells.get((model, m), "") for m in metrics)]) + " |" for model in models]
    made = dict.fromkeys(f"`{r['command']}` (commit {r['commit']}, seed {r['seed']}, {r['machine']})" for r in rows)
    return "\n".join([*lines, "", "Made by " + "; ".join(made) + "."])


def zoo_table():
    """Every registered model, with its figure on the first data set it was measured on."""
    columns = ("model", "what it is", "from", "parameters", "accuracy, or what is named", "on")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    commands = {}
    for name in kf.list_models():
        entry = kf.zoo.get_entry(name)
        needs = "" if len(entry.inputs) > 1 else f" ({entry.inputs[0]} alone)"
        found = measured(name)
        figures = ["", "", ""]
        if found:
            data, parameters, scores = found
            number = commands.setdefault((data, scores[0]["command"]), len(commands) + 1)
            figures = [parameters, SCORES[scores[0]["metric"]] + cell(scores), f"{data} [{number}]"]
        lines.append(f"| `{name}` | {entry.summary}{needs} | {entry.source} | {' | '.join(figures)} |")
    made = [f"{number}. {data}: `{command}`" for (data, command), number in commands.items()]
    return "\n".join([*lines, "", *made])


def measured(name):
    """Data set, parameters and the score's rows, one a seed, of a model of the zoo; None where there are none."""
    for file, data in MEASURED.items():
        path = ROOT / "experiments" / "results" / f"{file}.csv"
        # "vqa_film, seed 0" is a run of vqa_film.
        wanted = OTHER_WORDS.get((file, name), name)
        rows = read_results(path) if path.exists() else []
        rows = [row for row in rows if wanted in (row["model"], row["model"].split(",")[0])]
        scores = [row for row in rows if row["metric"] in SCORES]
        scores.sort(key=lambda row: "mean over seeds" not in row["model"])
        if scores:
            counts = [shown(row) for row in rows if row["metric"] == "parameters"]
            best = (scores[0]["model"], scores[0]["metric"])
            same = [row for row in scores if (row["model"], row["metric"]) == best]
            return data, counts[0] if counts else "", same
    return None


def render(text):
    """The page with every table made anew."""

    def fill(match):
        name = match.group(1)
        table = zoo_table() if name == "zoo" else results_table(name)
        return f"<!-- table:{name} -->\n{table}\n<!-- /table:{name} -->"

    return re.sub(r"<!-- table:(\w+) -->.*?<!-- /table:\1 -->", fill, text, flags=re.DOTALL)


def main(check):
    for page in PAGES:
        path = ROOT / page
        old = path.read_text(encoding="utf-8")
        new = render(old)
        if check and new != old:
            raise SystemExit(f"{page} does not agree with the results: run `python experiments/tables.py`.")
        if not check:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    main(parser.parse_args().check)
