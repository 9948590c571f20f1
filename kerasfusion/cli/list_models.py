"""List the models of the zoo."""

import click

from kerasfusion.cli.console import show
from kerasfusion.cli.options import flag


@click.command("list")
@click.argument("pattern", default="*")
@flag("--presets", "List the presets instead: trained models that come with the package.")
def list_models(pattern, presets):
    """List the models of the zoo, or those that match a shell PATTERN such as "*film*"."""
    (_list_presets if presets else _list_models)(pattern)


def _list_models(pattern):
    from kerasfusion import zoo
    from kerasfusion.presets import presets_by_model

    names = zoo.list_models(pattern)
    if not names:
        raise click.BadParameter(f"no model matches {pattern!r}; `kerasfusion list` shows all.")
    entries, presets = [zoo.get_entry(name) for name in names], presets_by_model()
    rows = [
        (entry.name, entry.summary, ", ".join(entry.inputs), entry.task, entry.source, ", ".join(presets[entry.name]))
        for entry in entries
    ]
    show(("model", "what it is", "needs", "learns a", "from", "presets"), rows)


def _list_presets(pattern):
    from kerasfusion.presets import find_preset, list_presets, read_preset

    names = list_presets(pattern)
    if not names:
        raise click.BadParameter(f"no preset matches {pattern!r}; `kerasfusion list --presets` shows all.")
    found = [read_preset(find_preset(name)) for name in names]
    rows = [
        (preset["name"], preset["summary"], preset["model"] or "", preset["data"], preset["license"])
        for preset in found
    ]
    show(("preset", "what it does", "model", "trained on", "license"), rows)
