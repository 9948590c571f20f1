"""`comparison.html`: several models on the same rows, in one file that loads nothing."""

from kerasfusion.evaluation.html_report.figures import score_and_latency, short_number
from kerasfusion.evaluation.html_report.html import element, join, section, table
from kerasfusion.evaluation.html_report.render import document
from kerasfusion.evaluation.html_report.results import METRICS
from kerasfusion.evaluation.html_report.summary import listed, verdict_class
from kerasfusion.evaluation.html_report.write import provenance, write_html
from kerasfusion.evaluation.scores import ALONE
from kerasfusion.evaluation.statistics import BEATS, UNDECIDED, WORSE

_SIGNS = {
    BEATS: "Fusion helps: the best fused model beats the best without fusion",
    UNDECIDED: "The best fused model is not significantly different from the best without fusion",
    WORSE: "The best fused model is worse than the best without fusion",
    ALONE: "No fused model is compared with one without fusion",
}
_READING = (
    "Means over the seeds. The 95 % intervals, and the test of each difference to the best, ask what other seeds "
    "and other rows would give: the variance between seeds plus that between rows (rows of one image count as "
    "one). Models are compared on the same rows. p is adjusted for all pairs of models, as in Tukey and Kramer's "
    "test, for unequal variances: where all models are equally good, at most about 5 % of such tables name a "
    "difference. The best is picked on these rows, which flatters its own figure a little. With one seed, nothing is "
    "said of other seeds; with two, little."
)


def write_comparison_page(path, tasks, costs, joined, config):
    """Write the page of a comparison.

    Args:
        path: The file.
        tasks: Task -> `TaskComparison`.
        costs: Name -> dict of `parameters`, `train_seconds`, `epochs`, `latency_ms`, `export_mb`, as far as known.
        joined: Names of the models that join modalities.
        config: As in a comparison's `comparison.json`.

    Returns:
        Path: the page.
    """
    first = next(iter(tasks.values()))
    page = document(
        f"{len(first.scores)} models on {config['source']}",
        [_verdict(found, joined) for found in tasks.values()],
        [element("p", "Note: ", note, class_="note") for note in config["notes"]],
        [_scores(found, joined, place) for place, found in enumerate(tasks.values())],
        _costs(first, costs, joined),
        _asked(config),
    )
    return write_html(page, path)


def _verdict(found, joined):
    state = found.standing(joined) or ALONE
    return element("p", element("strong", _SIGNS[state]), " ", found.verdict, class_=verdict_class(state))


def _scores(found, joined, place):
    scores, one = found.scores, found.figure
    most = max(score.high for score in scores.values()) if found.metric == "mae" else 1
    rows = []
    for name, score in scores.items():
        ends = f"{one(score.mean)} [{one(score.low)}, {one(score.high)}]"
        line = _reach(score, most, name in joined)
        if name == found.best:
            cells = ["–", "", ""]
        else:
            gap = score.gap_to_best
            gap = f"{gap:.4g}" if found.metric == "mae" else f"{gap * 100:.1f} points"
            p = "< 0.001" if score.p_adjusted < 0.001 else f"{score.p_adjusted:.3f}"
            cells = [gap, p, "yes" if score.significant else "NO"]
        rows.append([name, element("div", element("span", ends), line, class_="reading"), *cells])
    better = "smaller is better" if found.metric == "mae" else "larger is better"
    header = ("", f"{METRICS[found.metric]} [95 % interval]", "gap to best", "p (adjusted)", "significant")
    caption = f"{found.seeds} seed(s), {found.rows:,} test rows ({better})"
    seeds = [[name, *(one(value) for value in score.per_seed)] for name, score in scores.items() if found.seeds > 1]
    columns = range(1, 1 + found.seeds)
    each = table("Each seed", ("", *(f"{i}." for i in columns)), seeds, columns) if seeds else None
    note = element("p", _READING, class_="legend")
    return section(
        f"Scores: {found.task.column}",
        table(caption, header, rows, (2, 3), class_="scores"),
        note,
        each,
        id_=f"scores-{place}",
    )


def _reach(score, most, own):
    left, right, middle = (100 * min(max(x / (most or 1), 0), 1) for x in (score.low, score.high, score.mean))
    return element(
        "span",
        element("span", class_="reach", style=f"left:{left:.2f}%;width:{right - left:.2f}%"),
        element("span", class_="dot", style=f"left:{middle:.2f}%"),
        class_="interval own" if own else "interval",
        aria_hidden="true",
    )


def _costs(found, costs, joined):
    names = [name for name in found.scores if name in costs]
    rows = []
    for name in names:
        cost = costs[name]
        seconds, epochs = (cost.get(key) for key in ("train_seconds", "epochs"))
        rows.append(
            [
                name,
                f"{cost['parameters']:,}",
                f"{seconds:,.1f}",
                "" if epochs is None else short_number(epochs),
                f"{cost['latency_ms']:.3g}",
                f"{cost['export_mb']:.2f}",
            ]
        )
    header = ("", "parameters", "training seconds", "epochs", "milliseconds for one row", "export, MB")
    said = (
        "Training seconds and epochs are means over the seeds; a late average trains nothing but its members. The "
        "time for one row is that of raw strings and encoded images through TensorFlow's C API on this machine, a "
        "median with all models asked in turns."
    )
    return section(
        "Costs",
        score_and_latency("Score and latency", found, {name: costs[name]["latency_ms"] for name in names}, joined),
        table("What each model costs", header, rows, range(1, 6)),
        element("p", said, class_="legend"),
        id_="costs",
    )


def _asked(config):
    made = provenance()
    facts = [
        ("table", config["source"]),
        ("rows", listed(config["rows"], " ")),
        ("models", ", ".join(config["models"])),
        ("baselines", f"branches and late average of {config['reference']}"),
        *([("changed settings", listed(config["changes"]))] if config["changes"] else []),
        ("training", listed(config["training"])),
        ("made", made["made"]),
        *([("command", element("code", made["command"]))] if made["command"] else []),
        ("versions", listed(made["versions"], " ")),
    ]
    said = join(
        element(
            "p", "All models: the same rows, splits and training settings. A seed changes weights, order and dropout."
        ),
        element("p", "Each model and seed is a run of its own, with its report, in runs/."),
    )
    return section("What was asked", table("The comparison", ("", ""), facts, class_="facts"), said, id_="asked")
