"""Segments of a video that belong to its summary."""

import numpy as np

from kerasfusion.evaluation.segments import rank_correlations
from kerasfusion.evaluation.tasks.multilabel import MultilabelEvaluation


class SegmentsEvaluation(MultilabelEvaluation):
    """Micro F1 of the segments above one half; Kendall's tau within each video, on average."""

    def further_scores(self, labels, decided, prediction):
        taus = [
            rank_correlations(scores, own[None])[0][0]
            for scores, own in zip(prediction["probabilities"], labels, strict=True)
            if np.ptp(own) > 0
        ]
        samples = super().further_scores(labels, decided, prediction)["f1_samples"]
        return {"kendall_tau": float(np.mean(taus)) if taus else float("nan"), "f1_samples": samples}
