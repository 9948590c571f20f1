"""The data layer's registry of task types: how labels are read, encoded and described."""

from kerasfusion.data.tasks.box import Box
from kerasfusion.data.tasks.captioning import Captioning
from kerasfusion.data.tasks.multilabel import Multilabel
from kerasfusion.data.tasks.one_class import Binary, OneClass
from kerasfusion.data.tasks.ordinal import Ordinal
from kerasfusion.data.tasks.regression import EmbeddingRegression, Regression
from kerasfusion.data.tasks.retrieval import Retrieval
from kerasfusion.data.tasks.segments import Segments

TASKS = {
    "binary": Binary(),
    "multiclass": OneClass(),
    "multilabel": Multilabel(),
    "regression": Regression(),
    "ordinal": Ordinal(),
    "box": Box(),
    "captioning": Captioning(),
    "retrieval": Retrieval(),
    "embedding_regression": EmbeddingRegression(),
    "segments": Segments(),
}


def encode_labels(frame, column, problem_type, classes=None):
    """Turn a label column into the array that the loss takes.

    Args:
        frame: A frame from `read_table`.
        column: The label's column.
        problem_type: `"binary"`, `"multiclass"`, `"multilabel"`, `"regression"` or another type of column labels.
        classes: Class names in the order of the logits, as learned from the training table. None: learn them here.

    Returns:
        tuple: `(values, classes)`. Binary: float32 (n,) and `(negative, positive)`. Multiclass: int32 (n,) and the
        sorted names. Multilabel: float32 (n, number of tags) of zeros and ones and the sorted names. Regression:
        float32 (n,) and `()`. A missing label is NaN, in int labels -1: `clean_rows` drops and counts these rows.

    Raises:
        DataError: A value does not fit the type, a class is not among `classes`, or there is nothing to learn.

    Example:

    ```python
    encode_labels(pd.DataFrame({"answer": ["yes", "no", "no"]}), "answer", "binary")
    # (array([1., 0., 0.], dtype=float32), ("no", "yes"))
    ```
    """
    return TASKS[problem_type].encode(frame, column, classes)
