"""The demo's settings, and a few questions put to what it exported."""

from kerasfusion.serving import CApiSession
from kerasfusion.training import TrainingConfig

# Its questions name one or two objects, so it needs steps of attention.
DEMO_MODEL = "vqa_mac"
# Counts and "is there a …" are learned in fewer epochs when each step tells how much it has found.
DEMO_CHANGES = {"fusion": {"name": "mac", "num_steps": 3, "count": True}}


def demo_config(quick=False, seed=0):
    """How the demo trains: a few minutes on two cores, or seconds when quick."""
    return TrainingConfig(epochs=2 if quick else 18, batch_size=128, learning_rate=2e-3, patience=3, seed=seed)


def format_accuracy(metrics):
    """The share of right answers of a run on its test split, by type of question, in one line.

    Args:
        metrics: `Run.metrics` of a run on the shapes world.
    """
    (task,) = metrics["tasks"].values()
    model = metrics["model"]
    kinds = [f"{kind} {score['value']:.0%}" for kind, score in task["by_kind"][model].items()]
    return f"Right answers on the test split: {task['scores'][model]['value']:.1%} ({', '.join(kinds)})"


def query_exported_model(version, data, count=4):
    """Ask an exported model about test images: PNG bytes and raw strings through TensorFlow's C API.

    Args:
        version: Folder of the exported version.
        data: The `Data` it was trained on.
        count: Number of questions, each of another type.

    Yields:
        str: a line for each question, with the answer and the label.
    """
    test = data.splits["test"]
    rows = (~test.frame["type"].duplicated()).to_numpy().nonzero()[0][:count].tolist()
    questions = [test.frame["question"].iloc[row] for row in rows]
    images = [test.banks["image"].encoded(test.arrays["image"][row]) for row in rows]
    with CApiSession(version) as session:
        answers = session.run(
            "serving_default",
            {"text": [question.encode() for question in questions], "image_bytes": images},
        )
    yield "\nAsked of the export, PNG bytes and raw strings through TensorFlow's C API:"
    for row, question, answer in zip(rows, questions, answers["label"], strict=True):
        label = test.frame["answer"].iloc[row]
        yield f"  {question}  ->  {answer.decode()}  (label: {label})"
