"""Write the tables of the READMEs from `experiments/results/*.csv` and from the zoo.

    python experiments/tables.py            # rewrite them
    python experiments/tables.py --check    # fail where they differ

A table stands between `<!-- table:NAME -->` and `<!-- /table:NAME -->`; NAME is a file of results or `zoo`.
"""

import argparse
import re
from pathlib import Path

import kerasfusion as kf
from kerasfusion.evaluation.results import read

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "experiments/README.md")


def shown(row):
    """A figure as people read it, with its interval where it has one."""
    value = float(row["value"])
    if not row["metric"].startswith(("accuracy", "f1")):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    ends = f" [{float(row['low']):.1%}, {float(row['high']):.1%}]" if row["low"] else ""
    return f"{value:.2%}{ends}"


def results_table(name):
    """One line per model, one column per metric; the commands and where they ran below."""
    rows = read(ROOT / "experiments" / "results" / f"{name}.csv")
    models, metrics = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "metric"))
    cells = {(row["model"], row["metric"]): shown(row) for row in rows}
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    lines += ["| " + " | ".join([model, *(cells.get((model, m), "") for m in metrics)]) + " |" for model in models]
    made = dict.fromkeys(f"`{r['command']}` (commit {r['commit']}, seed {r['seed']}, {r['machine']})" for r in rows)
    return "\n".join([*lines, "", "Made by " + "; ".join(made) + "."])


def zoo_table():
    """Every registered model."""
    lines = ["| model | what it is | needs | from |", "|---|---|---|---|"]
    for name in kf.list_models():
        entry = kf.zoo.get_entry(name)
        lines.append(f"| `{name}` | {entry.summary} | {', '.join(entry.inputs)} | {entry.source} |")
    return "\n".join(lines)


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
