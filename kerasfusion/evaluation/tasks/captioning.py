"""Sentences that are written."""

from kerasfusion.evaluation.tasks.base import TaskEvaluation


class CaptioningEvaluation(TaskEvaluation):
    """CIDEr, BLEU and ROUGE-L of what a captioner writes."""

    reports_alone = True
    answers_alone = True

    def require_scorers(self):
        from kerasfusion.evaluation.caption_scores import require_scorers

        require_scorers()

    def write(self, model, examples, task):
        """What the model writes, greedily: dict title -> list of str."""
        from kerasfusion.evaluation.captions import generate_captions

        return {task.title: generate_captions(model, examples)}

    def report(self, models, examples, task, train=None):
        # Imported here, because the report asks this registry for its scores.
        from kerasfusion.evaluation.caption_report import write_and_score

        return write_and_score(models, examples, task, train)

    def figures(self, found, test, looked_at):
        from kerasfusion.evaluation.run_figures import caption_figures

        return caption_figures(found, test, looked_at)

    def score_table(self, found):
        from kerasfusion.evaluation.score_tables import caption_table

        return caption_table(found)

    def result_rows(self, model, found):
        from kerasfusion.evaluation.results import caption_score_rows

        return caption_score_rows(found["scores"])
