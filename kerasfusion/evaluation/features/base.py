"""What the evaluation does with one kind of feature."""


class EvaluatedFeature:
    """Base class of the registry's entries.

    Attributes:
        corruptions: `Corruption`s to try in a test of robustness, beside taking the features away.
        what: What is taken away, for people: `"text"`.
        tabular: Whether it is columns of numbers or categories, which `columns` gives.
    """

    corruptions: tuple = ()
    what = ""
    tabular = False

    def keys(self, feature, examples):
        """Strings `(n,)` for the baseline that gives the best answer for what was seen in training; None for none."""
        return None

    def columns(self, feature, examples):
        """Columns for trees: float32 `(n, c)`, NaN where a cell is missing, and int `(c,)`, categories or 0."""
        raise NotImplementedError

    def shown(self, feature, examples, position):
        """What a page shows of one row: JSON values beside `name` and `kind`."""
        raise NotImplementedError

    def sample(self, feature, examples):
        """An example to stand in a sample request, as JSON; None for a file."""
        raise NotImplementedError
