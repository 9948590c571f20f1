"""Which image a text belongs to."""

import numpy as np

from kerasfusion.evaluation.tasks.base import TaskEvaluation


class RetrievalEvaluation(TaskEvaluation):
    """Recall of both directions; a row's answer is the cosine of its image and its text."""

    reports_alone = True

    def columns(self, task, prediction, decided, examples, name):
        (image,), (text,) = examples.schema.of_kind("image"), examples.schema.of_kind("text")
        whole = (examples.arrays[image.name] >= 0) & (examples.arrays[text.name] != 0).any(axis=1)
        return {"similarity": np.where(whole, prediction["similarity"], np.nan)}

    def report(self, models, examples, task, train=None):
        # Imported here, because the report asks this registry for its scores.
        from kerasfusion.evaluation.retrieval_report import match_report

        return match_report(*next(iter(models.items())), examples, task)

    def figures(self, found, test, looked_at):
        from kerasfusion.evaluation.run_figures import retrieval_figures

        return retrieval_figures(found, test)

    def score_table(self, found):
        from kerasfusion.evaluation.score_tables import retrieval_table

        return retrieval_table(found)

    def result_rows(self, model, found):
        from kerasfusion.evaluation.results import match_score_rows

        return match_score_rows(model, found)
