"""Sentences that are written."""

from kerasfusion.evaluation.tasks.base import TaskEvaluation


class CaptioningEvaluation(TaskEvaluation):
    """CIDEr, BLEU and ROUGE-L of what a captioner writes."""

    reports_alone = True
    answers_alone = True

    def write(self, model, examples, task):
        """What the model writes, greedily: dict title -> list of str."""
        from kerasfusion.evaluation.captions import generate_captions

        return {task.title: generate_captions(model, examples)}

    def report(self, models, examples, task, train=None):
        # Imported here, because the report asks this registry for its scores.
        from kerasfusion.evaluation.caption_report import write_and_score

        return write_and_score(models, examples, task, train)

    def result_rows(self, model, found):
        from kerasfusion.evaluation.results import caption_score_rows

        return caption_score_rows(found["scores"])
