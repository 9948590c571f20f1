"""What a page shows of one kind of feature."""

from kerasfusion.evaluation.html_report.html import element


class FeaturePart:
    """Base class of the registry's entries."""

    def profile(self, schema, found):
        """Elements on the cells of the table.

        Args:
            schema: The run's `Schema`.
            found: dict name -> what `kf.data` found of it, from `details.json`.

        Returns:
            list of elements.
        """
        raise NotImplementedError

    def shown(self, row, cell):
        """One cell that went in, as text or as an image; `row` is its row of a table of examples."""
        raise NotImplementedError

    def request(self, feature, sample):
        """A row's input in a request: dict name -> value; `sample` stands in it."""
        return {feature.name: sample}

    def cells(self, feature, sample):
        """A row's cells in a table to predict: dict column -> value."""
        return {feature.columns[0]: sample}

    def answers(self, feature):
        """Outputs of a served model that the feature adds: list of `(name, meaning)`."""
        return []


def nothing(cell):
    """What stands for a cell that is missing."""
    return element("p", f"no {cell['name']}", class_="none")
