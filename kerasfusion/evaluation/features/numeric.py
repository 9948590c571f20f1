"""Numbers in an evaluation."""

from kerasfusion.evaluation.features.base import EvaluatedFeature


class NumericInputs(EvaluatedFeature):
    """Numbers are shown by column."""

    what = "numbers"

    def shown(self, feature, examples, position):
        cells = examples.frame[list(feature.columns)].iloc[position]
        return {"numeric": {column: None if value != value else float(value) for column, value in cells.items()}}

    def sample(self, feature, examples):
        return [round(float(value), 4) for value in examples.arrays[feature.name][0]]
