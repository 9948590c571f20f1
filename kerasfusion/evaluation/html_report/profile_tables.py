"""Tables of texts and ranges in the profile of the rows."""

from kerasfusion.evaluation.html_report.figures import histogram, short_number
from kerasfusion.evaluation.html_report.html import element, join, table


def texts(name, found, title="Texts", does="reads"):
    """Lengths and vocabulary of a text column."""
    counts = [sum(counts) for counts in zip(*found["counts"].values(), strict=True)]
    said = f"Vocabulary: {found['vocabulary']:,} words. The model {does} the first {found['length']} of a text."
    ranges = ranges_table(
        f"Words per text, {name}",
        found["range"],
        ("texts that are cut", [f"{count:,}" for count in found["cut"].values()]),
        ("words unknown to the model", [f"{share:.1%}" for share in found["unknown"].values()]),
    )
    # Texts of one length make no chart.
    varied = len([count for count in counts if count]) > 1
    chart = histogram("Words per text, all rows", found["edges"], counts, "words") if varied else None
    chart = chart and element("div", chart, class_="figures")
    heading = element("h3", f"{title}: {name}")
    return join(heading, element("p", said), ranges, chart)


def ranges_table(caption, ranges, *further):
    """Smallest, median, mean and largest of each split."""
    names = ("smallest", "median", "mean", "largest")
    rows = [[name, *(short_number(part[name]) for part in ranges.values())] for name in names]
    if any(part["missing"] for part in ranges.values()):
        rows.append(["missing", *(f"{part['missing']:,}" for part in ranges.values())])
    rows += [[name, *cells] for name, cells in further]
    return table(caption, ("", *ranges), rows, range(1, 1 + len(ranges)))
