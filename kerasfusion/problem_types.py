"""Task types and the traits that every layer may ask for. It imports nothing of the package."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TaskType:
    """Traits of a task type.

    What a layer does with the type is an entry of that layer's own registry: `heads.tasks`, `data.tasks`,
    `training.tasks`, `evaluation.tasks`, `evaluation.html_report.tasks`, `explain.tasks` and `serving.tasks`.

    Args:
        labels: What a label is: `"class"`, one of the classes; `"classes"`, any number of them; `"number"`; `"box"`,
            a part of the image; or None where the labels are not a table's cells or are texts.
        link: How logits become probabilities of classes: `"softmax"`, `"sigmoid"`, `"cumulative"`, or None.
        from_column: Whether a column of a table can hold its labels.
        from_problem_type: Whether `problem_type=` accepts it.
        model: Which models of the zoo learn it: `"label"`, `"retrieval"` or `"captioning"`.
        width: Width of the logits: a number, or the `Task` property that has it.
        extra_classes: What is added to the width.
        learns_text: Whether a label is a text, whose vocabulary is learned.
        paired: Whether a row pairs its features, so that it needs all of them, and its loss a whole batch.
    """

    labels: str | None = None
    link: str | None = None
    from_column: bool = True
    from_problem_type: bool = True
    model: str = "label"
    width: int | str = "class_count"
    extra_classes: int = 0
    learns_text: bool = False
    paired: bool = False

    def outputs(self, task):
        """Width of the logits of a `Task`."""
        return (self.width if isinstance(self.width, int) else getattr(task, self.width)) + self.extra_classes


TYPES = {
    "binary": TaskType("class", "sigmoid", width=1),
    "multiclass": TaskType("class", "softmax"),
    "multilabel": TaskType("classes", "sigmoid"),
    "regression": TaskType("number", width=1),
    "ordinal": TaskType("class", "cumulative", extra_classes=-1),
    # Four numbers and a score at every cell of a grid.
    "box": TaskType("box", width=5),
    "captioning": TaskType(model="captioning", width="vocabulary_size", learns_text=True),
    # The pairs are the rows themselves.
    "retrieval": TaskType(from_column=False, model="retrieval", width=1, paired=True),
    # Vectors come from matrix factorization, a frozen encoder or a teacher.
    "embedding_regression": TaskType(from_column=False, from_problem_type=False),
    "segments": TaskType("classes", "sigmoid"),
}
TASK_TYPES = tuple(TYPES)
# What a column of labels may hold.
LABEL_TYPES = tuple(name for name, traits in TYPES.items() if traits.from_column)
PROBLEM_TYPES = tuple(name for name, traits in TYPES.items() if traits.from_problem_type)
# What `problem_type=` accepts and no column holds: the rows are the labels.
ROW_TYPES = tuple(name for name in PROBLEM_TYPES if not TYPES[name].from_column)
# Whose labels are texts to write.
TEXT_TYPES = tuple(name for name, traits in TYPES.items() if traits.learns_text)
