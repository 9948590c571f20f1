"""The explain layer's registry of task types: how rows with what the model looked at are made."""

from kerasfusion.explain.captions import explain_captions
from kerasfusion.explain.examples import explain_examples

# None: a dual encoder attends to nothing, and a box says itself where the model looks.
TASKS = {
    "binary": explain_examples,
    "multiclass": explain_examples,
    "multilabel": explain_examples,
    "regression": explain_examples,
    "ordinal": explain_examples,
    "box": None,
    "captioning": explain_captions,
    "retrieval": None,
    "embedding_regression": explain_examples,
    "segments": explain_examples,
}
