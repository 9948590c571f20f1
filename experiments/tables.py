"""Write the tables of README.md, the guide and the result pages from `experiments/results/*.csv`.

    python experiments/tables.py            # rewrite them
    python experiments/tables.py --check    # fail where they differ

Text outside of the markers is kept. Between `<!-- table:NAME -->` and `<!-- /table:NAME -->`, NAME is a CSV file of
results, `zoo` (the models by task) or `index` (article section, script, headline figure).
"""

import argparse
import re
import statistics
from pathlib import Path

from _common import display_name
from headlines import BENCHMARKS, TUTORIALS, ZOO

import kerasfusion as kf
from kerasfusion.evaluation.results import read_results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
MAX_SLICES = 8

# Metrics shown as percentages.
PERCENTAGES = ("accuracy", "f1", "scenes", "all tags right", "false differences")


def pages():
    """Every page that holds a generated table."""
    fixed = ("README.md", "experiments/README.md", "kerasfusion/guide/models.md")
    return [ROOT / page for page in fixed] + sorted(RESULTS.glob("*.md"))


def format_value(row):
    """One recorded figure, with its interval where it has one."""
    value = float(row["value"])
    if row["metric"].startswith(PERCENTAGES):
        ends = f" [{float(row['low']):.1%}, {float(row['high']):.1%}]" if row["low"] else ""
        return f"{value:.2%}{ends}"
    shown = row["low"] and (row["metric"] == "CIDEr" or " gained" in row["metric"])
    ends = f" [{float(row['low']):.3g}, {float(row['high']):.3g}]" if shown else ""
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}") + ends


def format_cell(rows):
    """One figure, or mean ± standard deviation where several seeds were recorded."""
    if len({row["seed"] for row in rows}) == 1 or len({row["value"] for row in rows}) == 1:
        return format_value(rows[-1])
    values = [float(row["value"]) for row in rows]
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    if rows[-1]["metric"].startswith(PERCENTAGES):
        return f"{mean:.2%} ± {100 * deviation:.2g}"
    return f"{mean:,.0f} ± {deviation:,.0f}" if mean >= 1000 else f"{mean:.3g} ± {deviation:.2g}"


def results_table(name):
    """One line per model, one column per metric; below, the commands and where they ran."""
    rows = read_results(RESULTS / f"{name}.csv")
    models, metrics = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "metric"))
    slices = [metric for metric in metrics if metric.startswith("accuracy (")]
    if len(slices) > MAX_SLICES:
        metrics = [metric for metric in metrics if metric not in slices]
    cells = {}
    for row in rows:
        cells.setdefault((row["model"], row["metric"]), []).append(row)
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for model in models:
        figures = (format_cell(cells[model, metric]) if (model, metric) in cells else "" for metric in metrics)
        lines.append("| " + " | ".join([display_name(model), *figures]) + " |")
    return "\n".join([*lines, "", "Recorded with " + "; ".join(commands(rows)) + "."])


def commands(rows):
    """The commands behind these rows, each with its commits, seeds and machine."""
    made = {}
    for row in rows:
        command = re.sub(r"--seed \d+", "--seed SEED", row["command"])
        made.setdefault((command, row["machine"]), []).append(row)
    for (command, machine), found in made.items():
        commits, seeds = (", ".join(dict.fromkeys(row[key] for row in found)) for key in ("commit", "seed"))
        plural = ("s" if "," in commits else "", "s" if "," in seeds else "")
        yield f"`{command}` (commit{plural[0]} {commits}; seed{plural[1]} {seeds}; {machine})"


def find_figure(file, model, metric):
    """The formatted figure of one model and metric.

    Raises:
        ValueError: The file holds no such row.
    """
    return format_cell(find_rows(file, model, metric))


def find_rows(file, model, metric):
    """The rows of one model and metric, one per seed."""
    rows = [r for r in read_results(RESULTS / f"{file}.csv") if (r["model"], r["metric"]) == (model, metric)]
    if not rows:
        raise ValueError(f"experiments/results/{file}.csv has no row {model!r}, {metric!r}.")
    return rows


def zoo_tables():
    """The registered models by task, each task with one metric on one data set."""
    names = set(kf.list_models())
    parts = []
    for group in ZOO:
        members = [name for name in kf.list_models() if name.startswith(group["models"])]
        names -= set(members)
        lines = [f"### {group['title']}", "", group["note"], ""]
        columns = ("model", "what it is", "source", "parameters", group["metric"])
        lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for name in members:
            entry = kf.zoo.get_entry(name)
            cells = [f"`{name}`", entry.summary, entry.source, "", ""]
            where = group["figures"].get(name, group["default"])
            if where:
                file, model, metric = where[0], where[1].format(name=name), where[2]
                cells[3:] = [parameters(file, model), find_figure(file, model, metric)]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    if names:
        raise ValueError(f"headlines.ZOO has no group for {', '.join(sorted(names))}.")
    return "\n\n".join(parts)


def parameters(file, model):
    """The recorded number of parameters, or an empty cell."""
    rows = [r for r in read_results(RESULTS / f"{file}.csv") if (r["model"], r["metric"]) == (model, "parameters")]
    return format_value(rows[0]) if rows else ""


def index_tables():
    """Article section, script and headline figure; then the benchmarks."""
    lines = ["| article | script | shows | result |", "|---|---|---|---|"]
    for article, script, shows, figures in TUTORIALS:
        result = ", ".join(f"{label} {find_figure(*where)}" for label, *where in figures)
        page = f"results/{script}.md"
        link = f"[{result}]({page})" if (ROOT / "experiments" / page).exists() else result
        lines.append(f"| {article} | [{script}]({script}.py) | {shows} | {link} |")
    lines += ["", "| benchmark | measures | result |", "|---|---|---|"]
    for name, shows, figures in BENCHMARKS:
        result = ", ".join(f"{label} {find_figure(*where)}".strip() for label, *where in figures)
        lines.append(f"| [{name}](results/{name}.md) | {shows} | {result} |")
    return "\n".join(lines)


def render(text):
    """`text` with every marked table generated again."""

    def fill(match):
        name = match.group(1)
        special = {"zoo": zoo_tables, "index": index_tables}
        table = special[name]() if name in special else results_table(name)
        return f"<!-- table:{name} -->\n{table}\n<!-- /table:{name} -->"

    return re.sub(r"<!-- table:(\w+) -->.*?<!-- /table:\1 -->", fill, text, flags=re.DOTALL)


def main(check):
    for path in pages():
        old = path.read_text(encoding="utf-8")
        new = render(old)
        if check and new != old:
            raise SystemExit(
                f"{path.relative_to(ROOT)} does not agree with the results: run `python experiments/tables.py`."
            )
        if not check and new != old:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    main(parser.parse_args().check)
