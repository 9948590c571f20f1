"""What the model costs to train, to keep and to ask."""

from kerasfusion.evaluation.html_report.html import section, table


def costs(parts):
    """Parameters, bytes, seconds."""
    metrics = parts.metrics
    if "train_seconds" not in metrics:
        return None
    latency = metrics["predict_ms_per_row"]
    facts = [
        ("parameters", f"{metrics['parameters']:,}"),
        ("model.keras", f"{parts.details['model_bytes'] / 1e6:.2f} MB"),
        ("time per row", f"{latency:.3g} ms, in batches of up to 256 rows, input pipeline included"),
        ("rows per second", f"{1000 / latency:,.0f}"),
        ("machine", parts.config["machine"]),
    ]
    rows = [
        [name, f"{seconds:,.1f}", f"{metrics['epochs'][name]}", f"{metrics['best_epoch'][name]}"]
        for name, seconds in metrics["train_seconds"].items()
    ]
    trained = table("Training", ("", "seconds", "epochs", "best epoch"), rows, (1, 2, 3))
    return section("What it costs", table("The model", ("", ""), facts, class_="facts"), trained, id_="costs")
