"""List the models of the zoo."""

import click

from kerasfusion.cli.console import show


@click.command("list")
@click.argument("pattern", default="*")
def list_models(pattern):
    """List the models of the zoo, or those that match a shell PATTERN such as "*film*"."""
    from kerasfusion import zoo

    names = zoo.list_models(pattern)
    if not names:
        raise click.BadParameter(f"no model matches {pattern!r}; `kerasfusion list` shows all.")
    entries = [zoo.get_entry(name) for name in names]
    rows = [(entry.name, entry.summary, ", ".join(entry.inputs), entry.task, entry.source) for entry in entries]
    show(("model", "what it is", "needs", "learns a", "from"), rows)
