"""Numbers in an evaluation."""

import numpy as np

from kerasfusion.evaluation.features.base import EvaluatedFeature


class NumericInputs(EvaluatedFeature):
    """Numbers are shown by column."""

    what = "numbers"
    tabular = True

    def columns(self, feature, examples):
        there = examples.present[feature.name][:, None]
        return np.where(there, examples.arrays[feature.name], np.nan).astype("float32"), [0] * feature.length

    def shown(self, feature, examples, position):
        cells = examples.frame[list(feature.columns)].iloc[position]
        return {"numeric": {column: None if value != value else float(value) for column, value in cells.items()}}

    def sample(self, feature, examples):
        return [round(float(value), 4) for value in examples.arrays[feature.name][0]]
