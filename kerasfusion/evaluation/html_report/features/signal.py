"""Signals on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.figures import bar, short_number, waveform
from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.html_report.profile_tables import ranges_table
from kerasfusion.evaluation.html_report.requests import SOUND


class SignalPart(FeaturePart):
    """Signals as curves."""

    def profile(self, schema, found):
        return [_signal(schema[name].columns[0], part) for name, part in found.items()]

    def shown(self, row, cell):
        if "curves" not in cell:
            return element("p", "the signal cannot be read", class_="none") if cell["given"] else nothing(cell)
        return waveform(f"{cell['name']} of row {row['row']}", cell["curves"], cell["samples"], cell["rate"])

    def request(self, feature, sample):
        return {feature.name: sample} if feature.rate is None else {f"{feature.name}_bytes": {"b64": SOUND}}

    def cells(self, feature, sample):
        return {feature.columns[0]: "sound.wav" if sample is None else sample}

    def answers(self, feature):
        return [(f"{feature.name}_ok", "whether the signal could be read; if not, it counts as missing")]


def _signal(name, found):
    channels = "one channel" if found["channels"] == 1 else f"{found['channels']:,} channels"
    said = f"The model reads {found['length']:,} samples of {channels}"
    if found["rate"]:
        said += f" at {found['rate']:,} Hz, {short_number(found['length'] / found['rate'])} s"
    rows = [["signals", *(f"{count:,}" for count in found["signals"].values())]]
    if "missing" in found:
        rows.append(["samples missing", *(f"{share:.2%}" for share in found["missing"].values())])
    contents = [table(f"Signals, {name}", ("", *found["signals"]), rows, range(1, 1 + len(found["signals"])))]
    if found.get("samples"):
        contents.append(ranges_table(f"Samples of a signal as it came, {name}", found["samples"]))
    if len(found.get("rates", ())) > 1:
        most = max(count for _, count in found["rates"])
        lines = [[f"{rate:,} Hz", join(f"{count:,}", bar(count / most))] for rate, count in found["rates"]]
        contents.append(table("The commonest sample rates", ("sample rate", "signals"), lines, (1,)))
    return join(element("h3", f"Signals: {name}"), element("p", f"{said}."), contents)
